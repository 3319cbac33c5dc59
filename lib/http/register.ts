import { timingSafeEqual } from "node:crypto";
import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { hashSecret } from "@/lib/ids";
import { bearerChallenge } from "@/lib/oauth/challenge";
import { type ClientMetadata, parseClientMetadata, registrationResponse } from "@/lib/oauth/client-metadata";
import { isIdentityScope } from "@/lib/oauth/identity-scope";
import { openIdMembers } from "@/lib/oauth/openid-registration";
import { isKnownRedirectUri } from "@/lib/oauth/redirect-presets";
import { GRANT_TYPES } from "@/lib/oauth/token-types";
import { type Client, registerClient } from "@/lib/services/clients";
import { listResources } from "@/lib/services/resources";
import type { Call } from "./call";
import { AUTH_METHODS, OPERATOR_AUTH_METHODS } from "./client-auth/index";
import { json, readJson } from "./json";
import { requireOperator } from "./operator";

/** Dynamic client registration (RFC 7591 §3), as far as the server's policy goes (product decision D1). */
export async function registerEndpoint(ctx: Context, call: Call): Promise<Response> {
  const actor = await registrar(ctx, call);
  const grantTypes = offeredGrants(ctx, call, actor);
  const body = await readJson(call.request);
  const authMethods = CLIENTS_THEMSELVES.includes(actor) ? AUTH_METHODS : OPERATOR_AUTH_METHODS;
  const asked = { body, grantTypes, authMethods, actor };
  const { metadata, scope, stranger } = await readRegistration(ctx, call, asked);
  if (stranger !== undefined) throw unregistered(call, stranger);
  const {
    client,
    clientSecret,
    registrationToken = "",
  } = await registerClient(ctx, {
    metadata,
    kind: "dynamic",
    scope,
    actor,
    address: call.address,
  });
  const registered = registrationOf(ctx, client, { registrationToken, clientSecret });
  return json({ ...registered, ...openIdMembers(body, ctx.settings) }, { status: 201 });
}

/** What the client learns of its registration, with what proves that it is its own (RFC 7592 §3). */
export const registrationOf = (
  { settings }: Context,
  client: Client,
  { registrationToken, clientSecret }: { registrationToken: string; clientSecret?: string | undefined },
) =>
  registrationResponse({
    clientId: client.clientId,
    clientSecret,
    issuedAt: client.createdAt,
    metadata: client,
    management: {
      uri: `${settings.serverUrl}/register/${client.clientId}`,
      accessToken: registrationToken,
    },
  });

type Asked = {
  body: unknown;
  /** What may be had of them. */
  grantTypes: readonly string[];
  authMethods: readonly string[];
  /** Who registers the client, or did. */
  actor: string;
};
type Read = {
  metadata: ClientMetadata;
  scope: readonly string[] | null;
  /** Why the server registers no such client for them; undefined: it does. */
  stranger: string | undefined;
};

/** What is registered of a request, and whether the policy lets it (product decision D1). */
export async function readRegistration(
  ctx: Context,
  call: Call,
  { body, grantTypes, authMethods, actor }: Asked,
): Promise<Read> {
  const asked = withLocalDefaults(call, body);
  const metadata = parseClientMetadata(asked, { grantTypes, authMethods });
  const scope = await knownScope(ctx, call, metadata);
  return { metadata, scope, stranger: actor === "anonymous" ? strangerTo(ctx, call, metadata) : undefined };
}

/** Whoever registers a client by these has only its own word for what it is. */
const CLIENTS_THEMSELVES = ["anonymous", "registration token"];

