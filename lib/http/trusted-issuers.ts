import { z } from "zod";
import type { TrustPurpose } from "@/db/schema/trusted-issuers";
import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { isPlainText } from "@/lib/oauth/display-text";
import { isScopeToken } from "@/lib/oauth/scope";
import { isStorable } from "@/lib/oauth/storable";
import { findClient } from "@/lib/services/clients";
import {
  createTrustedIssuer,
  FROM_SETTINGS,
  listTrustedIssuers,
  removeTrustedIssuer,
  type TrustedIssuer,
  updateTrustedIssuer,
} from "@/lib/services/trusted-issuers";
import type { Call } from "./call";
import { json, readJsonAs } from "./json";
import { requireOperator } from "./operator";

/** Text that is compared, never shown. */
const text = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .refine((value) => isStorable(value, 0), "must be text of whole characters");

const PURPOSES = [
  "id_token",
  "id_jag",
  "chaining",
  "workload",
  "client_auth",
] as const satisfies readonly TrustPurpose[];

const Purposes = z
  .array(z.enum(PURPOSES))
  .min(1)
  .max(PURPOSES.length)
  .refine((purposes) => new Set(purposes).size === purposes.length, "must name each once")
  .describe(
    "What its assertions are accepted as: ID tokens of people, ID-JAGs, grants of another authorization server, workloads, or proof of which client it is (client attestations, JWT-SVIDs)",
  );
const Name = z.string().trim().min(1).max(100).refine(isPlainText, "must be plain text");
const JwksUri = z
  .string()
  .max(1024)
  .nullable()
  .describe("Where its keys are; null: where its own metadata says");
const Audiences = z
  .array(text(1024))
  .max(20)
  .describe("Accepted as aud of its ID tokens and workloads, besides what always is");
const Scope = z
  .string()
  .max(4096)
  .refine((scope) => namesOf(scope).every(isScopeToken), "must be scope names separated by spaces")
  .nullable()
  .describe("The most that its assertions come to here; null: what the client may have");
const People = z.strictObject({
  create: z.boolean().describe("Whether people nobody has seen before are made known"),
  allowed_domains: z
    .array(
      z
        .string()
        .toLowerCase()
        .regex(/^[a-z0-9-]+(\.[a-z0-9-]+)+$/, "must be a domain such as example.com"),
    )
    .max(100)
    .default([])
    .describe("Domains of verified e-mail addresses that may come in; empty: everybody of the issuer"),
});
const Workloads = z
  .array(
    z.strictObject({
      claims: z
        .record(text(200), text(1024))
        .describe("By name or dotted path; a * at the end of a value stands for the rest"),
      client_id: text(1024),
      reusable: z
        .boolean()
        .default(false)
        .describe("One assertion may be redeemed again until it ends, as Kubernetes pods have to"),
    }),
  )
  .max(200)
  .describe(
    "Workloads whose claims are all of these act as this client; the first rule that fits counts. For client attestations: which clients it vouches for; empty: every one registered for them",
  );
const Status = z.enum(["active", "disabled"]);

/** An issuer whose assertions are to be accepted. */
export const NewTrustedIssuer = z.strictObject({
  issuer: z.string().max(1024).describe("Its iss, to the letter; for SPIFFE the trust domain"),
  name: Name,
  purposes: Purposes,
  jwks_uri: JwksUri.default(null),
  audiences: Audiences.default([]),
  scope: Scope.default(null),
  people: People.default({ create: false, allowed_domains: [] }),
  workloads: Workloads.default([]),
  status: Status.default("active"),
});

/** What an operator may change of a trusted issuer; a list or object replaces the one before. */
export const TrustedIssuerPatch = z
  .strictObject({
    name: Name.optional(),
    purposes: Purposes.optional(),
    jwks_uri: JwksUri.optional(),
    audiences: Audiences.optional(),
    scope: Scope.optional(),
    people: People.optional(),
    workloads: Workloads.optional(),
    status: Status.optional(),
  })
  .refine((changes) => Object.keys(changes).length > 0, "must name what changes")
  .meta({ minProperties: 1 });

