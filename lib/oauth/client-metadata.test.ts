import { describe, expect, it } from "vitest";
import { parseClientMetadata, registrationResponse } from "./client-metadata";

const constrained = {
  grantTypes: ["authorization_code", "refresh_token"],
  authMethods: ["none", "client_secret_basic", "client_secret_post"],
};
const local = { ...constrained, grantTypes: [...constrained.grantTypes, "client_credentials"] };
const redirect_uris = ["https://a.ex/cb"];
const parse = (json: unknown) => parseClientMetadata(json, constrained);
const refused = (code: string, description: string) => expect.objectContaining({ code, description });

describe("parseClientMetadata (RFC 7591 §2)", () => {
  it("fills in the defaults", () => {
    expect(parse({ redirect_uris })).toEqual({
      name: "Unnamed app",
      redirectUris: redirect_uris,
      tokenEndpointAuthMethod: "client_secret_basic",
      grantTypes: ["authorization_code", "refresh_token"],
      responseTypes: ["code"],
      scope: undefined,
      applicationType: "web",
      display: {},
    });
  });

  it("Q10: takes Cursor with its three kinds of redirect URI", () => {
    const uris = [
      "cursor://anysphere.cursor-mcp/oauth/callback",
      "https://www.cursor.com/agents/mcp/oauth/callback",
      "http://localhost:8787/callback",
    ];
    const cursor = {
      client_name: "Cursor",
      redirect_uris: uris,
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
      application_type: "web",
    };
    expect(parse(cursor)).toEqual({
      name: "Cursor",
      redirectUris: uris,
      tokenEndpointAuthMethod: "none",
      grantTypes: ["authorization_code", "refresh_token"],
      responseTypes: ["code"],
      scope: undefined,
      applicationType: "native",
      display: {},
    });
  });

  it("takes null for absent", () => {
    const nulls = {
      client_name: null,
      scope: null,
      grant_types: null,
      contacts: null,
      logo_uri: null,
      jwks: null,
    };
    expect(parse({ redirect_uris, ...nulls })).toEqual(parse({ redirect_uris }));
  });

  it.each([
    [undefined, redirect_uris, "web"],
    ["native", redirect_uris, "native"],
    ["web", ["http://127.0.0.1:1/cb"], "native"],
    [7, redirect_uris, "web"],
  ])("Q11: application_type %j with %j is %s", (application_type, uris, applicationType) => {
    expect(parse({ redirect_uris: uris, application_type }).applicationType).toBe(applicationType);
  });

  it.each([
    [["authorization_code"], ["authorization_code", "refresh_token"]],
    [
      ["refresh_token", "authorization_code"],
      ["refresh_token", "authorization_code"],
    ],
    [
      ["authorization_code", "urn:ietf:params:oauth:grant-type:device_code", "implicit"],
      ["authorization_code", "refresh_token"],
    ],
    [
      ["authorization_code", "client_credentials"],
      ["authorization_code", "refresh_token"],
    ],
  ])("Q21: of grant types %j registers %j", (grant_types, grantTypes) => {
    expect(parse({ redirect_uris, grant_types }).grantTypes).toEqual(grantTypes);
  });

  it("registers a service where client_credentials is offered and nothing else is asked", () => {
    expect(parseClientMetadata({ client_name: "Nightly" }, local)).toMatchObject({
      grantTypes: ["client_credentials"],
      responseTypes: [],
      redirectUris: [],
      tokenEndpointAuthMethod: "client_secret_basic",
    });
  });

  it("keeps RFC 7591's defaults beside redirect URIs, also where client_credentials is offered", () => {
    expect(parseClientMetadata({ redirect_uris }, local).grantTypes).toEqual([
      "authorization_code",
      "refresh_token",
    ]);
  });

  it.each([
    ["b a b", ["b", "a"]],
    ["", undefined],
    [undefined, undefined],
  ])("Q12: reads scope %j as %j", (scope, expected) => {
    expect(parse({ redirect_uris, scope }).scope).toEqual(expected);
  });

  it("keeps what people may read, and only https addresses of it", () => {
    const display = {
      client_uri: "https://a.ex",
      software_id: "4NRB1",
      software_version: "2.1",
      contacts: ["ada@a.ex"],
    };
    const dropped = { logo_uri: "http://a.ex/l.png", tos_uri: "javascript:alert(1)", policy_uri: 7 };
    expect(parse({ redirect_uris, ...display, ...dropped }).display).toEqual(display);
  });

  it("security 139: ignores what a client may not choose", () => {
    const hostile = JSON.parse(
      '{"redirect_uris":["https://a.ex/cb"],"__proto__":{"trusted":true},"constructor":{"prototype":{"trusted":true}},"client_id":"agnt_1","client_secret":"mine","trusted":true}',
    );
    expect(parse(hostile)).toEqual(parse({ redirect_uris }));
    expect(Reflect.get({}, "trusted")).toBeUndefined();
  });

  it.each([
    [
      { redirect_uris: ["javascript:alert(1)"] },
      "Register a redirect URI that leads to your app: https, loopback http, or its own scheme",
    ],
    [
      { redirect_uris: "https://a.ex/cb" },
      "Correct redirect_uris: Invalid input: expected array, received string",
    ],
    [{ redirect_uris: [7] }, "Correct redirect_uris.0: Invalid input: expected string, received number"],
    [
      { redirect_uris: Array.from({ length: 2000 }, (_, i) => `https://a.ex/${i}`) },
      "Correct redirect_uris: Too big: expected array to have <=50 items",
    ],
    [{}, "Send redirect_uris: authorization_code needs at least one"],
    [{ redirect_uris: [] }, "Send redirect_uris: authorization_code needs at least one"],
  ])("security 138: refuses the redirect URIs of %j", (json, description) => {
    expect(() => parse(json)).toThrow(refused("invalid_redirect_uri", description));
  });

  const methods = "Send token_endpoint_auth_method as one of: none, client_secret_basic, client_secret_post";
  const grants = "Send grant_types with at least one of: authorization_code, refresh_token";
  it.each([
    [{ token_endpoint_auth_method: "private_key_jwt" }, methods],
    [{ token_endpoint_auth_method: "" }, methods],
    [{ grant_types: ["client_credentials"] }, grants],
    [{ grant_types: ["urn:ietf:params:oauth:grant-type:token-exchange"] }, grants],
    [{ grant_types: [] }, grants],
    [
      { grant_types: ["refresh_token"] },
      "Send grant_types with authorization_code: refresh_token alone never gets a token",
    ],
    [{ response_types: ["token"] }, "Send response_types with code: authorization_code needs it"],
    [{ response_types: [] }, "Send response_types with code: authorization_code needs it"],
    [{ client_name: "a\u202eb" }, "Correct client_name: control and invisible characters"],
    [{ client_name: "a\nb" }, "Correct client_name: control and invisible characters"],
    [
      { client_name: "x".repeat(5000) },
      "Correct client_name: Too big: expected string to have <=200 characters",
    ],
    [{ client_name: 7 }, "Correct client_name: Invalid input: expected string, received number"],
    [{ software_id: "a\u0000" }, "Correct software_id: control and invisible characters"],
    [{ scope: "a  b" }, "Send scope as names separated by single spaces"],
    [{ jwks: { keys: [] }, jwks_uri: "https://a.ex/jwks" }, "Send jwks or jwks_uri, not both"],
  ])("refuses %j", (members, description) => {
    expect(() => parse({ redirect_uris, ...members })).toThrow(
      refused("invalid_client_metadata", description),
    );
  });

  it.each([null, [], "x", 7])("refuses %j for a body", (json) => {
    expect(() => parse(json)).toThrow(
      expect.objectContaining({
        code: "invalid_client_metadata",
        description: expect.stringMatching(/^Correct the body: Invalid input: expected object, received /),
      }),
    );
  });

  it("RFC 6749 §4.4: refuses client_credentials without a secret", () => {
    const json = { redirect_uris, token_endpoint_auth_method: "none", grant_types: ["client_credentials"] };
    expect(() => parseClientMetadata(json, local)).toThrow(
      refused(
        "invalid_client_metadata",
        "Send token_endpoint_auth_method=client_secret_basic: client_credentials needs a secret",
      ),
    );
  });
});

