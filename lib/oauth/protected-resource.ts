import { DPOP_ALGORITHMS } from "./dpop-proof";

type ProtectedResource = {
  resource: string;
  issuer: string;
  name: string;
  scopes: readonly string[];
  /** Whether it takes tokens bound to a key and no others. */
  requiresBoundTokens?: boolean;
  /** Its types of authorization details (RFC 9396 §10). */
  detailsTypes?: readonly string[];
};

/** What clients learn of a protected resource: which server to ask, and for which scopes (RFC 9728 §2). */
export function protectedResourceMetadata({
  resource,
  issuer,
  name,
  scopes,
  requiresBoundTokens = false,
  detailsTypes = [],
}: ProtectedResource) {
  // Refresh tokens are between client and authorization server: no resource needs offline_access.
  const ownScopes = scopes.filter((scope) => scope !== "offline_access");
  return {
    // "the value MUST be identical to the protected resource's resource identifier" (RFC 9728 §3.3)
    resource,
    authorization_servers: [issuer],
    resource_name: name,
    bearer_methods_supported: ["header"],
    dpop_signing_alg_values_supported: DPOP_ALGORITHMS,
    ...(requiresBoundTokens && { dpop_bound_access_tokens_required: true }),
    // "Parameters with zero elements MUST be omitted from the response."
    ...(ownScopes.length > 0 && { scopes_supported: ownScopes }),
    ...(detailsTypes.length > 0 && { authorization_details_types_supported: detailsTypes }),
  };
}

/** Where the metadata of a resource is, on the resource's own host (RFC 9728 §3.1). */
export function protectedResourceMetadataUrl(resource: string): string {
  const { origin, pathname, search } = new URL(resource);
  // "any terminating slash (/) following the host component MUST be removed before inserting"
  const path = pathname === "/" ? "" : pathname;
  return `${origin}/.well-known/oauth-protected-resource${path}${search}`;
}
