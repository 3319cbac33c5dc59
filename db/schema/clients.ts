import { boolean, integer, jsonb, pgTable, text, timestamp } from "drizzle-orm/pg-core";

/** How a client became known: its own metadata document, dynamic registration, an operator, the agent registry. */
export type ClientKind = "document" | "dynamic" | "static" | "agent";

/** A frozen client is held back until it is thawed; a disabled one has lost what it held. */
export type ClientStatus = "active" | "frozen" | "disabled";

/** What a client says of itself for people to read (RFC 7591 §2); never trusted for a decision. */
export type ClientDisplay = {
  client_uri?: string | undefined;
  logo_uri?: string | undefined;
  tos_uri?: string | undefined;
  policy_uri?: string | undefined;
  software_id?: string | undefined;
  software_version?: string | undefined;
  contacts?: string[] | undefined;
};

/** The keys that a client signs with, as it registered them (RFC 7591 §2). */
export type ClientJwks = { keys: Record<string, unknown>[] };

/**
 * A resource authorization server that a client may get identity assertions for, by the operator's word
 * (draft-ietf-oauth-identity-assertion-authz-grant-04).
 */
export type IdJagTarget = {
  /** Its issuer, which becomes `aud`. */
  issuer: string;
  /** What the client is called there, which becomes `client_id`. */
  clientId: string;
  /** What the assertion may be for; empty: any resource of that server. */
  resources: string[];
  /** The most that may be asked for there; null: that server decides. */
  scope: string[] | null;
};

/** Written by services/clients.ts only. */
export const clients = pgTable("clients", {
  /** `dyn_…`, `app_…`, `agnt_…`, or the https URL of the client's metadata document. */
  clientId: text().primaryKey(),
  kind: text().$type<ClientKind>().notNull(),
  name: text().notNull(),
  /** SHA-256 of the client secret, base64url; the secret itself is shown once and not stored. */
  secretHash: text(),
  /** Good beside the new one while a rotation is under way. */
  previousSecretHash: text(),
  previousSecretExpiresAt: timestamp({ withTimezone: true }),
  tokenEndpointAuthMethod: text().notNull(),
  /** Public keys of the client, here or at an address; at most one of the two. */
  jwks: jsonb().$type<ClientJwks>(),
  jwksUri: text(),
  /** The one algorithm of its assertions; null: any that its keys fit (RFC 7591 §2). */
  assertionAlg: text(),
  /** Its assertions may name the token endpoint as `aud`, as before draft-ietf-oauth-rfc7523bis-11: an operator said so. */
  legacyAssertionAudience: boolean().notNull().default(false),
  /** Whose JWT-SVIDs are this client's (draft-ietf-oauth-spiffe-client-auth-02). */
  spiffeId: text(),
  /** Every token it gets is bound to a key (RFC 9449 §5.2). */
  dpopBoundAccessTokens: boolean().notNull().default(false),
  /** It pushes its authorization requests (RFC 9126 §6). */
  requirePushedAuthorizationRequests: boolean().notNull().default(false),
  /** The types of authorization details it uses (RFC 9396 §10); null: whatever a resource has. */
  authorizationDetailsTypes: text().array(),
  /** SHA-256 of its registration access token (RFC 7592 §3). */
  registrationTokenHash: text(),
  /** How it learns of an answer that it asked for without a browser (CIBA Core §4); null: it uses no CIBA. */
  backchannelTokenDeliveryMode: text().$type<"poll" | "ping">(),
  backchannelClientNotificationEndpoint: text(),
  idJagTargets: jsonb().$type<IdJagTarget[]>().notNull().default([]),
  applicationType: text().$type<"web" | "native">().notNull(),
  redirectUris: text().array().notNull(),
  grantTypes: text().array().notNull(),
  responseTypes: text().array().notNull(),
  /** The most this client may be granted; null: whatever the resource offers. */
  scope: text().array(),
  /** Resources beyond the registered ones that this client may ask for (product decision D17). */
  allowedResources: text().array().notNull().default([]),
  display: jsonb().$type<ClientDisplay>().notNull().default({}),
  status: text().$type<ClientStatus>().notNull().default("active"),
  /** Who gave it its status, as the audit calls them; null: it was never stopped. */
  statusBy: text(),
  /** What the freezes that hold it back were aimed at: client ids, and people as `user:<id>`. */
  frozenWith: text().array().notNull().default([]),
  /** Tokens issued until then are dead for good: the client was stopped, and may have been started again. */
  notBefore: timestamp({ withTimezone: true }),
  createdAt: timestamp({ withTimezone: true }).notNull(),
  createdBy: text().notNull(),
  lastUsedAt: timestamp({ withTimezone: true }),
  /** When an unused dynamic registration goes; null: never. */
  expiresAt: timestamp({ withTimezone: true }),
  /** Metadata documents only: when it was fetched, how long it may be served, and its fingerprint. */
  documentFetchedAt: timestamp({ withTimezone: true }),
  documentExpiresAt: timestamp({ withTimezone: true }),
  documentEtag: text(),
  documentDigest: text(),
  version: integer().notNull().default(1),
});
