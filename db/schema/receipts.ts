import { index, pgTable, text, timestamp, uuid } from "drizzle-orm/pg-core";

/** Signed proof of every hop of a delegation. Written by services/receipts.ts only. */
export const receipts = pgTable(
  "receipts",
  {
    /** SHA-256 of `jws`, base64url. */
    hash: text().primaryKey(),
    /** The token the hop made. */
    jti: uuid().notNull().unique(),
    /** The receipt of the hop before; null: this is the first. */
    parentHash: text(),
    jws: text().notNull(),
    createdAt: timestamp({ withTimezone: true }).notNull(),
    /** When nobody has to prove it any more. */
    expiresAt: timestamp({ withTimezone: true }).notNull(),
  },
  (table) => [index("receipts_expires_at_index").on(table.expiresAt)],
);
