import { generateKeyPairSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import { checkClientAssertion, readClientAssertion } from "./client-assertion";
import { signJws } from "./jws";

const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const now = new Date("2026-11-01T12:00:00Z");
const at = now.getTime() / 1000;
const issuer = "https://as.example";
const own = { iss: "app_1", sub: "app_1", aud: issuer, exp: at + 60, iat: at, jti: "1" };

const sign = (claims: object, header: Record<string, unknown> = {}) =>
  signJws({ kid: "k1", ...header }, JSON.stringify(claims), { alg: "ES256", key: privateKey });
const refused = (reason: string) =>
  expect.objectContaining({ code: "invalid_client", options: expect.objectContaining({ reason }) });

describe("readClientAssertion (RFC 7523 §3)", () => {
  it("takes an assertion apart, and believes nothing of it", () => {
    const { alg, kid, claims } = readClientAssertion(sign(own));
    expect({ alg, kid, claims }).toEqual({ alg: "ES256", kid: "k1", claims: own });
  });

  it.each([undefined, "JWT", "jwt", "client-authentication+jwt"])("takes the typ %j", (typ) => {
    expect(readClientAssertion(sign(own, { typ })).claims.sub).toBe("app_1");
  });

  it("leaves out claims that are not about the client", () => {
    expect(readClientAssertion(sign({ ...own, scope: "admin:all" })).claims).toEqual(own);
  });

  it.each<[object, string]>([
    [{ typ: "at+jwt" }, "typ is another"],
    [{ typ: null }, "typ is another"],
    [{ alg: "HS256" }, "the algorithm is not one of ours"],
    [{ alg: "none" }, "the algorithm is not one of ours"],
    [{ alg: "ES256K" }, "the algorithm is not one of ours"],
    [{ jwk: {} }, "the header has jwk"],
    [{ jku: "https://evil.example" }, "the header has jku"],
    [{ x5c: [] }, "the header has x5c"],
    [{ x5u: "https://evil.example" }, "the header has x5u"],
    [{ crit: ["exp"] }, "the header has crit"],
    [{ kid: 7 }, "kid is no text, or too long"],
    [{ kid: null }, "kid is no text, or too long"],
    [{ kid: "k".repeat(1025) }, "kid is no text, or too long"],
  ])("refuses the header %o", (header, reason) => {
    expect(() => readClientAssertion(sign(own, { ...header }))).toThrow(refused(reason));
  });

  it.each<[claims: object, member: string]>([
    [{ iss: undefined }, "iss"],
    [{ iss: 7 }, "iss"],
    [{ sub: undefined }, "sub"],
    [{ sub: "" }, "sub"],
    [{ sub: "s".repeat(2049) }, "sub"],
    [{ aud: undefined }, "aud"],
    [{ aud: [7] }, "aud"],
    [{ exp: undefined }, "exp"],
    [{ exp: "1" }, "exp"],
    [{ exp: -1 }, "exp"],
    [{ exp: 1e15 }, "exp"],
    [{ iat: "1" }, "iat"],
    [{ nbf: "1" }, "nbf"],
    [{ jti: undefined }, "jti"],
    [{ jti: "" }, "jti"],
    [{ jti: "j".repeat(1025) }, "jti"],
  ])("refuses claims without one that is needed, or with one that is none: %o", (claims, member) => {
    const token = sign({ ...own, ...claims });
    expect(() => readClientAssertion(token)).toThrow(refused(`${member} is missing or malformed`));
  });

  it.each(["", "x", "a.b", "a.b.c.d", `${sign(own)}.`, ` ${sign(own)}`, `${sign(own)}=`])(
    "refuses what is no compact JWS: %o",
    (token) => {
      expect(() => readClientAssertion(token)).toThrow(expect.objectContaining({ code: "invalid_client" }));
    },
  );
});

describe("checkClientAssertion", () => {
  const check = (claims: object, audiences: readonly string[] = [issuer]) =>
    checkClientAssertion(readClientAssertion(sign({ ...own, ...claims })), {
      ...{ clientId: "app_1", audiences, now },
    });

  it.each<[string, object]>([
    ["as they are", {}],
    ["with aud as a list of one", { aud: [issuer] }],
    ["that end in a second", { exp: at + 1 }],
    ["that end in ten minutes, by a clock ten seconds ahead", { exp: at + 610 }],
    ["of a clock ten seconds ahead", { iat: at + 10, nbf: at + 10 }],
    ["without iat and nbf", { iat: undefined }],
  ])("lets claims pass %s", (_what, claims) => {
    expect(check(claims)).toBe(undefined);
  });

  it.each<[object, string]>([
    [{ iss: "app_2" }, "iss or sub is another client"],
    [{ sub: "app_2" }, "iss or sub is another client"],
    [{ iss: "app_2", sub: "app_2" }, "iss or sub is another client"],
    [{ aud: `${issuer}/` }, "aud is another, or several"],
    [{ aud: `${issuer}/token` }, "aud is another, or several"],
    [{ aud: [issuer, issuer] }, "aud is another, or several"],
    [{ aud: [] }, "aud is another, or several"],
    [{ exp: at }, "expired"],
    [{ exp: at + 611 }, "exp is too far ahead"],
    [{ iat: at + 11 }, "iat or nbf is in the future"],
    [{ nbf: at + 11 }, "iat or nbf is in the future"],
  ])("refuses %j", (claims, reason) => {
    expect(() => check(claims)).toThrow(refused(reason));
  });

  it("several audiences are several names of ours, and an assertion has one of them", () => {
    const both = [issuer, `${issuer}/token`];
    expect(check({ aud: `${issuer}/token` }, both)).toBe(undefined);
    expect(() => check({ aud: both }, both)).toThrow(refused("aud is another, or several"));
  });
});
