import { jsonb, pgTable, text, timestamp } from "drizzle-orm/pg-core";

/** What the assertions of an issuer are accepted as. */
export type TrustPurpose = "id_token" | "id_jag" | "chaining" | "workload" | "client_auth";

/** How the issuer's people become ours. */
export type PeopleRule = {
  /** Whether a person nobody has seen before is made known; otherwise only linked ones are accepted. */
  create: boolean;
  /** Verified e-mail domains that may come in; empty: all of the issuer's people. */
  allowedDomains: string[];
};

/** Workloads whose claims are these act as this agent, and instances that are attested with them are this client's. A `*` at the end of a value stands for the rest. */
export type WorkloadRule = {
  claims: Record<string, string>;
  clientId: string;
  /** One assertion may be redeemed again until it ends, although it has a `jti`: pods get the same one for an hour. */
  reusable?: boolean;
};

/** Issuers whose assertions we accept, by the operator's word. Written by services/trusted-issuers.ts only. */
export const trustedIssuers = pgTable("trusted_issuers", {
  id: text().primaryKey(),
  /** The `iss` of its assertions; for SPIFFE the trust domain, `spiffe://example.org`. */
  issuer: text().notNull().unique(),
  name: text().notNull(),
  purposes: text().array().$type<TrustPurpose[]>().notNull(),
  /** Where its keys are; null: where its metadata says. */
  jwksUri: text(),
  /** Accepted as `aud` besides our issuer. */
  audiences: text().array().notNull().default([]),
  /** The most that its assertions come to here; null: what the client may have. */
  scope: text().array(),
  people: jsonb().$type<PeopleRule>().notNull(),
  workloads: jsonb().$type<WorkloadRule[]>().notNull().default([]),
  status: text().$type<"active" | "disabled">().notNull().default("active"),
  createdAt: timestamp({ withTimezone: true }).notNull(),
  createdBy: text().notNull(),
  updatedAt: timestamp({ withTimezone: true }).notNull(),
});
