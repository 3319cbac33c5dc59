import { z } from "zod";
import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import type { AuthorizationDetail } from "@/lib/oauth/authorization-details";
import { isCodeVerifier, matchesChallenge } from "@/lib/oauth/pkce";
import { matchesRedirectUri } from "@/lib/oauth/redirect-uri";
import { withoutUnapproved } from "@/lib/services/approval-by-consent";
import {
  type AuthorizationCode,
  consumeCode,
  countWrongVerifier,
  findCode,
  isBurned,
} from "@/lib/services/authorization-codes";
import type { Client } from "@/lib/services/clients";
import { meansResource } from "@/lib/services/targets";
import { killReplayedFamily } from "@/lib/services/tokens";
import { firstTokens } from "./first-tokens";
import { defineGrant, type TokenRequest, type TokenResponse } from "./grant";
import { heldDetails } from "./held-details";
import { oneResource } from "./one-resource";
import { remainingScope } from "./remaining-scope";

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

/** Everything that comes of the code, in one transaction; undefined when another redemption was first. */
const redeem = (
  ctx: Context,
  code: AuthorizationCode,
  details: readonly AuthorizationDetail[] | undefined,
  request: TokenRequest<unknown>,
): Promise<TokenResponse | undefined> =>
  firstTokens(ctx, { ...code, grantType: "authorization_code", nonce: code.nonce ?? undefined }, request, {
    details,
    consume: (tx) => consumeCode(tx, code.codeHash),
  });

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
