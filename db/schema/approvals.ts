import { index, jsonb, pgTable, text, timestamp } from "drizzle-orm/pg-core";
import type { AuthorizationDetail } from "./authorization-details";
import type { ClientKind } from "./clients";

/** The validated authorization request, kept so that the browser only carries an opaque id. */
export type StoredAuthorizationRequest = {
  /** A page of another site sent the browser here. */
  crossSite: boolean;
  redirectUri: string;
  state?: string | undefined;
  codeChallenge: string;
  resource: string;
  scope: string[];
  nonce?: string | undefined;
  prompt: string[];
  maxAge?: number | undefined;
  authorizationDetails?: readonly AuthorizationDetail[] | undefined;
  /** Thumbprint of the key that the code is to be redeemed with (RFC 9449 §10). */
  dpopJkt?: string | undefined;
  /** Thumbprint of the instance of the client that asked (draft-ietf-oauth-attestation-based-client-auth-11 §10.4). */
  instanceJkt?: string | undefined;
};

/** What the person was shown of the client; the decision stands on this, not on a later version of it. */
export type ClientSnapshot = {
  name: string;
  kind: ClientKind;
  verifiedHost?: string | undefined;
  registeredAt: string;
};

export type ApprovalStatus = "pending" | "approved" | "denied" | "expired" | "consumed";

/** Questions put to people: consent now, device codes and step-ups later. Written by services/approvals.ts only. */
export const approvals = pgTable(
  "approvals",
  {
    id: text().primaryKey(),
    kind: text().$type<"consent">().notNull(),
    status: text().$type<ApprovalStatus>().notNull().default("pending"),
    clientId: text().notNull(),
    client: jsonb().$type<ClientSnapshot>().notNull(),
    request: jsonb().$type<StoredAuthorizationRequest>().notNull(),
    /** SHA-256 of the browser cookie of the browser that asked. */
    browserHash: text().notNull(),
    /** The person who opened it; nobody else may answer afterwards. */
    userId: text(),
    createdAt: timestamp({ withTimezone: true }).notNull(),
    expiresAt: timestamp({ withTimezone: true }).notNull(),
    decidedAt: timestamp({ withTimezone: true }),
    /** Scopes the person allowed, a subset of the request's. */
    grantedScope: text().array(),
    /** What the person allowed of the authorization details; null: none were asked for. */
    grantedDetails: jsonb().$type<AuthorizationDetail[]>(),
    grantId: text(),
  },
  (table) => [index("approvals_expires_at_index").on(table.expiresAt)],
);
