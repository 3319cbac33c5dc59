import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { accessTokenHash, idTokenClaims, readIdTokenClaims } from "./id-token";

const now = new Date("2026-11-28T12:00:00.700Z");
const token = {
  issuer: "https://as.ex",
  subject: "user:ada",
  clientId: "app_1",
  issuedAt: now,
  ttl: 3600,
  authTime: new Date("2026-11-28T11:59:00Z"),
  amr: ["pwd"],
  nonce: undefined,
  accessToken: "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y",
  familyId: "019ae0a8-0000-7000-8000-000000000001",
  person: {},
};
const claims = (change: Record<string, unknown> = {}) => ({ ...idTokenClaims(token, "ES256"), ...change });
const read = (payload: unknown, at = now) =>
  readIdTokenClaims(payload, { issuer: "https://as.ex", clientId: "app_1", now: at });

describe("at_hash (OIDC Core §3.1.3.6)", () => {
  // The access token and its hash of the example in OIDC Core §A.3.
  it.each(["ES256", "RS256", "PS256"] as const)("§A.3: with %s it is half a SHA-256", (alg) => {
    expect(accessTokenHash(token.accessToken, alg)).toBe("77QmUPtjPfzWtF2AnpK9RQ");
  });

  it.each(["Ed25519", "EdDSA"] as const)("with %s it is half a SHA-512", (alg) => {
    const half = createHash("sha512").update(token.accessToken).digest().subarray(0, 32);
    expect(accessTokenHash(token.accessToken, alg)).toBe(half.toString("base64url"));
  });
});

describe("an ID token of ours, read again", () => {
  it("has what it was signed with, in whole seconds", () => {
    expect(read(claims())).toEqual({
      iss: "https://as.ex",
      sub: "user:ada",
      aud: "app_1",
      iat: 1_795_867_200,
      exp: 1_795_870_800,
      auth_time: 1_795_867_140,
      amr: ["pwd"],
      family: token.familyId,
    });
  });

  it.each([
    ["of another issuer", { iss: "https://other.ex" }],
    ["of another client", { aud: "app_2" }],
    ["of two audiences", { aud: ["app_1", "app_2"] }],
    ["of one audience in a list", { aud: ["app_1"] }],
    ["of a client", { sub: "client:app_1" }],
    ["without family: another kind of JWT", { family: undefined }],
    ["without exp", { exp: undefined }],
    ["that ends as text", { exp: "1795870800" }],
  ])("is refused %s", (_what, change) => {
    expect(() => read(claims(change))).toThrow(expect.objectContaining({ code: "invalid_request" }));
  });

  it("ends with the second it says", () => {
    const at = (seconds: number) => new Date(1_795_870_800_000 + seconds * 1000);
    expect(read(claims(), at(-0.001)).sub).toBe("user:ada");
    expect(() => read(claims(), at(0))).toThrow(expect.objectContaining({ code: "invalid_request" }));
  });

  it("is refused where it is no object", () => {
    expect(() => read(null)).toThrow(expect.objectContaining({ code: "invalid_request" }));
  });
});
