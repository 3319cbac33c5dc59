import { describe, expect, it } from "vitest";
import { serverMetadata } from "./metadata";

const server = {
  issuer: "https://as.ex",
  scopes: ["mcp:read", "offline_access"],
  grantTypes: ["authorization_code", "refresh_token", "client_credentials"],
  authMethods: ["none", "client_secret_basic", "client_secret_post"],
  registration: true,
  signingAlgorithms: ["ES256"],
  chains: false,
  detailsTypes: [] as string[],
  requiresPushedRequests: false,
};

const ALGORITHMS = ["ES256", "ES384", "RS256", "PS256", "Ed25519", "EdDSA"];

describe("serverMetadata", () => {
  it("RFC 8414 §2: tells what this server does", () => {
    expect(serverMetadata(server)).toEqual({
      issuer: "https://as.ex",
      authorization_endpoint: "https://as.ex/authorize",
      device_authorization_endpoint: "https://as.ex/device/authorize",
      token_endpoint: "https://as.ex/token",
      jwks_uri: "https://as.ex/.well-known/jwks.json",
      registration_endpoint: "https://as.ex/register",
      revocation_endpoint: "https://as.ex/revoke",
      introspection_endpoint: "https://as.ex/introspect",
      pushed_authorization_request_endpoint: "https://as.ex/par",
      require_pushed_authorization_requests: false,
      scopes_supported: ["mcp:read", "offline_access"],
      response_types_supported: ["code"],
      response_modes_supported: ["query"],
      grant_types_supported: ["authorization_code", "refresh_token", "client_credentials"],
      code_challenge_methods_supported: ["S256"],
      token_endpoint_auth_methods_supported: ["none", "client_secret_basic", "client_secret_post"],
      revocation_endpoint_auth_methods_supported: ["none", "client_secret_basic", "client_secret_post"],
      introspection_endpoint_auth_methods_supported: ["client_secret_basic", "client_secret_post"],
      token_endpoint_auth_signing_alg_values_supported: ALGORITHMS,
      revocation_endpoint_auth_signing_alg_values_supported: ALGORITHMS,
      introspection_endpoint_auth_signing_alg_values_supported: ALGORITHMS,
      challenge_endpoint: "https://as.ex/challenge",
      client_attestation_signing_alg_values_supported: ALGORITHMS,
      client_attestation_pop_signing_alg_values_supported: ALGORITHMS,
      dpop_signing_alg_values_supported: ["ES256", "ES384", "RS256", "PS256", "Ed25519", "EdDSA"],
      backchannel_authentication_endpoint: "https://as.ex/bc-authorize",
      backchannel_token_delivery_modes_supported: ["poll", "ping"],
      backchannel_user_code_parameter_supported: false,
      deferred_token_response_supported: true,
      authorization_response_iss_parameter_supported: true,
      client_id_metadata_document_supported: true,
      request_uri_parameter_supported: false,
      resource_indicators_supported: true,
      userinfo_endpoint: "https://as.ex/userinfo",
      subject_types_supported: ["public"],
      id_token_signing_alg_values_supported: ["ES256"],
      introspection_signing_alg_values_supported: ["ES256"],
      claims_supported: [
        ...["iss", "sub", "aud", "exp", "iat", "auth_time", "amr", "acr", "nonce", "at_hash"],
        ...["name", "email", "email_verified"],
      ],
      acr_values_supported: ["phr", "urn:authgent:acr:sign-in"],
      claims_parameter_supported: false,
      identity_chaining_requested_token_types_supported: ["urn:ietf:params:oauth:token-type:id-jag"],
      refresh_token_expiration_types_supported: ["authorization", "token_timeout"],
    });
  });

  it("ID-JAG -04 §6: names the profile together with the grant type it is one of", () => {
    const jwtBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    expect(serverMetadata({ ...server, grantTypes: [jwtBearer] })).toMatchObject({
      grant_types_supported: [jwtBearer],
      authorization_grant_profiles_supported: ["urn:ietf:params:oauth:grant-profile:id-jag"],
    });
  });

  it("Q14: names no registration endpoint where there is none", () => {
    expect(serverMetadata({ ...server, registration: false })).not.toHaveProperty("registration_endpoint");
  });

  it("RFC 9396 §10: tells the types of authorization details that any resource has", () => {
    expect(serverMetadata({ ...server, detailsTypes: ["payment"] })).toMatchObject({
      authorization_details_types_supported: ["payment"],
    });
  });

  it("RFC 8414 §3.2: leaves out empty lists", () => {
    const metadata = serverMetadata({ ...server, scopes: [], authMethods: ["none"] });
    expect(metadata).not.toHaveProperty("scopes_supported");
    expect(metadata).not.toHaveProperty("introspection_endpoint_auth_methods_supported");
  });
});