/** `POST /trusted-issuers`: accepts assertions of an issuer, by the operator's word. */
export async function createTrustedIssuerEndpoint(ctx: Context, call: Call): Promise<Response> {
  const actor = await requireOperator(ctx, call);
  const { issuer, name, purposes, audiences, status, ...rest } = await readJsonAs(
    call.request,
    NewTrustedIssuer,
  );
  await refuseUnknownClients(ctx, rest.workloads);
  const terms = {
    ...{ issuer, name, purposes, audiences, status },
    jwksUri: rest.jwks_uri,
    scope: scopeOf(rest.scope),
    people: peopleOf(rest.people),
    workloads: workloadsOf(rest.workloads),
  };
  return json(toWire(await createTrustedIssuer(ctx, terms, actor)), {
    status: 201,
    headers: { location: `${ctx.settings.serverUrl}/trusted-issuers` },
  });
}

/** `PATCH /trusted-issuers/{id}`: other terms for an issuer, or none for a while. */
export async function updateTrustedIssuerEndpoint(ctx: Context, call: Call): Promise<Response> {
  const actor = await requireOperator(ctx, call);
  const {
    jwks_uri: jwksUri,
    scope,
    people,
    workloads,
    ...rest
  } = await readJsonAs(call.request, TrustedIssuerPatch);
  await refuseUnknownClients(ctx, workloads ?? []);
  const changes = {
    ...rest,
    jwksUri,
    scope: scope === undefined ? undefined : scopeOf(scope),
    people: people && peopleOf(people),
    workloads: workloads && workloadsOf(workloads),
  };
  return json(toWire(await updateTrustedIssuer(ctx, call.params.id ?? "", changes, actor)));
}

/** `DELETE /trusted-issuers/{id}`: accepts nothing more of an issuer, unless the settings name it. */
export async function removeTrustedIssuerEndpoint(ctx: Context, call: Call): Promise<Response> {
  const actor = await requireOperator(ctx, call);
  await removeTrustedIssuer(ctx, call.params.id ?? "", actor);
  return new Response(null, { status: 204 });
}

/** `GET /trusted-issuers`: whose assertions are accepted, also by the settings. */
export async function listTrustedIssuersEndpoint(ctx: Context, call: Call): Promise<Response> {
  await requireOperator(ctx, call);
  const items = (await listTrustedIssuers(ctx)).map(toWire);
  return json({ items, total: items.length });
}

type WireRule = z.output<typeof Workloads>[number];

/** A client that is not there could be registered later, by somebody else. */
async function refuseUnknownClients(ctx: Context, workloads: readonly WireRule[]): Promise<void> {
  for (const [index, { client_id: clientId }] of workloads.entries()) {
    if (await findClient(ctx, clientId)) continue;
    const error = { field: `workloads.${index}.client_id`, message: "must be the client_id of a client" };
    throw new OAuthError("validation_failed", `${error.field}: ${error.message}`, {
      members: { errors: [error] },
    });
  }
}

const namesOf = (scope: string): string[] => scope.split(" ").filter(Boolean);
const scopeOf = (scope: string | null) => (scope === null ? null : namesOf(scope));
const peopleOf = ({ create, allowed_domains: allowedDomains }: z.output<typeof People>) => ({
  create,
  allowedDomains,
});
const workloadsOf = (workloads: readonly WireRule[]) =>
  workloads.map(({ claims, client_id: clientId, reusable }) => ({ claims, clientId, reusable }));

const toWire = ({ id, createdAt, updatedAt, ...row }: TrustedIssuer) => ({
  // What the settings say is changed there; a registration of the same issuer takes its place.
  id: id === FROM_SETTINGS ? null : id,
  issuer: row.issuer,
  name: row.name,
  purposes: row.purposes,
  jwks_uri: row.jwksUri,
  audiences: row.audiences,
  scope: row.scope?.join(" ") ?? null,
  people: { create: row.people.create, allowed_domains: row.people.allowedDomains },
  workloads: row.workloads.map(({ claims, clientId, reusable = false }) => ({
    claims,
    client_id: clientId,
    reusable,
  })),
  status: row.status,
  created_at: createdAt.toISOString(),
  updated_at: updatedAt.toISOString(),
});
