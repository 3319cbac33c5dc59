import { integer, pgTable, text, timestamp } from "drizzle-orm/pg-core";

/** One row that tells this database apart. Written by services/installation.ts only. */
export const installation = pgTable("installation", {
  id: integer().primaryKey(),
  createdAt: timestamp({ withTimezone: true }).notNull(),
  /** Restores start a new one (product decision D28). */
  epoch: integer().notNull().default(1),
  /** A known text encrypted under AUTHGENT_SECRET_KEY: tells a wrong key before anything is written with it. */
  secretKeyCheck: text().notNull(),
  /** The key that push services know this server by (RFC 8292 §2), both halves as a JWE; made when first needed. */
  vapidKeyJwe: text(),
});
