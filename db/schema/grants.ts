import { sql } from "drizzle-orm";
import { index, integer, pgTable, text, timestamp, uniqueIndex } from "drizzle-orm/pg-core";
import { users } from "./users";

/** What a person lets an app do at one resource, until they stop it. Written by services/grants.ts only. */
export const grants = pgTable(
  "grants",
  {
    id: text().primaryKey(),
    userId: text()
      .notNull()
      .references(() => users.id),
    clientId: text().notNull(),
    resource: text().notNull(),
    scope: text().array().notNull(),
    status: text().$type<"active" | "revoked">().notNull().default("active"),
    /** Grows with every change of `scope`. */
    version: integer().notNull().default(1),
    createdAt: timestamp({ withTimezone: true }).notNull(),
    updatedAt: timestamp({ withTimezone: true }).notNull(),
    lastUsedAt: timestamp({ withTimezone: true }),
    revokedAt: timestamp({ withTimezone: true }),
    /** Who stopped it, in the words of the audit: `user:…`, `operator`, `system`. */
    revokedBy: text(),
  },
  (table) => [
    // One standing grant per person, app and resource: consent adds to it (incremental consent).
    uniqueIndex("grants_standing_index")
      .on(table.userId, table.clientId, table.resource)
      .where(sql`${table.status} = 'active'`),
    index("grants_client_id_index").on(table.clientId),
    index("grants_revoked_index").on(table.id).where(sql`${table.status} = 'revoked'`),
  ],
);
