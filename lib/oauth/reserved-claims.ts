/** Claims that say whom a token is from, for and about, who acts, how long, and how that is proven. */
export const RESERVED_CLAIMS: ReadonlySet<string> = new Set([
  // RFC 7519 §4.1, RFC 9068 §2.2
  ...["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "client_id", "scope", "auth_time", "acr", "amr"],
  // RFC 8693 §4, and earlier ways to tell of a delegation
  ...["act", "may_act", "delegator_sub", "delegation_chain"],
  // RFC 7800 §3.1, RFC 9396 §9.1
  ...["cnf", "authorization_details"],
  // OIDC Core §2, §3.3.2.11
  ...["azp", "nonce", "sid", "at_hash", "c_hash", "s_hash"],
  // RFC 8417 §2.2, RFC 9493 §4.1
  ...["events", "toe", "txn", "sub_id"],
  // draft-ietf-oauth-transaction-tokens-11 §5.2
  ...["tctx", "rctx", "req_wl", "purp", "call_chain"],
  // RFC 7662 §2.2, RFC 9701 §5
  ...["active", "token_type", "token_introspection"],
  // Verifiable credentials, selective disclosure and status lists
  ...["vc", "vp", "vct", "status", "status_list", "_sd", "_sd_alg"],
  // This server's own (product decisions D6, D7)
  ...["scopes", "human_root", "approval", "rcpt", "chained_from", "idp_iss", "idp_sub"],
  // No claim of anybody's: a verifier that copies it changes what its objects inherit.
  "__proto__",
]);

/** Characters of a name. */
const MAX_NAME = 100;
const MAX_DEPTH = 4;
/** Bytes of all added claims together, as JSON: a token travels in a header. */
const MAX_BYTES = 2048;

type Claims = Readonly<Record<string, unknown>>;

/**
 * The claims that somebody else may add to a token, and the names of those they may not.
 * `roles`, `groups` and `entitlements` may be added: RFC 9068 §2.2.3.1 leaves them to the operator.
 */
export function withoutReserved(claims: Claims): { kept: Claims; dropped: readonly string[] } {
  const kept: [string, unknown][] = [];
  const dropped: string[] = [];
  let bytes = 0;
  for (const [name, value] of Object.entries(claims)) {
    const size = isAllowed(name, value) ? sizeOf(name, value) : Number.POSITIVE_INFINITY;
    if (bytes + size > MAX_BYTES) {
      dropped.push(name.slice(0, MAX_NAME));
    } else {
      bytes += size;
      kept.push([name, value]);
    }
  }
  return { kept: Object.fromEntries(kept), dropped };
}

const isAllowed = (name: string, value: unknown): boolean =>
  // Some verifiers do not tell `Scope` from `scope`.
  !RESERVED_CLAIMS.has(name.toLowerCase()) &&
  name.length <= MAX_NAME &&
  isPlain(name) &&
  isShallow(value, MAX_DEPTH);

/** C programs take what follows a NUL for the end of a text. */
const isPlain = (text: string): boolean => !text.includes("\0");

/** True for JSON of at most `depth` levels without a NUL in it. */
function isShallow(value: unknown, depth: number): boolean {
  if (typeof value === "string") return isPlain(value);
  if (typeof value !== "object" || value === null) return value !== undefined;
  if (depth === 0) return false;
  return Object.entries(value).every(([name, inner]) => isPlain(name) && isShallow(inner, depth - 1));
}

const sizeOf = (name: string, value: unknown): number => Buffer.byteLength(JSON.stringify({ [name]: value }));
