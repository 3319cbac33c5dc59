import { index, pgTable, text, timestamp } from "drizzle-orm/pg-core";

/** Assertions that were redeemed, so that none is twice. Written by services/used-assertions.ts only. */
export const usedAssertions = pgTable(
  "used_assertions",
  {
    /** SHA-256 of issuer and `jti`. */
    key: text().primaryKey(),
    /** When the assertion would be refused anyway. */
    expiresAt: timestamp({ withTimezone: true }).notNull(),
  },
  (table) => [index("used_assertions_expires_at_index").on(table.expiresAt)],
);
