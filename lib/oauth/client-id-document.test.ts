import { generateKeyPairSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import { isDocumentClientId, parseClientDocument, parseDocumentClientId } from "./client-id-document";

it.each([
  ["https://a.ex/client.json", true],
  ["http://localhost:3000/client.json", true],
  ["HTTPS://a.ex/x", true],
  ["dyn_1", false],
  ["agnt_https://a.ex", false],
  ["cursor://a/b", false],
])("isDocumentClientId(%s) is %s", (clientId, expected) => {
  expect(isDocumentClientId(clientId)).toBe(expected);
});

describe("parseDocumentClientId", () => {
  it.each([
    "https://claude.ai/oauth/claude-code-client-metadata",
    "https://chatgpt.com/oauth/client.json",
    "https://chatgpt.com/oauth/AbC/client.json",
    "https://vscode.dev/oauth/client-metadata.json",
    "https://a.ex:8443/c?v=1",
  ])("takes %s", (clientId) => {
    expect(parseDocumentClientId(clientId, { allowLoopback: false }).href).toBe(clientId);
  });

  it.each(["http://localhost:3000/client.json", "http://127.0.0.1/c", "http://[::1]:1/c"])(
    "takes %s in local mode only",
    (clientId) => {
      expect(parseDocumentClientId(clientId, { allowLoopback: true }).href).toBe(clientId);
      expect(() => parseDocumentClientId(clientId, { allowLoopback: false })).toThrow(
        "Use as client_id a URL that begins with https",
      );
    },
  );

  const form = "Use as client_id an https URL in its normal form";
  it.each([
    ["http://a.ex/c", "Use as client_id a URL that begins with https"],
    ["http://127.0.0.1.evil.ex/c", "Use as client_id a URL that begins with https"],
    ["https://a.ex/", "Use as client_id a URL with a path"],
    ["https://a.ex/c#f", "Use as client_id a URL without a fragment"],
    ["https://a.ex/c#", "Use as client_id a URL without a fragment"],
    ["https://u@a.ex/c", "Use as client_id a URL without a user name or password"],
    ["https://u:p@a.ex/c", "Use as client_id a URL without a user name or password"],
    ["https://a.ex/a%2f..%2fc", "Use as client_id a URL without . and .. segments"],
    ["https://a.ex", form],
    ["https://a.ex/./c", form],
    ["https://a.ex/a/../c", form],
    ["https://a.ex/%2e%2E/c", form],
    ["https://a.ex:443/c", form],
    ["HTTPS://a.ex/c", form],
    ["https://A.ex/c", form],
    ["https:/a.ex/c", form],
    ["https:a.ex/c", form],
    ["https://2130706433/c", form],
    ["https://a.ex\\c", form],
    ["https://a.ex/c d", form],
    ["https://a.ex/c\n", form],
    ["https://é.ex/c", form],
    [`https://a.ex/${"c".repeat(2048)}`, form],
  ])("security 147: refuses %j", (clientId, description) => {
    expect(() => parseDocumentClientId(clientId, { allowLoopback: true })).toThrow(
      expect.objectContaining({ code: "invalid_client", description }),
    );
  });
});

describe("parseClientDocument", () => {
  const clientId = "https://a.ex/client.json";
  const document = { client_id: clientId, client_name: "App", redirect_uris: ["https://a.ex/cb"] };

  it("Q18: reads Claude Code's document", () => {
    const id = "https://claude.ai/oauth/claude-code-client-metadata";
    const redirect_uris = ["http://localhost/callback", "http://127.0.0.1/callback"];
    const json = {
      client_id: id,
      client_name: "Claude Code",
      client_uri: "https://claude.ai",
      redirect_uris,
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
    };
    expect(parseClientDocument(id, json)).toEqual({
      name: "Claude Code",
      redirectUris: redirect_uris,
      tokenEndpointAuthMethod: "none",
      grantTypes: ["authorization_code", "refresh_token"],
      responseTypes: ["code"],
      scope: undefined,
      applicationType: "native",
      display: { client_uri: "https://claude.ai" },
    });
  });

  it("Q19: holds ChatGPT to private_key_jwt, which its document prefers to none", () => {
    const id = "https://chatgpt.com/oauth/client.json";
    const json = {
      client_id: id,
      client_name: "ChatGPT",
      redirect_uris: ["https://chatgpt.com/connector_platform_oauth_redirect"],
      token_endpoint_auth_method: "private_key_jwt",
      token_endpoint_auth_methods_supported: ["none", "private_key_jwt"],
      token_endpoint_auth_signing_alg: "RS256",
      jwks_uri: "https://chatgpt.com/oauth/jwks.json",
    };
    expect(parseClientDocument(id, json)).toMatchObject({
      tokenEndpointAuthMethod: "private_key_jwt",
      assertionAlg: "RS256",
      jwksUri: "https://chatgpt.com/oauth/jwks.json",
    });
  });

  it("Q21: VS Code's device grant is left out, and client_credentials never granted", () => {
    const grant_types = [
      "authorization_code",
      "urn:ietf:params:oauth:grant-type:device_code",
      "client_credentials",
    ];
    expect(parseClientDocument(clientId, { ...document, grant_types }).grantTypes).toEqual([
      "authorization_code",
      "refresh_token",
    ]);
  });

  it("takes a document that names no method", () => {
    expect(parseClientDocument(clientId, document).tokenEndpointAuthMethod).toBe("none");
  });

  it("takes public keys", () => {
    const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const jwks = { keys: [publicKey.export({ format: "jwk" })] };
    expect(parseClientDocument(clientId, { ...document, jwks }).name).toBe("App");
  });

  const self = "Serve a client metadata document whose client_id is the URL it is served from";
  const jwt =
    "List private_key_jwt with jwks_uri, or none, in token_endpoint_auth_methods_supported of the client metadata document";
  const secret = "Remove client_secret from the client metadata document: anybody can read it";
  const shared =
    "Change token_endpoint_auth_method of the client metadata document to none or private_key_jwt: there is no secret";
  const keys = "Remove the private keys from jwks in the client metadata document, and replace them";
  it.each([
    [{ client_id: "https://A.ex/client.json" }, self],
    [{ client_id: "https://a.ex/client.json/" }, self],
    [{ client_id: "https://a.ex:443/client.json" }, self],
    [{ client_id: "https://a.ex/client.json?x" }, self],
    [{ client_id: undefined }, "Correct client_id of the client metadata document"],
    [{ client_name: undefined }, "Correct client_name of the client metadata document"],
    [{ client_name: "  " }, "Correct client_name of the client metadata document"],
    [{ redirect_uris: undefined }, "Correct redirect_uris of the client metadata document"],
    [{ redirect_uris: [] }, "Correct redirect_uris of the client metadata document"],
    [{ client_name: "a\u202eb" }, "Correct client_name: control and invisible characters"],
    [
      { redirect_uris: ["http://a.ex/cb"] },
      "Register https redirect URIs: http is for localhost, 127.0.0.1 and [::1] only",
    ],
    [{ client_secret: "s" }, secret],
    [{ client_secret_expires_at: 0 }, secret],
    [{ token_endpoint_auth_method: "client_secret_basic" }, shared],
    [{ token_endpoint_auth_method: "client_secret_post" }, shared],
    [{ token_endpoint_auth_method: "client_secret_jwt" }, shared],
    [{ token_endpoint_auth_method: "private_key_jwt" }, jwt],
    [{ token_endpoint_auth_methods_supported: ["private_key_jwt"] }, jwt],
    [{ jwks: { keys: [{ kty: "EC", d: "x" }] } }, keys],
    [{ jwks: { keys: [{ kty: "oct", k: "x" }] } }, keys],
    [{ jwks: [] }, "Correct jwks of the client metadata document"],
  ])("refuses %j", (members, description) => {
    expect(() => parseClientDocument(clientId, { ...document, ...members })).toThrow(
      expect.objectContaining({ code: "invalid_client", description }),
    );
  });

  it.each([null, [], "html", 7])("refuses %j", (json) => {
    expect(() => parseClientDocument(clientId, json)).toThrow(
      "Correct the body of the client metadata document",
    );
  });
});
