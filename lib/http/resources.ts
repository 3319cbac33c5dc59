import { z } from "zod";
import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { isDetailsType } from "@/lib/oauth/authorization-details";
import { problemsOfType } from "@/lib/oauth/details-type";
import { isPlainText } from "@/lib/oauth/display-text";
import { isScopeToken } from "@/lib/oauth/scope";
import { findClient } from "@/lib/services/clients";
import { createResource, listResources, type Resource, updateResource } from "@/lib/services/resources";
import { approvalRule, refuseBadRules, ruleFromWire, ruleToWire } from "./approval-rule-schema";
import type { Call } from "./call";
import { json, readJsonAs } from "./json";
import { requireOperator } from "./operator";

const words = (max: number) => z.string().trim().min(1).max(max).refine(isPlainText, "must be plain text");

/** A scope in the words people will read on the consent page. */
const Scope = z.strictObject({
  ...approvalRule,
  name: z.string().max(200).refine(isScopeToken, "must be a scope name: no spaces, quotes or backslashes"),
  description: words(200).describe("What it allows, as a sentence a person understands"),
  risk: z.enum(["low", "medium", "high"]).default("medium"),
  minimum_role: z.enum(["member", "approver", "admin"]).optional(),
});

/** A type of authorization details (RFC 9396 §2); what its schema may be is said in lib/oauth/detail-schema.ts. */
const DetailsType = z
  .strictObject({
    ...approvalRule,
    type: z.string().refine(isDetailsType, "must be a name or URI: no spaces, quotes or backslashes"),
    words: words(200).describe(
      "What one of them allows, as a sentence with {member} for its values: Pay up to {amount.value} {amount.currency} to {creditor}",
    ),
    risk: z.enum(["low", "medium", "high"]).default("medium"),
    schema: z
      .looseObject({})
      .describe(
        "JSON Schema of one of them without its type; title labels a member for people, narrowing says what a smaller value is: equal, at_most, at_least, subset",
      ),
  })
  .superRefine((type, { addIssue }) => {
    for (const { path, message } of problemsOfType(type)) addIssue({ code: "custom", path, message });
  });
const DetailsTypes = z
  .array(DetailsType)
  .max(20)
  .refine(
    (types) => new Set(types.map(({ type }) => type)).size === types.length,
    "must have each type once",
  );

const Identifier = z.url({ protocol: /^https?$/ }).max(1024);
const Aliases = z.array(Identifier).max(20);
const Scopes = z.array(Scope).max(100);
const DpopRequired = z.boolean().describe("It takes tokens bound to a key (DPoP) and no bearer tokens");
const IntrospectionClients = z
  .array(z.string().max(1024))
  .max(20)
  .describe("Registered clients that act as this resource and may introspect tokens meant for it");

export const NewResource = z.strictObject({
  resource: Identifier.describe("The identifier clients send and tokens carry as aud"),
  name: words(100),
  scopes: Scopes.default([]),
  aliases: Aliases.default([]),
  introspection_clients: IntrospectionClients.default([]),
  dpop_bound_access_tokens_required: DpopRequired.default(false),
  authorization_details_types: DetailsTypes.default([]),
});

/** What an operator may change of a resource; a list replaces the one before. */
export const ResourcePatch = z
  .strictObject({
    name: words(100).optional(),
    scopes: Scopes.optional(),
    aliases: Aliases.optional(),
    introspection_clients: IntrospectionClients.optional(),
    dpop_bound_access_tokens_required: DpopRequired.optional(),
    authorization_details_types: DetailsTypes.optional(),
  })
  .refine((changes) => Object.keys(changes).length > 0, "must name what changes")
  .meta({ minProperties: 1 });

/** `POST /resources`: makes an MCP server or API known (product decision D17). */
export async function createResourceEndpoint(ctx: Context, call: Call): Promise<Response> {
  const actor = await requireOperator(ctx, call);
  const {
    introspection_clients: introspectionClients,
    dpop_bound_access_tokens_required: dpopBoundAccessTokensRequired,
    authorization_details_types: authorizationDetailsTypes,
    scopes,
    ...rest
  } = await readJsonAs(call.request, NewResource);
  await refuseUnknownClients(ctx, introspectionClients);
  await refuseBadRules(ctx, { scopes, authorization_details_types: authorizationDetailsTypes });
  const input = {
    ...{ ...rest, scopes: scopes.map(fromWire), introspectionClients, dpopBoundAccessTokensRequired },
    authorizationDetailsTypes: authorizationDetailsTypes.map(ruleFromWire),
  };
  const resource = await createResource(ctx, input, actor);
  return json(toWire(resource), {
    status: 201,
    headers: { location: `${ctx.settings.serverUrl}/resources` },
  });
}

/** `PATCH /resources/{id}`: other words, scopes, aliases or introspecting clients for a resource. */
export async function updateResourceEndpoint(ctx: Context, call: Call): Promise<Response> {
  const actor = await requireOperator(ctx, call);
  const {
    introspection_clients: introspectionClients,
    dpop_bound_access_tokens_required: dpopBoundAccessTokensRequired,
    authorization_details_types: authorizationDetailsTypes,
    scopes,
    ...rest
  } = await readJsonAs(call.request, ResourcePatch);
  await refuseUnknownClients(ctx, introspectionClients ?? []);
  await refuseBadRules(ctx, { scopes, authorization_details_types: authorizationDetailsTypes });
  const changes = {
    ...{ ...rest, scopes: scopes?.map(fromWire), introspectionClients, dpopBoundAccessTokensRequired },
    authorizationDetailsTypes: authorizationDetailsTypes?.map(ruleFromWire),
  };
  return json(toWire(await updateResource(ctx, call.params.id ?? "", changes, actor)));
}

/** A client that is not there could be registered later, by somebody else. */
async function refuseUnknownClients(ctx: Context, clientIds: readonly string[]): Promise<void> {
  for (const [index, clientId] of clientIds.entries()) {
    if (await findClient(ctx, clientId)) continue;
    const error = { field: `introspection_clients.${index}`, message: "must be the client_id of a client" };
    throw new OAuthError("validation_failed", `${error.field}: ${error.message}`, {
      members: { errors: [error] },
    });
  }
}

/** `GET /resources`: what this server protects. */
export async function listResourcesEndpoint(ctx: Context, call: Call): Promise<Response> {
  await requireOperator(ctx, call);
  const items = (await listResources(ctx)).map(toWire);
  return json({ items, total: items.length });
}

const fromWire = ({ minimum_role: minimumRole, ...scope }: z.output<typeof Scope>) => ({
  ...ruleFromWire(scope),
  minimumRole,
});

const toWire = ({ scopes, introspectionClients, dpopBoundAccessTokensRequired, ...row }: Resource) => ({
  id: row.id,
  resource: row.resource,
  name: row.name,
  aliases: row.aliases,
  scopes: scopes.map(({ minimumRole, operatorOnly: _, ...scope }) => ({
    ...ruleToWire(scope),
    ...(minimumRole ? { minimum_role: minimumRole } : {}),
  })),
  introspection_clients: introspectionClients,
  authorization_details_types: row.authorizationDetailsTypes.map(ruleToWire),
  ...(dpopBoundAccessTokensRequired && { dpop_bound_access_tokens_required: true }),
  created_at: row.createdAt.toISOString(),
});
