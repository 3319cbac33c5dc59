/** "a valid SPIFFE ID … The maximum length of a SPIFFE ID is 2048 bytes" (SPIFFE ID §2.3). */
const MAX_LENGTH = 2048;
/** The trust domain, and a path of segments that are letters, digits, dots, dashes and underscores (SPIFFE ID §2.1, §2.2). */
const SPIFFE_ID = /^(spiffe:\/\/[a-z0-9._-]{1,255})((?:\/[A-Za-z0-9._-]+)+)$/;

/** The trust domain of a workload's SPIFFE ID as it is registered, `spiffe://example.org`; undefined: it is no such id. */
export function trustDomainOf(spiffeId: string): string | undefined {
  const [, trustDomain, path = ""] = spiffeId.length > MAX_LENGTH ? [] : (SPIFFE_ID.exec(spiffeId) ?? []);
  // "Paths MUST NOT include … single dot (.) and double dot (..) segments" (SPIFFE ID §2.2)
  return path.split("/").some((segment) => /^\.{1,2}$/.test(segment)) ? undefined : trustDomain;
}

const WILDCARD = "/*";
const withoutWildcard = (pattern: string): string =>
  pattern.endsWith(WILDCARD) ? pattern.slice(0, -WILDCARD.length) : pattern;

/** Whether a client may be registered with it: a SPIFFE ID, or one that ends in `/*` for all beneath it. */
export const isSpiffePattern = (pattern: string): boolean =>
  trustDomainOf(withoutWildcard(pattern)) !== undefined;

/**
 * "the authorization server MUST perform a path-segment prefix match … Otherwise, the sub claim MUST be an exact match
 * of the spiffe_id value" (draft-ietf-oauth-spiffe-client-auth-02 §5.1).
 */
export function matchesSpiffePattern(pattern: string, spiffeId: string): boolean {
  if (!pattern.endsWith(WILDCARD)) return spiffeId === pattern;
  return trustDomainOf(spiffeId) !== undefined && spiffeId.startsWith(`${withoutWildcard(pattern)}/`);
}
