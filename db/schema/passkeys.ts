import { bigint, boolean, index, pgTable, text, timestamp } from "drizzle-orm/pg-core";
import { users } from "./users";

/** The keys that people sign decisions with (WebAuthn Level 3 §4, credential record). Written by services/passkeys.ts only. */
export const passkeys = pgTable(
  "passkeys",
  {
    /** As the authenticator chose it, base64url. */
    credentialId: text().primaryKey(),
    userId: text()
      .notNull()
      .references(() => users.id),
    /** What the person calls it. */
    name: text().notNull(),
    /** The public key as the authenticator sent it: a COSE key, base64url. */
    publicKey: text().notNull(),
    /** The last signature counter; 0 where the authenticator does not count. */
    signCount: bigint({ mode: "number" }).notNull(),
    /** How browsers reach the authenticator, as they said themselves. */
    transports: text().array().notNull(),
    /** Whether it may be copied to the person's other devices; never changes. */
    backupEligible: boolean().notNull(),
    /** Whether it was, when it was last used. */
    backedUp: boolean().notNull(),
    /** The model of the authenticator, as it says itself: nobody vouched for it. */
    aaguid: text().notNull(),
    createdAt: timestamp({ withTimezone: true }).notNull(),
    lastUsedAt: timestamp({ withTimezone: true }),
  },
  (table) => [index("passkeys_user_id_index").on(table.userId)],
);