describe("registrationResponse (RFC 7591 §3.2.1)", () => {
  const issuedAt = new Date("2026-11-01T12:00:00.900Z");
  const management = { uri: "https://as.ex/register/dyn_1", accessToken: "reg_1" };

  it("echoes every registered value, and the secret with its end", () => {
    const metadata = parse({
      redirect_uris,
      scope: "a b",
      client_name: "App",
      logo_uri: "https://a.ex/l.png",
    });
    const registered = { clientId: "dyn_1", clientSecret: "sec_1", issuedAt, metadata, management };
    expect(registrationResponse(registered)).toEqual({
      client_id: "dyn_1",
      client_id_issued_at: 1_793_534_400,
      client_secret: "sec_1",
      client_secret_expires_at: 0,
      registration_access_token: "reg_1",
      registration_client_uri: "https://as.ex/register/dyn_1",
      client_name: "App",
      redirect_uris,
      token_endpoint_auth_method: "client_secret_basic",
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      scope: "a b",
      application_type: "web",
      logo_uri: "https://a.ex/l.png",
    });
  });

  it("Q13: gives a public client no secret", () => {
    const metadata = parse({ redirect_uris, token_endpoint_auth_method: "none" });
    expect(registrationResponse({ clientId: "dyn_1", issuedAt, metadata, management })).toEqual({
      client_id: "dyn_1",
      client_id_issued_at: 1_793_534_400,
      registration_access_token: "reg_1",
      registration_client_uri: "https://as.ex/register/dyn_1",
      client_name: "Unnamed app",
      redirect_uris,
      token_endpoint_auth_method: "none",
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      application_type: "web",
    });
  });
});
