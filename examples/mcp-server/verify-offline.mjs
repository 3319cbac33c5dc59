import { OAuthError, OAuthErrorCode } from "@modelcontextprotocol/server";
import { createRemoteJWKSet, errors, jwtVerify } from "jose";

/**
 * Verifies access tokens without asking anybody but for the keys, which jose caches (RFC 9068 §4).
 * When a person stops the app, its last token still works here until it expires.
 *
 * @param {{ issuer: string, resource: string }} options
 */
export function offlineVerifier({ issuer, resource }) {
  // A token in three lines: the keys, the signature and the claims, what it may do.
  const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`));
  const verify = (token) => jwtVerify(token, keys, { typ: "at+jwt", issuer, audience: resource, ...CLAIMS });
  const mayDo = (claims) => claims.scope?.split(" ") ?? [];

  return {
    /** @param {string} token */
    async verifyAccessToken(token) {
      const { payload } = await verify(token).catch(refuse);
      // One audience, so that no other server can replay the token here.
      if (payload.aud !== resource) throw invalidToken("The access token is for several servers.");
      return {
        token,
        clientId: payload.client_id,
        scopes: mayDo(payload),
        expiresAt: payload.exp,
        resource: new URL(resource),
        extra: { sub: payload.sub, act: payload.act },
      };
    },
  };
}

const CLAIMS = { requiredClaims: ["exp", "sub", "client_id"] };

/** Says why in words that the person at the client understands. @returns {never} */
function refuse(error) {
  if (error instanceof errors.JWTExpired) {
    throw invalidToken("The access token has expired. Refresh it, or connect again.");
  }
  if (error instanceof errors.JWTClaimValidationFailed && error.claim === "aud") {
    throw invalidToken("The access token is for another server. Ask for one with this server as resource.");
  }
  const badToken = error instanceof errors.JOSEError && !(error instanceof errors.JWKSTimeout);
  if (badToken) throw invalidToken("The access token is not one of this server's issuer. Connect again.");
  throw new OAuthError(OAuthErrorCode.ServerError, "The authorization server does not answer. Try again.");
}

const invalidToken = (description) => new OAuthError(OAuthErrorCode.InvalidToken, description);
