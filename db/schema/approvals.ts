import { sql } from "drizzle-orm";
import {
  boolean,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  timestamp,
  uuid,
} from "drizzle-orm/pg-core";
import type { AuthorizationDetail } from "./authorization-details";
import type { ClientKind } from "./clients";
import type { Risk } from "./resources";

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
  acrValues?: string[] | undefined;
  authorizationDetails?: readonly AuthorizationDetail[] | undefined;
  /** Thumbprint of the key that the code is to be redeemed with (RFC 9449 §10). */
  dpopJkt?: string | undefined;
  /** Thumbprint of the instance of the client that asked (draft-ietf-oauth-attestation-based-client-auth-11 §10.4). */
  instanceJkt?: string | undefined;
};

/** One party of a chain: a person first, where one started it, and the requester last. */
export type ChainLink = { sub: string; name: string; scope: string[] };

/** What an agent or a device asks to be allowed, as it will run if a person allows it. */
export type AskedAct = {
  /** On whose behalf: `user:<id>` or `client:<client_id>`; absent: whoever answers. */
  subject?: string | undefined;
  /** In the requester's own word, such as `transfer_funds`. */
  action?: string | undefined;
  resource: string;
  scope: string[];
  authorizationDetails?: readonly AuthorizationDetail[] | undefined;
  /** Who acts, the current actor first; empty: the subject itself. */
  actors: string[];
  chain: ChainLink[];
  /** Thumbprint of the key that the token is to be bound to (RFC 9449 §6). */
  jkt?: string | undefined;
  /** Members of the request that its answers repeat as they were sent. */
  asSent?: { agentId: string; resource: string | null } | undefined;
  /** What the requester says; nobody verified any of it. */
  said: { reason?: string | undefined; chain?: unknown; metadata?: unknown };
  /** Where it was asked from. */
  address: string;
  userAgent?: string | undefined;
  /** How the person is to have signed in (RFC 9470 §4, CIBA Core §7.1). */
  acrValues?: string[] | undefined;
  /** Of a device: seconds until it has to be connected anew, as the person who allowed it chose. */
  lasts?: number | undefined;
  /** The token that the requester acts with: what comes of the approval dies with it. */
  parent?: { jti: string; lineage: string[]; act?: unknown; grantId?: string; familyId?: string } | undefined;
};

/** What the person was shown of the client; the decision stands on this, not on a later version of it. */
export type ClientSnapshot = {
  name: string;
  kind: ClientKind;
  verifiedHost?: string | undefined;
  registeredAt: string;
};

/**
 * What a yes leads to: a code for an app, the tokens of a device, a token for an agent (`step_up`), a sign-in that an
 * agent asked for (`ciba`), or a token request that waits and then goes on (`issuance`).
 */
export type ApprovalKind = "consent" | "device" | "step_up" | "ciba" | "issuance";

/** `approved` waits to be used, `consumed` was: a yes is good for one use. */
export type ApprovalStatus = "pending" | "approved" | "denied" | "expired" | "cancelled" | "consumed";

