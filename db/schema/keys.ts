import { sql } from "drizzle-orm";
import { jsonb, pgTable, text, timestamp, uniqueIndex } from "drizzle-orm/pg-core";
import type { JWK } from "jose";

/** Signing keys. Written by services/keys.ts only. */
export const signingKeys = pgTable(
  "signing_keys",
  {
    kid: text().primaryKey(),
    alg: text().$type<"ES256" | "RS256" | "Ed25519">().notNull(),
    status: text().$type<"next" | "active" | "retired">().notNull(),
    publicJwk: jsonb().$type<JWK>().notNull(),
    /** A JWE under a key derived from AUTHGENT_SECRET_KEY; the private part is never stored in clear. */
    privateJwe: text().notNull(),
    createdAt: timestamp({ withTimezone: true }).notNull(),
    activatedAt: timestamp({ withTimezone: true }),
    retiredAt: timestamp({ withTimezone: true }),
    /** A retired key is published until the last token it signed has expired. */
    publishedUntil: timestamp({ withTimezone: true }),
  },
  (table) => [
    // Exactly one active and at most one next key, whatever two instances do at the same time.
    uniqueIndex("signing_keys_active_index").on(table.status).where(sql`${table.status} = 'active'`),
    uniqueIndex("signing_keys_next_index").on(table.status).where(sql`${table.status} = 'next'`),
  ],
);
