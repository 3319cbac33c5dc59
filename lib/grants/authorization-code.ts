import { z } from "zod";
import { type Context, inTransaction } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import type { AuthorizationDetail } from "@/lib/oauth/authorization-details";
import { isCodeVerifier, matchesChallenge } from "@/lib/oauth/pkce";
import { matchesRedirectUri } from "@/lib/oauth/redirect-uri";
import { intersectScope } from "@/lib/oauth/scope";
import { withoutUnapproved } from "@/lib/services/approval-by-consent";
import {
  type AuthorizationCode,
  consumeCode,
  countWrongVerifier,
  findCode,
  isBurned,
} from "@/lib/services/authorization-codes";
import { type Client, touchClient } from "@/lib/services/clients";
import { record } from "@/lib/services/events";
import { findGrant, touchGrantUse } from "@/lib/services/grants";
import { mintIdToken } from "@/lib/services/id-tokens";
import { mintAccessToken } from "@/lib/services/issuing";
import { mintRefreshToken, storeRefreshToken } from "@/lib/services/refresh-tokens";
import { meansResource, scopeOfRole } from "@/lib/services/targets";
import {
  interactiveTtl,
  killReplayedFamily,
  newFamily,
  storeAccessToken,
  storeFamily,
} from "@/lib/services/tokens";
import type { User } from "@/lib/services/users";
import { defineGrant, issuedToken, type TokenRequest, type TokenResponse } from "./grant";
import { heldDetails } from "./held-details";
import { oneResource } from "./one-resource";

const INVALID_CODE =
  "The code is unknown, used, expired or not this client's. Start again at the authorization endpoint.";

/** Redeems an authorization code, once (RFC 6749 §4.1.3, RFC 7636 §4.6). */
export const authorizationCode = defineGrant({
  grantType: "authorization_code",

  params: z.object({
    code: z.string().min(1),
    code_verifier: z.string().optional(),
    redirect_uri: z.string().optional(),
    authorization_details: z.string().optional(),
  }),

  async handle(ctx, request) {
    const { client, params, resources, address, jkt } = request;
    const code = await findCode(ctx, params.code, client.clientId);
    if (!code) throw new OAuthError("invalid_grant", INVALID_CODE);
    if (code.usedAt) return refuseUsed(ctx, code, params.code_verifier, address);
    if (isBurned(code) || code.expiresAt <= ctx.now()) throw new OAuthError("invalid_grant", INVALID_CODE);
    checkRedirect(client, code, params.redirect_uri);
    const resource = oneResource(resources);
    if (resource !== undefined && !(await meansResource(ctx, resource, code.resource))) {
      throw new OAuthError("invalid_target", `This code is for ${code.resource}.`);
    }
    await checkVerifier(ctx, code, params.code_verifier);
    checkKey(code, jkt);
    checkInstance(code, request.instanceJkt);
    const { scope, person } = await remainingScope(ctx, code);
    const details = await heldDetails(ctx, code, params.authorization_details);
    const held = { resource: code.resource, scope, authorizationDetails: details };
    // They consented a moment ago.
    const left = await withoutUnapproved(ctx, held, person);
    const given = { ...code, scope: [...left.scope] };
    const redeemed = await redeem(ctx, given, left.authorizationDetails, request);
    return redeemed ?? refuseReplay(ctx, code, address);
  },
});

/** The parameter is gone in OAuth 2.1; sent, "their values MUST be identical" (RFC 6749 §4.1.3). */
function checkRedirect(client: Client, code: AuthorizationCode, redirectUri: string | undefined): void {
  if (redirectUri !== undefined && redirectUri !== code.redirectUri) {
    throw new OAuthError("invalid_grant", "redirect_uri is not the one this code was sent to.");
  }
  // The app may have taken the address out of its registration since.
  if (!matchesRedirectUri(client.redirectUris, code.redirectUri)) {
    throw new OAuthError("invalid_grant", "The redirect_uri of this code is no longer registered.");
  }
}

async function checkVerifier(
  ctx: Context,
  code: AuthorizationCode,
  verifier: string | undefined,
): Promise<void> {
  if (verifier === undefined || !isCodeVerifier(verifier)) {
    throw new OAuthError(
      "invalid_request",
      "Send the code_verifier of this request: 43 to 128 characters of A-Z a-z 0-9 - . _ ~",
    );
  }
  if (matchesChallenge(verifier, code.codeChallenge)) return;
  await countWrongVerifier(ctx, code.codeHash);
  throw new OAuthError("invalid_grant", "code_verifier does not match the code_challenge of this code.");
}

/** A code that was asked for with a key is redeemed with that key (RFC 9449 §10). */
function checkKey({ dpopJkt }: AuthorizationCode, jkt: string | undefined): void {
  if (dpopJkt === null || dpopJkt === jkt) return;
  if (jkt === undefined)
    throw new OAuthError("invalid_dpop_proof", "Send a DPoP proof: this code is bound to a key.");
  throw new OAuthError("invalid_grant", "This code is bound to another key than the DPoP proof's.");
}

