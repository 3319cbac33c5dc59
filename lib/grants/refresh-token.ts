import { createHash } from "node:crypto";
import { z } from "zod";
import { type Context, inTransaction } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import type { AuthorizationDetail } from "@/lib/oauth/authorization-details";
import { intersectScope, narrowScope, parseScope } from "@/lib/oauth/scope";
import { deriveKey, open, seal } from "@/lib/secret-key";
import { withoutUnapproved } from "@/lib/services/approval-by-consent";
import { type Client, touchClient } from "@/lib/services/clients";
import { record } from "@/lib/services/events";
import { touchGrantUse } from "@/lib/services/grants";
import { mintIdToken } from "@/lib/services/id-tokens";
import { mintAccessToken } from "@/lib/services/issuing";
import {
  consumeRefreshToken,
  findRefreshToken,
  isRefreshTokenLive,
  mintRefreshToken,
  type RefreshTokenState,
  storeRefreshToken,
} from "@/lib/services/refresh-tokens";
import { meansResource, meantScope, scopeOfRole } from "@/lib/services/targets";
import { interactiveTtl, killReplayedFamily, storeAccessToken } from "@/lib/services/tokens";
import { defineGrant, issuedToken, type TokenRequest, type TokenResponse } from "./grant";
import { heldDetails } from "./held-details";
import { oneResource } from "./one-resource";

type Params = {
  refresh_token: string;
  scope?: string | undefined;
  authorization_details?: string | undefined;
};

const INVALID_TOKEN =
  "The refresh token is unknown, used, expired or revoked. Ask the person to connect again.";
const DEFAULT_OVERLAP = { public: 60, confidential: 10 } as const;

/** Rotates a refresh token (RFC 6749 §6, RFC 9700 §4.14; product decision D10). */
export const refreshToken = defineGrant({
  grantType: "refresh_token",

  params: z.object({
    refresh_token: z.string().min(1),
    scope: z.string().optional(),
    authorization_details: z.string().optional(),
  }),

  async handle(ctx, request) {
    const state = await findRefreshToken(ctx, request.params.refresh_token);
    // "the refresh token is bound to the client to which it was issued": another client's is no token at all.
    if (!state || state.token.clientId !== request.client.clientId || !isRefreshTokenLive(ctx.now(), state)) {
      throw new OAuthError("invalid_grant", INVALID_TOKEN);
    }
    checkKey(state.token, request);
    // Before anything else of the request: a replay is one, whatever it asks for.
    if (state.token.usedAt) return repeat(ctx, state, request);
    const scope = await remainingScope(ctx, state, request.params.scope);
    await checkResource(ctx, state, request.resources);
    const details = await heldDetails(ctx, state.token, request.params.authorization_details);
    const { resource } = state.token;
    const held = { resource, scope, authorizationDetails: details };
    const left = await withoutUnapproved(ctx, held, undefined);
    const response = await rotate(ctx, state, request, {
      scope: left.scope,
      details: left.authorizationDetails,
    });
    if (response) return response;
    // Another request with the same token was first; look again at what it left.
    const now = await findRefreshToken(ctx, request.params.refresh_token);
    if (!now) throw new OAuthError("invalid_grant", INVALID_TOKEN);
    return repeat(ctx, now, request);
  },
});

/**
 * "refresh tokens issued to public clients MUST be bound to the public key"; a confidential client is known by its
 * authentication and may take a new key, but never goes back to bearer tokens (RFC 9449 §5).
 */
function checkKey(
  { jkt, instanceJkt }: RefreshTokenState["token"],
  { client, jkt: proven, instanceJkt: instance }: TokenRequest<Params>,
): void {
  if (instanceJkt !== null && instanceJkt !== instance)
    throw new OAuthError("invalid_grant", "This refresh token was issued to another instance of the client.");
  if (jkt === null) return;
  if (proven === undefined)
    throw new OAuthError("invalid_dpop_proof", "Send a DPoP proof: this refresh token is bound to a key.");
  if (proven !== jkt && client.tokenEndpointAuthMethod === "none")
    throw new OAuthError(
      "invalid_grant",
      "This refresh token is bound to another key than the DPoP proof's.",
    );
}

/** Without `scope` everything that is left of the grant (client quirk Q29); never more than the token held. */
async function remainingScope(
  ctx: Context,
  { token, grant, user }: RefreshTokenState,
  asked: string | undefined,
): Promise<readonly string[]> {
  const left = { resource: token.resource, scope: intersectScope(token.scope, grant.scope) };
  // The person may have another role by now, and with it less to pass on (product decision D19).
  const held = await scopeOfRole(ctx, left, user.role);
  if (token.scope.length > 0 && held.length === 0) throw new OAuthError("invalid_grant", INVALID_TOKEN);
  return asked === undefined ? held : narrowScope(held, meantScope(held, parseScope(asked)));
}

async function checkResource(
  ctx: Context,
  { token }: RefreshTokenState,
  resources: readonly string[],
): Promise<void> {
  const resource = oneResource(resources);
  if (resource !== undefined && !(await meansResource(ctx, resource, token.resource))) {
    throw new OAuthError("invalid_target", `This refresh token is for ${token.resource}.`);
  }
}

