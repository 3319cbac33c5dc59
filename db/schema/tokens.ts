import { sql } from "drizzle-orm";
import { index, jsonb, pgTable, text, timestamp, uuid } from "drizzle-orm/pg-core";
import type { AuthorizationDetail } from "./authorization-details";

/** Everything minted from one authorization stands and falls with its family. Written by services/tokens.ts only. */
export const tokenFamilies = pgTable(
  "token_families",
  {
    id: uuid().primaryKey(),
    grantId: text(),
    clientId: text().notNull(),
    /** The approval that the person gave for it. */
    approvalId: text(),
    createdAt: timestamp({ withTimezone: true }).notNull(),
    /** No refresh token of the family outlives this. */
    expiresAt: timestamp({ withTimezone: true }).notNull(),
    revokedAt: timestamp({ withTimezone: true }),
    revokedBecause: text(),
    /** Held back, refreshing included, until somebody thaws it. */
    frozenAt: timestamp({ withTimezone: true }),
  },
  (table) => [
    index("token_families_grant_id_index").on(table.grantId),
    index("token_families_client_id_index").on(table.clientId),
    index("token_families_stopped_index")
      .on(table.id)
      .where(sql`${table.revokedAt} is not null or ${table.frozenAt} is not null`),
  ],
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
    /** Held back together with all that descends from it, until somebody thaws it. */
    frozenAt: timestamp({ withTimezone: true }),
    /** The `jti` of every token that this one descends from, the first of the chain first (RFC 8693 §1.1). */
    lineage: uuid().array().notNull().default(sql`'{}'`),
    /** Hash of the receipt of the exchange that made it; null: no exchange did. */
    receipt: text(),
    /** The approval a person gave for it. */
    approvalId: text(),
    /** Scopes that the approval was for: no registration, grant or role narrows them in this token. */
    approvedScope: text().array(),
    /** The policy that allowed it, as the policy provider names its version. */
    policyVersion: text(),
  },
  (table) => [
    index("access_tokens_expires_at_index").on(table.expiresAt),
    index("access_tokens_client_id_index").on(table.clientId, table.expiresAt),
    index("access_tokens_revoked_index").on(table.expiresAt).where(sql`${table.revokedAt} is not null`),
    index("access_tokens_frozen_index").on(table.expiresAt).where(sql`${table.frozenAt} is not null`),
    index("access_tokens_family_id_index").on(table.familyId).where(sql`${table.familyId} is not null`),
    index("access_tokens_grant_id_index").on(table.grantId).where(sql`${table.grantId} is not null`),
    index("access_tokens_person_index")
      .on(table.subject, table.expiresAt)
      .where(sql`${table.subject} like 'user:%'`),
    // Plain tokens have no ancestors and cost nothing here.
    index("access_tokens_lineage_index")
      .using("gin", table.lineage)
      .where(sql`cardinality(${table.lineage}) > 0`),
  ],
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
    authorizationDetails: jsonb().$type<AuthorizationDetail[]>(),
    /**
     * Thumbprint of the key that the access token beside it is bound to; null: to none. A public client proves the same
     * key again (RFC 9449 §5), a confidential one some key.
     */
    jkt: text(),
    /** Thumbprint of the instance it was issued to (draft-ietf-oauth-attestation-based-client-auth-11 §10.3). */
    instanceJkt: text(),
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
