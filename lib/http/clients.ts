import { z } from "zod";
import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { parseClientMetadata } from "@/lib/oauth/client-metadata";
import { isScopeToken } from "@/lib/oauth/scope";
import { GRANT_TYPES } from "@/lib/oauth/token-types";
import {
  type Client,
  findClient,
  listClients,
  registerClient,
  setClientStatus,
} from "@/lib/services/clients";
import type { Call } from "./call";
import { AUTH_METHODS } from "./client-auth/index";
import { json, parseJsonAs, readJson, readJsonAs } from "./json";
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
});

const GRANTS = [
  "authorization_code",
  "refresh_token",
  "client_credentials",
  GRANT_TYPES.tokenExchange,
  GRANT_TYPES.jwtBearer,
];

/** `POST /clients`: an operator registers a client, with the members of RFC 7591 §2. */
export async function createClientEndpoint(ctx: Context, call: Call): Promise<Response> {
  const actor = await requireOperator(ctx, call);
  const body = await readJson(call.request);
  const { scope = null, allowed_resources: allowedResources } = parseJsonAs(body, Operators);
  const metadata = parseClientMetadata(body, { grantTypes: GRANTS, authMethods: AUTH_METHODS });
  const { client, clientSecret } = await registerClient(ctx, {
    metadata,
    kind: "static",
    scope,
    allowedResources,
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
function clientIdOf({ url }: Call): string {
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

/** What an operator may change of a client. */
export const ClientPatch = z.strictObject({ status: z.enum(["active", "disabled"]) });

/** `PATCH /clients/one?client_id=…`: disables a client, or enables it again. */
export async function updateClientEndpoint(ctx: Context, call: Call): Promise<Response> {
  const actor = await requireOperator(ctx, call);
  const { status } = await readJsonAs(call.request, ClientPatch);
  return json(toWire(await setClientStatus(ctx, clientIdOf(call), status, actor)));
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
  ...client.display,
  created_at: client.createdAt.toISOString(),
  last_used_at: client.lastUsedAt?.toISOString() ?? null,
});
