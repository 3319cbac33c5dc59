/**
 * Token type identifiers (RFC 8693 §3, draft-ietf-oauth-transaction-tokens-11 §14.2,
 * draft-ietf-oauth-identity-assertion-authz-grant-04 §4.3).
 */
export const TOKEN_TYPES = {
  accessToken: "urn:ietf:params:oauth:token-type:access_token",
  refreshToken: "urn:ietf:params:oauth:token-type:refresh_token",
  idToken: "urn:ietf:params:oauth:token-type:id_token",
  jwt: "urn:ietf:params:oauth:token-type:jwt",
  idJag: "urn:ietf:params:oauth:token-type:id-jag",
  txnToken: "urn:ietf:params:oauth:token-type:txn_token",
} as const;

/**
 * Grant types beyond those of OAuth 2.1 (RFC 8693 §2.1, RFC 8628 §3.4, RFC 7523 §2.1, CIBA Core §4,
 * draft-ietf-oauth-deferred-token-response-00).
 */
export const GRANT_TYPES = {
  tokenExchange: "urn:ietf:params:oauth:grant-type:token-exchange",
  deviceCode: "urn:ietf:params:oauth:grant-type:device_code",
  jwtBearer: "urn:ietf:params:oauth:grant-type:jwt-bearer",
  ciba: "urn:openid:params:grant-type:ciba",
  deferred: "urn:ietf:params:oauth:grant-type:deferred",
} as const;
