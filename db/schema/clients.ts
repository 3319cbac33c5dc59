import { integer, jsonb, pgTable, text, timestamp } from "drizzle-orm/pg-core";

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

/** Written by services/clients.ts only. */
export const clients = pgTable("clients", {
  /** `dyn_…`, `app_…`, `agnt_…`, or the https URL of the client's metadata document. */
  clientId: text().primaryKey(),
  kind: text().$type<ClientKind>().notNull(),
  name: text().notNull(),
  /** SHA-256 of the client secret, base64url; the secret itself is shown once and not stored. */
  secretHash: text(),
  tokenEndpointAuthMethod: text().notNull(),
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
