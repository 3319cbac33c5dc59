import { index, pgTable, text, timestamp } from "drizzle-orm/pg-core";
import { users } from "./users";

/** Signed-in browsers. Written by services/sessions.ts only. */
export const sessions = pgTable(
  "sessions",
  {
    /** SHA-256 of the cookie's value. */
    idHash: text().primaryKey(),
    userId: text()
      .notNull()
      .references(() => users.id),
    /** When the person last proved who they are (OIDC Core §2, `auth_time`). */
    authTime: timestamp({ withTimezone: true }).notNull(),
    /** How they proved it (RFC 8176). */
    amr: text().array().notNull(),
    /** The provider that vouched; `local` for a password or a sign-in link. */
    provider: text().notNull(),
    createdAt: timestamp({ withTimezone: true }).notNull(),
    lastSeenAt: timestamp({ withTimezone: true }).notNull(),
    expiresAt: timestamp({ withTimezone: true }).notNull(),
    revokedAt: timestamp({ withTimezone: true }),
    userAgent: text(),
    address: text(),
  },
  (table) => [index("sessions_user_id_index").on(table.userId)],
);

/** A sign-in on its way through a provider: single use, bound to one browser (product decision D20). */
export const signIns = pgTable("sign_ins", {
  /** SHA-256 of the value in the return address. */
  idHash: text().primaryKey(),
  /** SHA-256 of the browser cookie that started it. */
  browserHash: text().notNull(),
  provider: text().notNull(),
  /** Path on this server to go on to. */
  continueTo: text().notNull(),
  createdAt: timestamp({ withTimezone: true }).notNull(),
  expiresAt: timestamp({ withTimezone: true }).notNull(),
  usedAt: timestamp({ withTimezone: true }),
});
