import { ACR_VALUES } from "./acr";
import { DELIVERY_MODES } from "./backchannel-metadata";
import { DPOP_ALGORITHMS } from "./dpop-proof";
import { CLAIMS_SUPPORTED } from "./id-token";
import { JWS_ALGORITHMS } from "./jws";
import { EXPIRATION_TYPES } from "./refresh-token-expiration";
import { GRANT_TYPES, TOKEN_TYPES } from "./token-types";

type ServerMetadata = {
  issuer: string;
  scopes: readonly string[];
  grantTypes: readonly string[];
  authMethods: readonly string[];
  /** Whether clients may register themselves. */
  registration: boolean;
  signingAlgorithms: readonly string[];
  /** Whether it issues grants for other domains. */
  chains: boolean;
  /** The types that any resource has (RFC 9396 §10). */
  detailsTypes: readonly string[];
  /** Whether clients have to push their authorization requests. */
  requiresPushedRequests: boolean;
};

const ID_JAG_PROFILE = "urn:ietf:params:oauth:grant-profile:id-jag";

/**
 * What clients learn of this server, the same at oauth-authorization-server and openid-configuration
 * (RFC 8414 §2, OIDC Discovery §3). Endpoints are at the root of the issuer: some clients look only there.
 */
export function serverMetadata(server: ServerMetadata): Record<string, unknown> {
  const { issuer, authMethods } = server;
  const members = {
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    // RFC 8628 §4
    device_authorization_endpoint: `${issuer}/device/authorize`,
    jwks_uri: `${issuer}/.well-known/jwks.json`,
    ...(server.registration && { registration_endpoint: `${issuer}/register` }),
    revocation_endpoint: `${issuer}/revoke`,
    introspection_endpoint: `${issuer}/introspect`,
    // RFC 9126 §5
    pushed_authorization_request_endpoint: `${issuer}/par`,
    require_pushed_authorization_requests: server.requiresPushedRequests,
    scopes_supported: server.scopes,
    authorization_details_types_supported: server.detailsTypes,
    response_types_supported: ["code"],
    response_modes_supported: ["query"],
    grant_types_supported: server.grantTypes,
    // Told together with the grant type it is a profile of; whose assertions are accepted is told to nobody
    // (draft-ietf-oauth-identity-assertion-authz-grant-04 §6).
    authorization_grant_profiles_supported: server.grantTypes.includes(GRANT_TYPES.jwtBearer)
      ? [ID_JAG_PROFILE]
      : [],
    // draft-ietf-oauth-identity-chaining-17 §3.1, draft-ietf-oauth-identity-assertion-authz-grant-04, IdP metadata
    identity_chaining_requested_token_types_supported: [
      TOKEN_TYPES.idJag,
      ...(server.chains ? [TOKEN_TYPES.jwt] : []),
    ],
    code_challenge_methods_supported: ["S256"],
    token_endpoint_auth_methods_supported: authMethods,
    // RFC 8414 §2: needed where a method signs
    token_endpoint_auth_signing_alg_values_supported: JWS_ALGORITHMS,
    revocation_endpoint_auth_methods_supported: authMethods,
    revocation_endpoint_auth_signing_alg_values_supported: JWS_ALGORITHMS,
    // "the authorization server … MUST … require some form of authorization" (RFC 7662 §2.1)
    introspection_endpoint_auth_methods_supported: authMethods.filter((method) => method !== "none"),
    introspection_endpoint_auth_signing_alg_values_supported: JWS_ALGORITHMS,
    // RFC 9701 §7
    introspection_signing_alg_values_supported: server.signingAlgorithms,
    refresh_token_expiration_types_supported: EXPIRATION_TYPES,
    // draft-ietf-oauth-attestation-based-client-auth-11 §6.3, §8. Not client_attestation_pop_methods_supported, which
    // says that attestations are taken beside another proof of the client: here they are that proof, or none (§7.6).
    challenge_endpoint: `${issuer}/challenge`,
    client_attestation_signing_alg_values_supported: JWS_ALGORITHMS,
    client_attestation_pop_signing_alg_values_supported: JWS_ALGORITHMS,
    // RFC 9449 §5.1
    dpop_signing_alg_values_supported: DPOP_ALGORITHMS,
    // CIBA Core §4
    backchannel_authentication_endpoint: `${issuer}/bc-authorize`,
    backchannel_token_delivery_modes_supported: DELIVERY_MODES,
    backchannel_user_code_parameter_supported: false,
    // draft-ietf-oauth-deferred-token-response-00
    deferred_token_response_supported: true,
    authorization_response_iss_parameter_supported: true,
    client_id_metadata_document_supported: true,
    // No standard's name: clients of an earlier system look for it before they send resource (RFC 8707).
    resource_indicators_supported: true,
    // Absent means true (OIDC Discovery §3).
    request_uri_parameter_supported: false,
    userinfo_endpoint: `${issuer}/userinfo`,
    subject_types_supported: ["public"],
    id_token_signing_alg_values_supported: server.signingAlgorithms,
    claims_supported: CLAIMS_SUPPORTED,
    // RFC 9470 §7
    acr_values_supported: ACR_VALUES,
    claims_parameter_supported: false,
  };
  // "Claims with zero elements MUST be omitted from the response." (RFC 8414 §3.2)
  return Object.fromEntries(
    Object.entries(members).filter(([, value]) => !Array.isArray(value) || value.length > 0),
  );
}
