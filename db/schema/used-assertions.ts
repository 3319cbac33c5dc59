import { index, pgTable, text, timestamp } from "drizzle-orm/pg-core";

/**
 * Assertions that were redeemed and proofs that were made, so that none counts twice, on no instance. Written by services/used-assertions.ts only.
 */
export const usedAssertions = pgTable(
  "used_assertions",
  {
    /** SHA-256 of who made it and its `jti`. */
    key: text().primaryKey(),
    /** When the assertion would be refused anyway. */
    expiresAt: timestamp({ withTimezone: true }).notNull(),
  },
  (table) => [index("used_assertions_expires_at_index").on(table.expiresAt)],
);