/** What the new access token is to reach. */
type Reach = { scope: readonly string[]; details: readonly AuthorizationDetail[] | undefined };

/** The successor, in one transaction with the end of the old token; undefined when another request was first. */
async function rotate(
  ctx: Context,
  { token, family }: RefreshTokenState,
  request: TokenRequest<Params>,
  { scope, details: authorizationDetails }: Reach,
): Promise<TokenResponse | undefined> {
  const { clientId, userId, familyId, grantId, resource, authTime, amr } = token;
  const ttl = interactiveTtl(ctx, family);
  if (ttl < 1) throw new OAuthError("invalid_grant", INVALID_TOKEN);
  const subject = `user:${userId}`;
  // Signed before the transaction: inside it, the signer's own look at the database would wait for it to end.
  const access = await mintAccessToken(ctx, {
    grantType: "refresh_token",
    approvalId: family.approvalId ?? undefined,
    clientId,
    subject,
    scope,
    audience: resource,
    ttl,
    grantId,
    familyId,
    authTime,
    amr,
    jkt: request.jkt,
    authorizationDetails,
  });
  // The refresh token keeps the scope it had: a narrower access token is no smaller grant (RFC 6749 §6).
  const kept = { familyId, clientId, userId, grantId, scope: token.scope, resource, authTime, amr };
  const successor = mintRefreshToken(ctx, {
    ...kept,
    authorizationDetails: token.authorizationDetails,
    jkt: request.jkt ?? null,
    // "Authorization servers issuing a refresh token in response to a token request using the client attestation
    // mechanism … MUST bind" it (draft-ietf-oauth-attestation-based-client-auth-11 §10.3); a bound one stays so.
    instanceJkt: request.instanceJkt ?? null,
    familyExpiresAt: family.expiresAt,
  });
  // "it SHOULD NOT have a nonce Claim, even when the ID Token issued at the time of the original authentication
  // contained nonce" (OIDC Core §12.2)
  const signIn = { clientId, userId, scope, resource, authTime, amr, familyId };
  const idToken = await mintIdToken(ctx, { ...signIn, accessToken: access.token });
  const response: TokenResponse = {
    ...issuedToken({ token: access.token, jkt: request.jkt, ttl, scope, authorizationDetails }),
    ...successor.answer,
    ...(idToken !== undefined && { id_token: idToken }),
  };
  const rotation = {
    tokenHash: token.tokenHash,
    overlapUntil: new Date(ctx.now().getTime() + overlap(ctx, request.client) * 1000),
    sealedSuccessor: await seal(deriveKey(ctx.settings.secretKey, "overlap"), JSON.stringify(response)),
    requestDigest: requestDigest(request),
  };
  const first = await inTransaction(ctx, async (tx) => {
    if (!(await consumeRefreshToken(tx, rotation))) return false;
    await storeRefreshToken(tx, successor.row);
    await storeAccessToken(tx, access);
    await record(tx, {
      type: "token.refreshed",
      actor: `client:${clientId}`,
      subject: `token:${access.row.jti}`,
      clientId,
      data: {
        ...{ principal: subject, grant: grantId, family: familyId, scope, audience: resource },
        ...(authorizationDetails && { authorizationDetails }),
      },
      address: request.address,
    });
    return true;
  });
  if (!first) return undefined;
  ctx.defer(() => touchGrantUse(ctx, grantId));
  ctx.defer(() => touchClient(ctx, request.client));
  return response;
}

const overlap = ({ settings }: Context, client: Client): number =>
  settings.refreshOverlap ??
  DEFAULT_OVERLAP[client.tokenEndpointAuthMethod === "none" ? "public" : "confidential"];

/** What a repeat has to carry again to be taken for the same request. */
function requestDigest({ authMethod, params, resources, jkt }: TokenRequest<Params>): string {
  const details = params.authorization_details;
  // Without a key and without details as before, so that answers kept by an earlier release are still found.
  const added = details === undefined ? [jkt].filter(Boolean) : [jkt ?? null, details];
  const request = [authMethod, params.scope ?? null, resources, ...added];
  return createHash("sha256").update(JSON.stringify(request)).digest("base64url");
}

/** A used token again: the same answer within the overlap, the end of the family after it. */
async function repeat(
  ctx: Context,
  { token }: RefreshTokenState,
  request: TokenRequest<Params>,
): Promise<TokenResponse> {
  const withinOverlap = token.overlapUntil !== null && token.overlapUntil > ctx.now();
  if (withinOverlap && token.sealedSuccessor && token.requestDigest === requestDigest(request)) {
    return JSON.parse(
      await open(deriveKey(ctx.settings.secretKey, "overlap"), token.sealedSuccessor),
    ) as TokenResponse;
  }
  // A repeat that differs inside the overlap is refused, but it is no proof of theft.
  // Past it, "the authorization server … revokes the active refresh token", with its family (RFC 9700 §4.14.2).
  if (!withinOverlap) {
    await killReplayedFamily(ctx, token, { credential: "refresh_token", address: request.address });
  }
  throw new OAuthError("invalid_grant", INVALID_TOKEN, { reason: "refresh token used again" });
}