/** Who registers: anybody where the policy lets them, else the bearer of the credential it asks for. */
async function registrar(ctx: Context, call: Call): Promise<string> {
  switch (ctx.settings.registrationPolicy) {
    case "off":
      throw new OAuthError(
        "forbidden",
        "This server registers no clients. Use a client ID metadata document, or ask the operator.",
      );
    case "admin":
      return requireOperator(ctx, call);
    case "token":
      if (hasRegistrationToken(ctx, call)) return "registration token";
      throw unregistered(
        call,
        "Send the initial access token the operator gave you as Authorization: Bearer.",
      );
    case "constrained":
      // "everything else needs a credential" (product decision D1): with one there is nothing else to meet.
      if (hasRegistrationToken(ctx, call)) return "registration token";
      return call.request.headers.has("x-admin-key") ? requireOperator(ctx, call) : "anonymous";
    case "open":
      return "anonymous";
  }
}

/** "an initial access token … issued … out of band" (RFC 7591 §1.2). */
export function hasRegistrationToken({ settings }: Context, { request }: Call): boolean {
  const presented = /^Bearer +(\S+)$/i.exec(request.headers.get("authorization") ?? "")?.[1];
  const { registrationToken } = settings;
  return (
    presented !== undefined && registrationToken !== undefined && sameSecret(presented, registrationToken)
  );
}

const sameSecret = (a: string, b: string): boolean =>
  timingSafeEqual(Buffer.from(hashSecret(a)), Buffer.from(hashSecret(b)));

/** "the resource server SHOULD NOT include an error code" when no credentials were sent (RFC 6750 §3.1). */
const unregistered = ({ request }: Call, description: string) =>
  new OAuthError("invalid_token", description, {
    headers: {
      "www-authenticate": bearerChallenge(
        request.headers.has("authorization") ? { error: "invalid_token" } : {},
      ),
    },
  });

/** Only a request of this machine to a server in local mode is served openly, whatever the policy says (D1). */
export const isOpen = (ctx: Context, call: Call): boolean =>
  ctx.settings.registrationPolicy === "open" && call.isLocal;

/** A client of its own right is never registered without a credential but in local mode (product decision D1). */
export const offeredGrants = (ctx: Context, call: Call, actor: string): readonly string[] =>
  actor !== "anonymous" || isOpen(ctx, call)
    ? [
        "authorization_code",
        "refresh_token",
        "client_credentials",
        GRANT_TYPES.deviceCode,
        GRANT_TYPES.tokenExchange,
        GRANT_TYPES.jwtBearer,
        GRANT_TYPES.ciba,
      ]
    : ["authorization_code", "refresh_token"];

/** In local mode a registration that names neither grants nor addresses is a machine's (product decision D30). */
function withLocalDefaults(call: Call, body: unknown): unknown {
  if (!call.isLocal || typeof body !== "object" || body === null || Array.isArray(body)) return body;
  const bare = !("grant_types" in body) && !("redirect_uris" in body);
  return bare ? { ...body, grant_types: ["client_credentials"], response_types: [] } : body;
}

function strangerTo(ctx: Context, call: Call, { redirectUris }: ClientMetadata): string | undefined {
  const { registrationPolicy, registrationRedirectUris } = ctx.settings;
  if (isOpen(ctx, call) || (registrationPolicy === "open" && ctx.settings.allowPublicRegistration))
    return undefined;
  const strange = redirectUris.find((uri) => !isKnownRedirectUri(uri, registrationRedirectUris));
  if (redirectUris.length > 0 && strange === undefined) return undefined;
  return (
    `This server registers known MCP clients only, and ${strange ?? "a client without redirect_uris"} is none. ` +
    "Ask the operator to add it to AUTHGENT_REGISTRATION_REDIRECT_URIS, or use a client ID metadata document."
  );
}

/** Scopes nobody knows are dropped, not refused; without any the client may ask for what a resource offers (Q12). */
async function knownScope(
  ctx: Context,
  call: Call,
  { scope }: ClientMetadata,
): Promise<readonly string[] | null> {
  if (scope === undefined) return null;
  const offered = (await listResources(ctx)).flatMap((resource) => resource.scopes.map(({ name }) => name));
  const known = scope.filter((name) =>
    call.isLocal ? !name.startsWith("admin:") : offered.includes(name) || isIdentityScope(name),
  );
  return known.length > 0 ? known : null;
}
