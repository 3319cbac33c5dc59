import { generateKeyPairSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import { faultOfKeys, JwksUri, proofMembers } from "./client-proof-metadata";

const ec = generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey.export({ format: "jwk" });
const jwk = { ...ec, kty: "EC" };
const encrypts = { kty: "RSA", use: "enc", n: "AAAA", e: "AQAB" };

describe("faultOfKeys (RFC 7591 §2)", () => {
  it.each<[string, Parameters<typeof faultOfKeys>[0], string]>([
    ["a key", { jwks: { keys: [jwk] } }, "private_key_jwt"],
    ["a key beside one that encrypts", { jwks: { keys: [encrypts, jwk] } }, "private_key_jwt"],
    ["an address", { jwks_uri: "https://app.example/jwks" }, "private_key_jwt"],
    ["a loopback address, for local mode", { jwks_uri: "http://127.0.0.1:3000/jwks" }, "private_key_jwt"],
    ["nothing, where no method needs keys", {}, "client_secret_basic"],
    ["null for nothing", { jwks: null, jwks_uri: null }, "none"],
    ["an empty set, where no method needs keys", { jwks: { keys: [] } }, "none"],
  ])("has none with %s", (_what, keys, method) => {
    expect(faultOfKeys(keys, method)).toBe(undefined);
  });

  it.each<[string, Parameters<typeof faultOfKeys>[0], string, RegExp]>([
    [
      "both",
      { jwks: { keys: [] }, jwks_uri: "https://app.example/jwks" },
      "jwks_uri",
      /^Send jwks or jwks_uri/,
    ],
    ["a private key", { jwks: { keys: [jwk, { ...jwk, d: "A" }] } }, "jwks", /^Remove the private keys/],
    ["a secret", { jwks: { keys: [{ kty: "oct", k: "A" }] } }, "jwks", /^Remove the private keys/],
    [
      "a point off the curve",
      { jwks: { keys: [{ ...jwk, x: "AAAA" }] } },
      "jwks",
      /^Send in jwks public keys/,
    ],
    ["a key of nobody's", { jwks: { keys: [{ kty: "x" }] } }, "jwks", /^Send in jwks public keys/],
    ["only a key that encrypts", { jwks: { keys: [encrypts] } }, "jwks", /needs one$/],
    ["an empty set", { jwks: { keys: [] } }, "jwks", /needs one$/],
    ["nothing", {}, "jwks", /needs one$/],
    ["http", { jwks_uri: "http://app.example/jwks" }, "jwks_uri", /https URL$/],
    [
      "a host that begins like loopback",
      { jwks_uri: "http://127.0.0.1.evil.example/" },
      "jwks_uri",
      /https URL$/,
    ],
    ["a password", { jwks_uri: "https://a:b@app.example/" }, "jwks_uri", /https URL$/],
  ])("for private_key_jwt is told of %s", (_what, keys, member, description) => {
    expect(faultOfKeys(keys, "private_key_jwt")).toEqual({
      member,
      description: expect.stringMatching(description),
    });
  });
});

it.each([
  "https://app.example/a b",
  "https://app.example/\0",
  "https://é.example/",
  "ftp://app.example/",
  "",
])("JwksUri refuses %j", (uri) => {
  expect(JwksUri.safeParse(uri).success).toBe(false);
});

it("proofMembers tell what is registered, and nothing of what is not", () => {
  const nothing = {
    ...{ jwks: null, jwksUri: null, assertionAlg: null, spiffeId: null, authorizationDetailsTypes: null },
    ...{ dpopBoundAccessTokens: false, requirePushedAuthorizationRequests: false },
  };
  expect(proofMembers(nothing)).toEqual({});
  expect(
    proofMembers({ ...nothing, jwksUri: "https://app.example/jwks", dpopBoundAccessTokens: true }),
  ).toEqual({ jwks_uri: "https://app.example/jwks", dpop_bound_access_tokens: true });
});
