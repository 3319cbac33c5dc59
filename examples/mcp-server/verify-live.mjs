import { OAuthError, OAuthErrorCode } from "@modelcontextprotocol/server";

/**
 * Asks the authorization server about every token (RFC 7662): when a person stops the app, the next call is refused.
 * In local mode nobody has to say who asks; elsewhere this server is a client with a secret.
 *
 * @param {{ issuer: string, resource: string, clientId?: string, clientSecret?: string }} options
 */
export function liveVerifier({ issuer, resource, clientId, clientSecret }) {
  const headers = clientId ? { authorization: basic(clientId, clientSecret ?? "") } : {};

  return {
    /** @param {string} token */
    async verifyAccessToken(token) {
      const claims = await introspect(`${issuer}/introspect`, headers, token);
      // "inactive" is all there is to know (RFC 7662 §2.2), so this says what it may mean, and what helps.
      if (!claims.active) throw invalidToken(NO_LONGER_ACTIVE);
      if (claims.iss !== issuer || claims.aud !== resource) throw invalidToken(FOR_ANOTHER);
      return {
        token,
        clientId: claims.client_id,
        scopes: claims.scope?.split(" ") ?? [],
        expiresAt: claims.exp,
        resource: new URL(resource),
        extra: { sub: claims.sub, act: claims.act, cnf: claims.cnf },
      };
    },
  };
}

const NO_LONGER_ACTIVE =
  "The token is no longer active: the person stopped this app, or it expired. Connect again.";
const FOR_ANOTHER = "The access token is for another server. Ask for one with this server as resource.";

/** Without an answer nobody gets in, and nobody is told that their token is bad. */
async function introspect(endpoint, headers, token) {
  const answer = await fetch(endpoint, {
    method: "POST",
    headers,
    body: new URLSearchParams({ token, token_type_hint: "access_token" }),
    signal: AbortSignal.timeout(5000),
  }).catch(() => undefined);
  if (answer?.ok) return answer.json();
  if (answer)
    console.error(`${endpoint} answers ${answer.status}: check INTROSPECTION_CLIENT_ID and its secret.`);
  throw new OAuthError(OAuthErrorCode.ServerError, "The authorization server does not answer. Try again.");
}

/** Id and secret are form-encoded first (RFC 6749 §2.3.1). */
function basic(id, secret) {
  const [user, password] = [id, secret].map(encodeURIComponent);
  return `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
}

const invalidToken = (description) => new OAuthError(OAuthErrorCode.InvalidToken, description);
