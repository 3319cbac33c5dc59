import { integer, jsonb, pgTable, text, timestamp, uuid } from "drizzle-orm/pg-core";
import type { AuthorizationDetail } from "./authorization-details";

/** Authorization codes (RFC 6749 §4.1.2). Written by services/authorization-codes.ts only. */
export const authorizationCodes = pgTable("authorization_codes", {
  /** SHA-256 of the code; the code itself is not stored. */
  codeHash: text().primaryKey(),
  approvalId: text().notNull(),
  grantId: text().notNull(),
  /** The family of every token that comes from this code: a replay kills it. */
  familyId: uuid().notNull(),
  clientId: text().notNull(),
  userId: text().notNull(),
  redirectUri: text().notNull(),
  codeChallenge: text().notNull(),
  resource: text().notNull(),
  scope: text().array().notNull(),
  authorizationDetails: jsonb().$type<AuthorizationDetail[]>(),
  /** Thumbprint of the key it is bound to (RFC 9449 §10); null: to none. */
  dpopJkt: text(),
  nonce: text(),
  authTime: timestamp({ withTimezone: true }).notNull(),
  amr: text().array().notNull(),
  createdAt: timestamp({ withTimezone: true }).notNull(),
  expiresAt: timestamp({ withTimezone: true }).notNull(),
  usedAt: timestamp({ withTimezone: true }),
  /** Wrong code verifiers seen; at five the code is burned (product decision D21). */
  wrongVerifiers: integer().notNull().default(0),
});