/**
 * "proving binding of the authorization_code to the Client Instance involves using the client attestation mechanism"
 * (draft-ietf-oauth-attestation-based-client-auth-11 §10.4).
 */
function checkInstance({ instanceJkt }: AuthorizationCode, proven: string | undefined): void {
  if (instanceJkt === null || instanceJkt === proven) return;
  throw new OAuthError("invalid_grant", "This code was asked for by another instance of the client.");
}

/** What is left of the code's scope: the person may have narrowed or stopped the app since they answered. */
async function remainingScope(
  ctx: Context,
  code: AuthorizationCode,
): Promise<{ scope: readonly string[]; person: User }> {
  const live = await findGrant(ctx, code.grantId);
  if (live?.grant.status === "active" && live.user.status === "active") {
    const left = { resource: code.resource, scope: intersectScope(code.scope, live.grant.scope) };
    const scope = await scopeOfRole(ctx, left, live.user.role);
    if (scope.length > 0 || code.scope.length === 0) return { scope, person: live.user };
  }
  throw new OAuthError(
    "invalid_grant",
    "The person has taken this permission back. Start again at the authorization endpoint.",
  );
}

/** Everything that comes of the code, in one transaction; undefined when another redemption was first. */
async function redeem(
  ctx: Context,
  code: AuthorizationCode,
  authorizationDetails: readonly AuthorizationDetail[] | undefined,
  { client, address, jkt, instanceJkt }: TokenRequest<unknown>,
): Promise<TokenResponse | undefined> {
  const { approvalId, familyId, grantId, clientId, userId, resource, scope, authTime, amr } = code;
  const subject = `user:${userId}`;
  const family = newFamily(ctx, { id: familyId, grantId, clientId, approvalId });
  const ttl = interactiveTtl(ctx, family);
  // Signed before the transaction: inside it, the signer's own look at the database would wait for it to end.
  const access = await mintAccessToken(ctx, {
    grantType: "authorization_code",
    approvalId,
    clientId,
    subject,
    scope,
    audience: resource,
    ttl,
    grantId,
    familyId,
    authTime,
    amr,
    jkt,
    authorizationDetails,
    isConsented: true,
  });
  const refresh = client.grantTypes.includes("refresh_token")
    ? mintRefreshToken(ctx, {
        familyId,
        clientId,
        userId,
        grantId,
        scope,
        resource,
        authTime,
        amr,
        // It keeps what the person agreed to: a narrower access token is no smaller grant.
        authorizationDetails: code.authorizationDetails,
        jkt: jkt ?? null,
        instanceJkt: instanceJkt ?? null,
        familyExpiresAt: family.expiresAt,
      })
    : undefined;
  const signIn = {
    clientId,
    userId,
    scope,
    resource,
    authTime,
    amr,
    nonce: code.nonce ?? undefined,
    familyId,
  };
  const idToken = await mintIdToken(ctx, { ...signIn, accessToken: access.token });
  const first = await inTransaction(ctx, async (tx) => {
    if (!(await consumeCode(tx, code.codeHash))) return false;
    await storeFamily(tx, family);
    await storeAccessToken(tx, access);
    if (refresh) await storeRefreshToken(tx, refresh.row);
    await record(tx, {
      type: "token.issued",
      actor: `client:${clientId}`,
      subject: `token:${access.row.jti}`,
      clientId,
      data: {
        grantType: "authorization_code",
        principal: subject,
        grant: grantId,
        scope,
        audience: resource,
        ...(authorizationDetails && { authorizationDetails }),
      },
      address,
    });
    return true;
  });
  if (!first) return undefined;
  ctx.defer(() => touchGrantUse(ctx, grantId));
  ctx.defer(() => touchClient(ctx, client));
  return {
    ...issuedToken({ token: access.token, jkt, ttl, scope, authorizationDetails }),
    ...refresh?.answer,
    ...(idToken !== undefined && { id_token: idToken }),
  };
}

/** A used code without its verifier proves nothing: whoever saw it go by must not end what came of it. */
function refuseUsed(
  ctx: Context,
  code: AuthorizationCode,
  verifier: string | undefined,
  address: string,
): Promise<never> {
  const proven =
    verifier !== undefined && isCodeVerifier(verifier) && matchesChallenge(verifier, code.codeChallenge);
  if (proven) return refuseReplay(ctx, code, address);
  throw new OAuthError("invalid_grant", INVALID_CODE, {
    reason: "used authorization code without its verifier",
  });
}

/**
 * "If an authorization code is used more than once, the authorization server MUST deny the request and SHOULD
 * revoke (when possible) all tokens previously issued based on that authorization code." (RFC 6749 §4.1.2)
 */
async function refuseReplay(ctx: Context, code: AuthorizationCode, address: string): Promise<never> {
  await killReplayedFamily(ctx, code, { credential: "authorization_code", address });
  throw new OAuthError("invalid_grant", INVALID_CODE, { reason: "replayed authorization code" });
}
