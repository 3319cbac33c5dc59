import { index, pgTable, text, timestamp } from "drizzle-orm/pg-core";
import { approvals } from "./approvals";

/** Device codes, which lead to their question (RFC 8628 §3.2). Written by services/device-codes.ts only. */
export const deviceCodes = pgTable(
  "device_codes",
  {
    /** SHA-256 of the device code. */
    codeHash: text().primaryKey(),
    /** HMAC of the user code, under a key that is not in the database: so few characters could be guessed from a hash. */
    userCodeHash: text().notNull().unique(),
    approvalId: text()
      .notNull()
      .references(() => approvals.id, { onDelete: "cascade" }),
    expiresAt: timestamp({ withTimezone: true }).notNull(),
  },
  (table) => [index("device_codes_expires_at_index").on(table.expiresAt)],
);
