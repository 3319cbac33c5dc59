import { index, jsonb, pgTable, text, timestamp } from "drizzle-orm/pg-core";

export type PushedParams = {
  /** As they were pushed; checked then, and again when they are used. */
  sent: [name: string, value: string][];
  /** Thumbprint of the instance of the client that pushed them (draft-ietf-oauth-attestation-based-client-auth-11 §10.4). */
  instanceJkt?: string | undefined;
};

/** Authorization requests that a client pushed (RFC 9126 §2). Written by services/pushed-requests.ts only. */
export const pushedRequests = pgTable(
  "pushed_requests",
  {
    /** SHA-256 of the `request_uri`. */
    uriHash: text().primaryKey(),
    clientId: text().notNull(),
    params: jsonb().$type<PushedParams>().notNull(),
    createdAt: timestamp({ withTimezone: true }).notNull(),
    expiresAt: timestamp({ withTimezone: true }).notNull(),
    /** "request_uri" values are for one use (RFC 9126 §4). */
    usedAt: timestamp({ withTimezone: true }),
  },
  (table) => [index("pushed_requests_expires_at_index").on(table.expiresAt)],
);
