import { createRemoteJWKSet, jwtVerify } from "jose";

/**
 * Verifies transaction tokens without asking anybody but for the keys, which jose caches
 * (draft-ietf-oauth-transaction-tokens, Txn-Token Validation).
 *
 * @param {{ issuer: string, trustDomain: string }} options
 */
export function txnTokenVerifier({ issuer, trustDomain }) {
  const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`));
  const expected = { typ: "txntoken+jwt", issuer, audience: trustDomain, requiredClaims: REQUIRED };

  /**
   * The claims of a token that lets this call happen; throws otherwise.
   *
   * @param {string | undefined} token The value of the Txn-Token header.
   * @param {string} scope What the call needs.
   */
  return async (token, scope) => {
    const { payload } = await jwtVerify(token ?? "", keys, expected);
    if (!payload.scope.split(" ").includes(scope)) throw new Error(`The transaction is not for ${scope}.`);
    return payload;
  };
}

const REQUIRED = ["exp", "iat", "txn", "sub", "scope", "req_wl"];

const TOKEN_TYPE = "urn:ietf:params:oauth:token-type:";

/**
 * Asks the authorization server for a transaction token, as the workload that this client is.
 *
 * @param {{ issuer: string, trustDomain: string, clientId: string, clientSecret: string }} options
 */
export function txnTokenClient({ issuer, trustDomain, clientId, clientSecret }) {
  const [user, password] = [clientId, clientSecret].map(encodeURIComponent);
  const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;

  async function post(form) {
    const answer = await fetch(`${issuer}/token`, {
      method: "POST",
      headers: { authorization },
      body: new URLSearchParams(form),
    });
    const body = await answer.json();
    if (!answer.ok) throw new Error(`${body.error}: ${body.error_description}`);
    return body.access_token;
  }

  return {
    /** A token that this workload acts with for itself. @returns {Promise<string>} */
    accessToken: () => post({ grant_type: "client_credentials" }),

    /**
     * A token for one transaction, made of the access token it began with.
     *
     * @param {string} accessToken
     * @param {{ scope: string, details: object, context: object }} transaction
     * @returns {Promise<string>}
     */
    txnToken: (accessToken, { scope, details, context }) =>
      post({
        grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
        requested_token_type: `${TOKEN_TYPE}txn_token`,
        subject_token: accessToken,
        subject_token_type: `${TOKEN_TYPE}access_token`,
        audience: trustDomain,
        scope,
        request_details: JSON.stringify(details),
        request_context: JSON.stringify(context),
      }),
  };
}
