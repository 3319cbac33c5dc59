import { index, pgTable, text, timestamp } from "drizzle-orm/pg-core";
import { users } from "./users";

/** Browsers that people want to be told in (RFC 8030). Written by services/push-subscriptions.ts only. */
export const pushSubscriptions = pgTable(
  "push_subscriptions",
  {
    /** SHA-256 of the endpoint. */
    endpointHash: text().primaryKey(),
    userId: text()
      .notNull()
      .references(() => users.id),
    /** SHA-256 of the cookie of the browser: it has one subscription, and signing out ends it. */
    browserHash: text().notNull(),
    /** Host of the push service. */
    host: text().notNull(),
    /** Endpoint and keys as a JWE: who has them can write to this browser's user as soon as they have our key too. */
    subscriptionJwe: text().notNull(),
    createdAt: timestamp({ withTimezone: true }).notNull(),
  },
  (table) => [index("push_subscriptions_user_id_index").on(table.userId)],
);
