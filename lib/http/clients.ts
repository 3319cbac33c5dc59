import { z } from "zod";
import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { backchannelMembers } from "@/lib/oauth/backchannel-metadata";
import { parseClientMetadata } from "@/lib/oauth/client-metadata";
import { proofMembers } from "@/lib/oauth/client-proof-metadata";
import { isScopeToken } from "@/lib/oauth/scope";
import { GRANT_TYPES } from "@/lib/oauth/token-types";
import { changeClient } from "@/lib/services/client-changes";
import { type Client, findClient, listClients, registerClient } from "@/lib/services/clients";
import type { Call } from "./call";
import { OPERATOR_AUTH_METHODS } from "./client-auth/index";
import { IdJagTargets, refuseOwnIssuer, targetsToWire } from "./id-jag-targets";
import { json, parseJsonAs, readJson, readJsonAs } from "./json";
import { checkChanges, keyMembers } from "./key-schemas";
import { requireOperator } from "./operator";

/** What an operator says of a client beside the members of RFC 7591. */
export const Operators = z.object({
  scope: z
    .string()
    .transform((value) => value.split(" ").filter(Boolean))
    .refine((names) => names.every(isScopeToken), "must be scope names separated by spaces")
    .optional(),
  allowed_resources: z
    .array(z.url({ protocol: /^https?$/ }))
    .max(100)
    .default([]),
  legacy_assertion_audience: z
    .boolean()
    .default(false)
    .describe("Its assertions may name the token endpoint as aud, as before draft-ietf-oauth-rfc7523bis"),
  id_jag_targets: IdJagTargets.default([]),
});

const GRANTS = [
  "authorization_code",
  "refresh_token",
  "client_credentials",
  GRANT_TYPES.deviceCode,
  GRANT_TYPES.tokenExchange,
  GRANT_TYPES.jwtBearer,
  GRANT_TYPES.ciba,
];

/** `POST /clients`: an operator registers a client, with the members of RFC 7591 §2. */
export async function createClientEndpoint(ctx: Context, call: Call): Promise<Response> {
  const actor = await requireOperator(ctx, call);
  const body = await readJson(call.request);
  const {
    scope = null,
    allowed_resources: allowedResources,
    legacy_assertion_audience: legacyAssertionAudience,
    id_jag_targets: idJagTargets,
  } = parseJsonAs(body, Operators);
  refuseOwnIssuer(idJagTargets, ctx.settings.serverUrl);
  const metadata = parseClientMetadata(body, { grantTypes: GRANTS, authMethods: OPERATOR_AUTH_METHODS });
  const { client, clientSecret } = await registerClient(ctx, {
    metadata,
    kind: "static",
    scope,
    allowedResources,
    legacyAssertionAudience,
    idJagTargets,
    actor,
    address: call.address,
  });
  return json(
    {
      ...toWire(client),
      ...(clientSecret ? { client_secret: clientSecret, client_secret_expires_at: 0 } : {}),
    },
    { status: 201 },
  );
}

/** `GET /clients`: every client, newest first; no secrets, they are not stored. */
export async function listClientsEndpoint(ctx: Context, call: Call): Promise<Response> {
  await requireOperator(ctx, call);
  const items = (await listClients(ctx)).map(toWire);
  return json({ items, total: items.length });
}

/** A client id may be a URL, so it travels as a query parameter. */
export function clientIdOf({ url }: Call): string {
  const clientId = url.searchParams.get("client_id") ?? "";
  if (clientId.includes("\0")) throw new OAuthError("invalid_request", "Send no NUL characters.");
  return clientId;
}

/** `GET /clients/one?client_id=…`: one client. */
export async function getClientEndpoint(ctx: Context, call: Call): Promise<Response> {
  await requireOperator(ctx, call);
  const client = await findClient(ctx, clientIdOf(call));
  if (!client) throw new OAuthError("not_found", "There is no client with this id.");
  return json(toWire(client));
}

/** What an operator may change of a client; keys take the place of those before. */
export const ClientPatch = z
  .strictObject({
    status: z.enum(["active", "disabled"]).optional(),
    require_pushed_authorization_requests: z.boolean().optional(),
    legacy_assertion_audience: z.boolean().optional(),
    id_jag_targets: IdJagTargets.optional(),
    ...keyMembers,
  })
  .superRefine(checkChanges)
  .meta({ minProperties: 1 });

/** `PATCH /clients/one?client_id=…`: disables a client or enables it again, or changes what it is held to. */
export async function updateClientEndpoint(ctx: Context, call: Call): Promise<Response> {
  const actor = await requireOperator(ctx, call);
  const body = await readJsonAs(call.request, ClientPatch);
  refuseOwnIssuer(body.id_jag_targets ?? [], ctx.settings.serverUrl);
  const changes = {
    status: body.status,
    jwks: body.jwks,
    jwksUri: body.jwks_uri,
    dpopBoundAccessTokens: body.dpop_bound_access_tokens,
    requirePushedAuthorizationRequests: body.require_pushed_authorization_requests,
    legacyAssertionAudience: body.legacy_assertion_audience,
    idJagTargets: body.id_jag_targets,
  };
  return json(toWire(await changeClient(ctx, clientIdOf(call), changes, actor)));
}

const toWire = (client: Client) => ({
  client_id: client.clientId,
  kind: client.kind,
  client_name: client.name,
  status: client.status,
  token_endpoint_auth_method: client.tokenEndpointAuthMethod,
  application_type: client.applicationType,
  redirect_uris: client.redirectUris,
  grant_types: client.grantTypes,
  response_types: client.responseTypes,
  ...(client.scope ? { scope: client.scope.join(" ") } : {}),
  allowed_resources: client.allowedResources,
  ...proofMembers(client),
  ...backchannelMembers(client),
  ...(client.legacyAssertionAudience && { legacy_assertion_audience: true }),
  id_jag_targets: targetsToWire(client.idJagTargets),
  ...client.display,
  created_at: client.createdAt.toISOString(),
  last_used_at: client.lastUsedAt?.toISOString() ?? null,
});
