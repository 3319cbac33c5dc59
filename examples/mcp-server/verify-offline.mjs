import { OAuthError, OAuthErrorCode } from "@modelcontextprotocol/server";
import { createRemoteJWKSet, errors, jwtVerify } from "jose";

/**
 * Verifies access tokens without asking anybody about them (RFC 9068 §4): with the server's keys, which jose caches,
 * and its signed list of tokens that were stopped, read every few seconds. A stop is seen within about 10 seconds.
 *
 * @param {{ issuer: string, resource: string, pollSeconds?: number }} options
 */
export function offlineVerifier({ issuer, resource, pollSeconds = 5 }) {
  // A token in three lines: the keys, the signature and the claims, what it may do.
  const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`));
  const verify = (token) => jwtVerify(token, keys, { typ: "at+jwt", issuer, audience: resource, ...CLAIMS });
  const mayDo = (claims) => claims.scope?.split(" ") ?? [];

  const stopped = stoppedTokens({ issuer, keys });
  // Before it is read once, nobody gets in; a server that is away then is one line in the log.
  const started = stopped.read();
  setInterval(stopped.read, pollSeconds * 1000).unref();

  return {
    /** @param {string} token */
    async verifyAccessToken(token) {
      const { payload } = await verify(token).catch(refuse);
      // One audience, so that no other server can replay the token here.
      if (payload.aud !== resource) throw invalidToken("The access token is for several servers.");
      await started;
      if (stopped.has(payload.jti)) throw invalidToken(STOPPED);
      return {
        token,
        clientId: payload.client_id,
        scopes: mayDo(payload),
        expiresAt: payload.exp,
        resource: new URL(resource),
        extra: { sub: payload.sub, act: payload.act, cnf: payload.cnf },
      };
    },
    /** Reads the list now; every few seconds it happens by itself. */
    readRevocations: stopped.read,
  };
}

const CLAIMS = { requiredClaims: ["exp", "sub", "client_id", "jti"] };
const STOPPED = "The token was stopped before it expired. Connect again.";

/** The server's list of tokens that do not count although they have not expired; the last good one is kept. */
function stoppedTokens({ issuer, keys }) {
  const address = `${issuer}/.well-known/revocations`;
  const expected = { typ: "revocations+jwt", issuer, requiredClaims: ["iat", "exp"] };
  let list = { iat: 0, jtis: new Set() };
  let failing = false;

  async function readOnce() {
    const answer = await fetch(address, { signal: AbortSignal.timeout(4000) });
    if (!answer.ok) throw new Error(`it answers ${answer.status}`);
    const { payload } = await jwtVerify(await answer.text(), keys, expected);
    if (!Array.isArray(payload.revoked)) throw new Error("it is no list");
    // A cache on the way may answer with an older one.
    if (payload.iat >= list.iat) list = { iat: payload.iat, jtis: new Set(payload.revoked) };
  }

  async function read() {
    try {
      await readOnce();
      failing = false;
    } catch (error) {
      if (!failing) console.error(`${address} cannot be read: ${error.message}. The list before it counts.`);
      failing = true;
    }
  }

  return { read, has: (jti) => list.jtis.has(jti) };
}

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
