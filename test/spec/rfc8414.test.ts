import { beforeAll, describe, expect, it } from "vitest";
import { type Connection, connect, publicServer } from "@/test/support/client";
import { testContext, unique } from "@/test/support/context";

let c: Connection;

beforeAll(async () => {
  c = connect(await testContext({ env: publicServer }));
});

const ISSUER = "https://auth.example.com";
const ROOT = "/.well-known/oauth-authorization-server";

/** How a client may prove who it is, and with which algorithms where it signs. */
const PROVING = [
  "client_secret_basic",
  "client_secret_post",
  "private_key_jwt",
  "attest_jwt_client_auth",
  "attest_jwt_client_auth_dpop",
];
const ALGORITHMS = ["ES256", "ES384", "RS256", "PS256", "Ed25519", "EdDSA"];

describe("RFC 8414 Authorization Server Metadata", () => {
  it("§3.2: the document, in every member", async () => {
    const scope = unique("notes:");
    await c.protect(`https://${unique()}.example/mcp`, { scopes: [scope] });
    const response = await c.call(ROOT);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(response.headers.get("cache-control")).toBe("public, max-age=300");
    // Other files of this worker register resources, too; RFC 9396 §10 is proven with its own.
    const { scopes_supported, authorization_details_types_supported: _, ...document } = await response.json();
    expect(scopes_supported).toEqual(
      expect.arrayContaining([
        ...["account:read", "mcp:tools", scope],
        ...["openid", "profile", "email", "offline_access"],
      ]),
    );
    expect(new Set(scopes_supported).size).toBe(scopes_supported.length);
    // What the published keys are for: other files of this worker may have made some of another algorithm.
    const { keys } = await (await c.call("/.well-known/jwks.json")).json();
    const signing = [...new Set(["ES256", ...keys.map(({ alg }: { alg: string }) => alg)])];
    expect(document).toEqual({
      issuer: ISSUER,
      authorization_endpoint: `${ISSUER}/authorize`,
      token_endpoint: `${ISSUER}/token`,
      jwks_uri: `${ISSUER}/.well-known/jwks.json`,
      registration_endpoint: `${ISSUER}/register`,
      revocation_endpoint: `${ISSUER}/revoke`,
      introspection_endpoint: `${ISSUER}/introspect`,
      device_authorization_endpoint: `${ISSUER}/device/authorize`,
      pushed_authorization_request_endpoint: `${ISSUER}/par`,
      require_pushed_authorization_requests: false,
      response_types_supported: ["code"],
      response_modes_supported: ["query"],
      grant_types_supported: [
        "authorization_code",
        "refresh_token",
        "client_credentials",
        "urn:ietf:params:oauth:grant-type:device_code",
        "urn:ietf:params:oauth:grant-type:token-exchange",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "urn:openid:params:grant-type:ciba",
        "urn:ietf:params:oauth:grant-type:deferred",
      ],
      authorization_grant_profiles_supported: ["urn:ietf:params:oauth:grant-profile:id-jag"],
      code_challenge_methods_supported: ["S256"],
      token_endpoint_auth_methods_supported: ["none", ...PROVING],
      token_endpoint_auth_signing_alg_values_supported: ALGORITHMS,
      revocation_endpoint_auth_methods_supported: ["none", ...PROVING],
      revocation_endpoint_auth_signing_alg_values_supported: ALGORITHMS,
      introspection_endpoint_auth_methods_supported: PROVING,
      introspection_endpoint_auth_signing_alg_values_supported: ALGORITHMS,
      challenge_endpoint: `${ISSUER}/challenge`,
      client_attestation_signing_alg_values_supported: ALGORITHMS,
      client_attestation_pop_signing_alg_values_supported: ALGORITHMS,
      dpop_signing_alg_values_supported: ["ES256", "ES384", "RS256", "PS256", "Ed25519", "EdDSA"],
      backchannel_authentication_endpoint: "https://auth.example.com/bc-authorize",
      backchannel_token_delivery_modes_supported: ["poll", "ping"],
      backchannel_user_code_parameter_supported: false,
      deferred_token_response_supported: true,
      authorization_response_iss_parameter_supported: true,
      client_id_metadata_document_supported: true,
      resource_indicators_supported: true,
      request_uri_parameter_supported: false,
      userinfo_endpoint: `${ISSUER}/userinfo`,
      subject_types_supported: ["public"],
      id_token_signing_alg_values_supported: signing,
      introspection_signing_alg_values_supported: signing,
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

  /** Where clients look, with or without the path of a resource (client quirk Q1). */
  const places = [
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server/mcp",
    "/.well-known/openid-configuration/mcp",
    "/.well-known/oauth-authorization-server/some/deep/path",
    "/.well-known/openid-configuration/some/deep/path",
    "/mcp/.well-known/openid-configuration",
    "/mcp/.well-known/oauth-authorization-server",
  ];
  it.each(places)("§3.1: %s answers the same bytes (client quirk Q1)", async (place) => {
    const response = await c.call(place);
    expect(response.status).toBe(200);
    expect(await response.text()).toBe(await (await c.call(ROOT)).text());
  });

  it("§3.3: the issuer comes from the settings, whatever the Host header says (client quirk Q5)", async () => {
    const headers = { host: "evil.example", "x-forwarded-host": "evil.example", "x-forwarded-proto": "http" };
    expect(await (await c.call(ROOT, { headers })).text()).toBe(await (await c.call(ROOT)).text());
  });

  it("§3.2: members with zero elements are left out, and none is null", async () => {
    for (const value of Object.values(await (await c.call(ROOT)).json())) {
      expect(value).not.toEqual([]);
      expect(value).not.toBe(null);
    }
  });

  it("client quirk Q20: both signs that make clients use metadata documents are there", async () => {
    const document = await (await c.call(ROOT)).json();
    expect(document.client_id_metadata_document_supported).toBe(true);
    expect(document.token_endpoint_auth_methods_supported).toContain("none");
  });

  it("client quirk Q6: endpoints are at the root of the issuer, and answer there", async () => {
    const document = await (await c.call(ROOT)).json();
    for (const name of ["token", "registration", "revocation", "introspection"]) {
      const { pathname, origin } = new URL(document[`${name}_endpoint`]);
      expect(origin).toBe(ISSUER);
      expect(pathname.split("/").length).toBe(2);
      expect((await c.call(pathname, { method: "PUT" })).status).toBe(405);
    }
  });

  it("§3: HEAD is GET without the body, and POST is refused", async () => {
    const head = await c.call(ROOT, { method: "HEAD" });
    expect([head.status, await head.text(), head.headers.get("content-type")]).toEqual([
      200,
      "",
      "application/json",
    ]);
    const post = await c.call(ROOT, { method: "POST" });
    expect([post.status, post.headers.get("allow")]).toEqual([405, "GET, HEAD, OPTIONS"]);
  });

  it("the key set holds public keys only, each with its id and algorithm (RFC 7517 §5)", async () => {
    const { keys } = await (await c.call("/.well-known/jwks.json")).json();
    expect(keys.length).toBeGreaterThan(0);
    for (const key of keys) {
      expect(Object.keys(key).sort()).toEqual(["alg", "crv", "kid", "kty", "use", "x", "y"]);
      expect([key.alg, key.use]).toEqual(["ES256", "sig"]);
    }
  });
});
