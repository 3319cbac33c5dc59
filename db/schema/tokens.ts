import { index, pgTable, text, timestamp, uuid } from "drizzle-orm/pg-core";

/** Everything minted from one authorization stands and falls with its family. Written by services/tokens.ts only. */
export const tokenFamilies = pgTable(
  "token_families",
  {
    id: uuid().primaryKey(),
    grantId: text(),
    clientId: text().notNull(),
    createdAt: timestamp({ withTimezone: true }).notNull(),
    /** No refresh token of the family outlives this. */
    expiresAt: timestamp({ withTimezone: true }).notNull(),
    revokedAt: timestamp({ withTimezone: true }),
    revokedBecause: text(),
  },
  (table) => [index("token_families_grant_id_index").on(table.grantId)],
);

/** Lineage of access tokens; the tokens themselves are signed and not stored. */
export const accessTokens = pgTable(
  "access_tokens",
  {
    /** The `jti`, a UUIDv7. */
    jti: uuid().primaryKey(),
    clientId: text().notNull(),
    /** `user:<id>` or `client:<client_id>`. */
    subject: text().notNull(),
    familyId: uuid(),
    grantId: text(),
    scope: text().array().notNull(),
    audience: text().notNull(),
    issuedAt: timestamp({ withTimezone: true }).notNull(),
    expiresAt: timestamp({ withTimezone: true }).notNull(),
    revokedAt: timestamp({ withTimezone: true }),
  },
  (table) => [index("access_tokens_expires_at_index").on(table.expiresAt)],
);

/** Refresh tokens, one row per rotation (RFC 6749 §6). */
export const refreshTokens = pgTable(
  "refresh_tokens",
  {
    /** SHA-256 of the token; the token itself is not stored. */
    tokenHash: text().primaryKey(),
    familyId: uuid()
      .notNull()
      .references(() => tokenFamilies.id),
    clientId: text().notNull(),
    userId: text().notNull(),
    grantId: text().notNull(),
    scope: text().array().notNull(),
    resource: text().notNull(),
    authTime: timestamp({ withTimezone: true }).notNull(),
    amr: text().array().notNull(),
    issuedAt: timestamp({ withTimezone: true }).notNull(),
    expiresAt: timestamp({ withTimezone: true }).notNull(),
    usedAt: timestamp({ withTimezone: true }),
    /** Until then a repeat gets the same answer again (product decision D10). */
    overlapUntil: timestamp({ withTimezone: true }),
    /** The answer given at rotation, encrypted; erased when the overlap ends. */
    sealedSuccessor: text(),
    /** Digest of what a repeat must carry too: client authentication, scope, resource. */
    requestDigest: text(),
    revokedAt: timestamp({ withTimezone: true }),
  },
  (table) => [index("refresh_tokens_family_id_index").on(table.familyId)],
);
