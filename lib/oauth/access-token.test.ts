import { describe, expect, it } from "vitest";
import { accessTokenClaims, checkAccessTokenTimes, parseAccessTokenClaims } from "./access-token";

const now = new Date("2026-11-01T12:00:00.900Z");
const seconds = 1_793_534_400;

const claims = {
  iss: "https://as.ex",
  sub: "user:01J",
  aud: "https://h.ex/mcp",
  client_id: "dyn_1",
  iat: seconds,
  exp: seconds + 900,
  jti: "019a0000-0000-7000-8000-000000000000",
  scope: "mcp:read mcp:write",
};

describe("accessTokenClaims (RFC 9068 §2.2)", () => {
  const token = {
    issuer: "https://as.ex",
    subject: "user:01J",
    audience: "https://h.ex/mcp",
    clientId: "dyn_1",
    scope: ["mcp:read", "mcp:write"],
    jti: claims.jti,
    issuedAt: now,
    expiresAt: new Date(now.getTime() + 900_000),
  };

  it("holds whole seconds, one audience and the scope as a string", () => {
    expect(accessTokenClaims(token)).toStrictEqual(claims);
  });

  it("tells when and how the person signed in, and who acts", () => {
    const act = { sub: "client:a", act: { sub: "client:b" } };
    expect(accessTokenClaims({ ...token, authTime: now, amr: ["pwd"], act })).toStrictEqual({
      ...claims,
      auth_time: seconds,
      amr: ["pwd"],
      acr: "urn:authgent:acr:sign-in",
      act,
      human_root: true,
    });
  });

  it("makes what parseAccessTokenClaims reads", () => {
    const made = accessTokenClaims({ ...token, scope: [] });
    expect(parseAccessTokenClaims(made)).toStrictEqual({ ...claims, scope: "" });
  });
});

describe("parseAccessTokenClaims", () => {
  it("reads every claim, and leaves out those it does not know", () => {
    const full = {
      ...claims,
      nbf: seconds,
      auth_time: seconds,
      amr: ["pwd"],
      acr: "urn:authgent:acr:sign-in",
      act: { sub: "a", act: { sub: "b" } },
    };
    expect(parseAccessTokenClaims({ ...full, admin: true })).toStrictEqual(full);
  });

  it.each(["iss", "sub", "aud", "client_id", "iat", "exp", "jti", "scope"])(
    "security 130: refuses it without %s",
    (name) => {
      expect(() => parseAccessTokenClaims({ ...claims, [name]: undefined })).toThrow(
        expect.objectContaining({
          code: "invalid_token",
          description: "Get a new access token from the authorization server",
          options: { reason: expect.stringMatching(new RegExp(`^${name}: `)) },
        }),
      );
    },
  );

  it.each([
    ["exp", `${seconds}`],
    ["exp", seconds + 0.5],
    ["exp", -1],
    ["exp", 0],
    ["exp", 1e15],
    ["exp", Number.POSITIVE_INFINITY],
    ["exp", Number.NaN],
    ["exp", null],
    ["iat", "now"],
    ["aud", ["https://h.ex/mcp"]],
    ["aud", ["https://h.ex/mcp", "https://evil.ex"]],
    ["aud", ""],
    ["sub", 7],
    ["jti", "1"],
    ["scope", ["mcp:read"]],
    ["scope", "a  b"],
    ["amr", "pwd"],
    ["act", { client_id: "a" }],
    ["act", { sub: "a", act: "b" }],
  ])("security 131, 132: refuses %s %j", (name, value) => {
    expect(() => parseAccessTokenClaims({ ...claims, [name]: value })).toThrow(
      expect.objectContaining({
        code: "invalid_token",
        options: { reason: expect.stringContaining(`${name}`) },
      }),
    );
  });

  it.each([null, undefined, "token", []])("refuses %j", (payload) => {
    expect(() => parseAccessTokenClaims(payload)).toThrow(expect.objectContaining({ code: "invalid_token" }));
  });
});

describe("checkAccessTokenTimes (RFC 7519 §4.1)", () => {
  it.each([{ exp: seconds + 1 }, { iat: seconds + 60 }, { nbf: seconds + 60 }])("takes %j at 0", (times) => {
    expect(checkAccessTokenTimes({ ...claims, ...times }, now)).toBeUndefined();
  });

  it.each([
    [{ exp: seconds }, "Get a new access token: this one has expired"],
    [{ exp: seconds - 1 }, "Get a new access token: this one has expired"],
    [{ iat: seconds + 61 }, "Get a new access token from the authorization server"],
    [{ nbf: seconds + 61 }, "Get a new access token from the authorization server"],
  ])("refuses %j", (times, description) => {
    expect(() => checkAccessTokenTimes({ ...claims, ...times }, now)).toThrow(
      expect.objectContaining({ code: "invalid_token", description }),
    );
  });
});