/** Questions put to people, of every kind. Written by services/approvals.ts only. */
export const approvals = pgTable(
  "approvals",
  {
    id: text().primaryKey(),
    kind: text().$type<ApprovalKind>().notNull(),
    status: text().$type<ApprovalStatus>().notNull().default("pending"),
    clientId: text().notNull(),
    client: jsonb().$type<ClientSnapshot>().notNull(),
    /** Of a consent; of the other kinds `act` is set. */
    request: jsonb().$type<StoredAuthorizationRequest>(),
    act: jsonb().$type<AskedAct>(),
    /** SHA-256 of what is asked for, base64url: what runs after a yes has the same. */
    digest: text(),
    risk: text().$type<Risk>().notNull().default("medium"),
    /** SHA-256 of the browser cookie of the browser that asked, of a consent. */
    browserHash: text(),
    /** The person it is for alone: who opened a consent or typed a device code, whom a CIBA request names. */
    userId: text(),
    /** Who may decide of the other kinds, beside those whose role lets them: see services/deciders.ts. */
    subjectUserId: text(),
    ownerId: text(),
    approverIds: text().array().notNull().default([]),
    approverGroups: text().array().notNull().default([]),
    /** How many people have to say yes; one no is enough. */
    quorum: integer().notNull().default(1),
    /** Neither the owner of the agent nor the person on whose behalf may be one of them. */
    fourEyes: boolean().notNull().default(false),
    /** Two digits that the requester shows too. */
    bindingCode: text(),
    /** The page asks for the digits instead of showing them. */
    matchNumber: boolean().notNull().default(false),
    wrongNumbers: integer().notNull().default(0),
    /** The token request that waits, as a JWE. */
    sealedRequest: text(),
    /** Where to tell the client, and the token to tell it with, as a JWE (CIBA Core §10.2). */
    sealedPing: text(),
    /** Seconds between two polls; grows with each that comes too soon. */
    interval: integer().notNull().default(5),
    polledAt: timestamp({ withTimezone: true }),
    createdAt: timestamp({ withTimezone: true }).notNull(),
    expiresAt: timestamp({ withTimezone: true }).notNull(),
    decidedAt: timestamp({ withTimezone: true }),
    /** `user:<id>` or `standing:<id>`; of several, the last one. */
    decidedBy: text(),
    /** What the person who refused says, for the requester to read. */
    reason: text(),
    /** When anything last changed that somebody may wait for. */
    changedAt: timestamp({ withTimezone: true }),
    /** Scopes the person allowed, a subset of the request's. */
    grantedScope: text().array(),
    /** What the person allowed of the authorization details; null: none were asked for. */
    grantedDetails: jsonb().$type<AuthorizationDetail[]>(),
    grantId: text(),
    /** How the person who decided had signed in, for the tokens that say so (OIDC Core §2). */
    authTime: timestamp({ withTimezone: true }),
    amr: text().array(),
  },
  (table) => [
    index("approvals_expires_at_index").on(table.expiresAt),
    index("approvals_changed_at_index").on(table.changedAt),
    index("approvals_pending_index").on(table.clientId).where(sql`${table.status} = 'pending'`),
    index("approvals_subject_index").on(table.subjectUserId).where(sql`${table.status} = 'pending'`),
  ],
);

/** One person's answer to one question, with the proof where they signed it. Written by services/approval-decisions.ts only. */
export const approvalDecisions = pgTable(
  "approval_decisions",
  {
    approvalId: text()
      .notNull()
      .references(() => approvals.id, { onDelete: "cascade" }),
    userId: text().notNull(),
    decision: text().$type<"approved" | "denied">().notNull(),
    reason: text(),
    /** What a passkey signed (docs/decisions/0009); null: none was asked for. */
    proof: jsonb().$type<Record<string, unknown>>(),
    authTime: timestamp({ withTimezone: true }).notNull(),
    amr: text().array().notNull(),
    decidedAt: timestamp({ withTimezone: true }).notNull(),
  },
  // Nobody answers twice.
  (table) => [primaryKey({ columns: [table.approvalId, table.userId] })],
);

/** What approver and agent write to each other before a decision. Written by services/clarifications.ts only. */
export const approvalMessages = pgTable(
  "approval_messages",
  {
    /** UUIDv7. */
    id: uuid().primaryKey(),
    approvalId: text()
      .notNull()
      .references(() => approvals.id, { onDelete: "cascade" }),
    /** Which question it belongs to, from 1. */
    round: integer().notNull(),
    /** `user:<id>` or `client:<client_id>`. */
    author: text().notNull(),
    text: text().notNull(),
    createdAt: timestamp({ withTimezone: true }).notNull(),
  },
  (table) => [index("approval_messages_approval_id_index").on(table.approvalId)],
);
