import type { Context } from "@/lib/context";
import { isOAuthError, OAuthError } from "@/lib/errors";
import {
  accepts,
  INTROSPECTION_JWT_TYPE,
  INTROSPECTION_MEDIA_TYPE,
  introspectionClaims,
} from "@/lib/oauth/introspection-jwt";
import { refreshTokenExpiration } from "@/lib/oauth/refresh-token-expiration";
import { formatScope, intersectScope } from "@/lib/oauth/scope";
import type { Client } from "@/lib/services/clients";
import { findRefreshToken, isRefreshTokenLive } from "@/lib/services/refresh-tokens";
import { findRegisteredResource } from "@/lib/services/resources";
import { verifyAccessToken } from "@/lib/services/token-state";
import type { Call } from "./call";
import { authenticateClient, presentsCredentials } from "./client-auth/index";
import { readForm } from "./form";
import { json } from "./json";
import { requireOperator } from "./operator";

/** Who asks: the operator, a client, or anybody in local mode. */
type Caller =
  | { kind: "operator" }
  | { kind: "client"; client: Client; instanceJkt: string | undefined }
  | { kind: "anybody" };

/** "the authorization server MUST … not include any additional information" about a token that does not count. */
const INACTIVE = { active: false } as const;

/** Token introspection (RFC 7662 §2). Every answer asks the database: nothing here is cached. */
export async function introspectEndpoint(ctx: Context, call: Call): Promise<Response> {
  const { fields } = await readForm(call.request);
  const caller = await authenticateCaller(ctx, call, fields);
  const { token } = fields;
  if (!token) throw new OAuthError("invalid_request", "Send the token to look at.");
  const response =
    (await accessTokenAnswer(ctx, call, caller, token)) ??
    (await refreshTokenAnswer(ctx, caller, token)) ??
    INACTIVE;
  const asJwt = accepts(call.request.headers.get("accept"), INTROSPECTION_MEDIA_TYPE);
  return asJwt ? signed(ctx, caller, response) : json(response);
}

/** The answer as a JWT for who asks, so that they can show it to others (RFC 9701 §5). */
async function signed(
  ctx: Context,
  caller: Caller,
  response: Readonly<Record<string, unknown>>,
): Promise<Response> {
  const { serverUrl: issuer } = ctx.settings;
  // Whoever is no client is this server's own.
  const audience = caller.kind === "client" ? caller.client.clientId : issuer;
  const claims = introspectionClaims({ issuer, audience, issuedAt: ctx.now(), response });
  return new Response(await ctx.keys.sign(INTROSPECTION_JWT_TYPE, claims), {
    headers: { "content-type": INTROSPECTION_MEDIA_TYPE, "cache-control": "no-store" },
  });
}

/** Who asks about a token: never somebody unknown, except on this machine in local mode (RFC 7662 §2.1). */
export async function authenticateCaller(
  ctx: Context,
  call: Call,
  fields: Readonly<Record<string, string>>,
): Promise<Caller> {
  const { headers } = call.request;
  if (headers.has("x-admin-key") || /^Bearer /i.test(headers.get("authorization") ?? "")) {
    await requireOperator(ctx, call);
    return { kind: "operator" };
  }
  const anonymous = !presentsCredentials(call.request, fields) && fields.client_id === undefined;
  if (anonymous && call.isLocal) return { kind: "anybody" };
  const { client, authMethod, instanceJkt } = await authenticateClient(ctx, call, fields);
  // "the authorization server MUST … require some form of authorization": knowing a public client_id is none.
  if (authMethod === "none" && !call.isLocal) {
    throw new OAuthError(
      "invalid_client",
      "Authenticate as a client that has a secret or a key to introspect tokens.",
    );
  }
  return { kind: "client", client, instanceJkt };
}

async function accessTokenAnswer(ctx: Context, call: Call, caller: Caller, token: string) {
  try {
    const { claims, scope, username } = await verifyAccessToken(ctx, token);
    if (!(await maySee(ctx, call, caller, claims))) return undefined;
    return {
      active: true,
      ...claims,
      scope: formatScope(scope),
      token_type: claims.cnf ? "DPoP" : "Bearer",
      ...(username ? { username } : {}),
    };
  } catch (error) {
    if (isOAuthError(error) && error.code === "invalid_token") return undefined;
    throw error;
  }
}

/** Whether a caller may see every token: the operator, and everybody in local mode (D30). */
export const seesAll = ({ isLocal }: Call, { kind }: Caller): boolean => kind !== "client" || isLocal;

/** A resource sees tokens meant for it, a client its own (RFC 7662 §4). */
export async function maySee(
  ctx: Context,
  call: Call,
  caller: Caller,
  claims: { aud: string; client_id: string },
): Promise<boolean> {
  if (caller.kind !== "client" || seesAll(call, caller)) return true;
  const { clientId } = caller.client;
  if (claims.client_id === clientId) return true;
  const resource = await findRegisteredResource(ctx, claims.aud);
  return resource?.introspectionClients.includes(clientId) ?? false;
}

/** Refresh tokens are shown to the operator and to the client that holds them. */
async function refreshTokenAnswer(ctx: Context, caller: Caller, token: string) {
  const state = await findRefreshToken(ctx, token);
  if (!state || state.token.usedAt || !isRefreshTokenLive(ctx.now(), state)) return undefined;
  const { clientId, userId, scope, authorizationDetails, expiresAt, issuedAt } = state.token;
  if (caller.kind === "anybody" || (caller.kind === "client" && caller.client.clientId !== clientId))
    return undefined;
  return {
    active: true,
    scope: formatScope(intersectScope(scope, state.grant.scope)),
    client_id: clientId,
    token_type: "refresh_token",
    sub: `user:${userId}`,
    iss: ctx.settings.serverUrl,
    ...(authorizationDetails?.length && { authorization_details: authorizationDetails }),
    iat: Math.floor(issuedAt.getTime() / 1000),
    exp: Math.floor(expiresAt.getTime() / 1000),
    // draft-ietf-oauth-refresh-token-expiration-03 §7
    ...refreshTokenExpiration({
      now: ctx.now(),
      tokenExpiresAt: expiresAt,
      authorizationExpiresAt: state.family.expiresAt,
    }),
  };
}
