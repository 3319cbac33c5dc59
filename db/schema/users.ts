import { pgTable, primaryKey, text, timestamp } from "drizzle-orm/pg-core";
import type { Role } from "./resources";

/** While a person is frozen nothing is done in their name; who is disabled has lost all that was. */
export type UserStatus = "active" | "frozen" | "disabled";

/** People. Written by services/users.ts only. */
export const users = pgTable("users", {
  id: text().primaryKey(),
  email: text().notNull(),
  name: text().notNull(),
  role: text().$type<Role>().notNull(),
  /** argon2id; null for people who only sign in through a provider. */
  passwordHash: text(),
  /** Lower-cased e-mail of a local account; null otherwise. Never used to link a provider's identity. */
  localEmail: text().unique(),
  /** Names that approvals can be put to; the operator says who is in which. */
  groups: text().array().notNull().default([]),
  status: text().$type<UserStatus>().notNull().default("active"),
  createdAt: timestamp({ withTimezone: true }).notNull(),
  lastSignInAt: timestamp({ withTimezone: true }),
});

/** Who a provider says somebody is: the key is (issuer, sub), never the e-mail (product decision D19). */
export const identities = pgTable(
  "identities",
  {
    issuer: text().notNull(),
    sub: text().notNull(),
    userId: text()
      .notNull()
      .references(() => users.id),
    createdAt: timestamp({ withTimezone: true }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.issuer, table.sub] })],
);

/** One-time sign-in links, for the first admin in local mode (product decision D16). */
export const signInLinks = pgTable("sign_in_links", {
  /** SHA-256 of the link's token. */
  tokenHash: text().primaryKey(),
  userId: text()
    .notNull()
    .references(() => users.id),
  expiresAt: timestamp({ withTimezone: true }).notNull(),
  usedAt: timestamp({ withTimezone: true }),
});
