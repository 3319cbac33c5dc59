import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { accessTokenClaims } from "./access-token";
import { RESERVED_CLAIMS, withoutReserved } from "./reserved-claims";

/** `levels` objects inside one another. */
const nested = (levels: number): unknown => (levels === 0 ? 1 : { in: nested(levels - 1) });

describe("claims that others may add", () => {
  it.each([
    ["roles", ["admin"]],
    ["groups", ["staff"]],
    ["entitlements", ["reports"]],
    ["tenant", "acme"],
    ["https://acme.example/plan", { name: "gold", seats: 3, trial: false, until: null }],
    ["", "a name may be empty"],
    ["exp_hint", "a reserved name is reserved as a whole"],
  ])("%s is kept (RFC 9068 §2.2.3)", (name, value) => {
    expect(withoutReserved({ [name]: value })).toEqual({ kept: { [name]: value }, dropped: [] });
  });

  it("are kept beside others that are not", () => {
    expect(withoutReserved({ tenant: "acme", act: { sub: "user:1" }, plan: "gold" })).toEqual({
      kept: { tenant: "acme", plan: "gold" },
      dropped: ["act"],
    });
  });
});

describe("claims that others may not add", () => {
  it.each([
    ...["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "client_id", "scope", "scopes"],
    ...["act", "may_act", "cnf", "human_root", "rcpt", "chained_from", "idp_iss", "idp_sub"],
    ...["auth_time", "acr", "amr", "azp", "nonce", "sid", "authorization_details"],
    ...["txn", "tctx", "rctx", "req_wl", "events", "sub_id", "status", "vc", "active"],
  ])("%s is dropped", (name) => {
    expect(withoutReserved({ [name]: "forged" })).toEqual({ kept: {}, dropped: [name] });
  });

  it.each(["Act", "SCOPE", "may_Act", "Human_Root"])("%s is dropped in any case", (name) => {
    expect(withoutReserved({ [name]: "forged" })).toEqual({ kept: {}, dropped: [name] });
  });

  it("include every claim that this server gives an access token", () => {
    const at = new Date(0);
    const claims = accessTokenClaims({
      ...{ issuer: "i", subject: "user:1", audience: "a", clientId: "c", scope: ["s"], jti: "j" },
      ...{ issuedAt: at, expiresAt: at, authTime: at, amr: ["pwd"] },
      ...{ act: { sub: "client:c" }, mayAct: ["client:d"], receipt: "r", chainedFrom: "f" },
    });
    expect(withoutReserved(claims)).toEqual({ kept: {}, dropped: Object.keys(claims) });
  });

  it("are those that docs/providers.md lists", () => {
    const page = readFileSync(new URL("../../docs/providers.md", import.meta.url), "utf8");
    const list = page.split("how that is proven:")[1]?.split(";")[0] ?? "";
    expect([...list.matchAll(/`(\w+)`/g)].map(([, name]) => name)).toEqual([...RESERVED_CLAIMS]);
  });

  it("include __proto__ as an answer in JSON may spell it", () => {
    const { kept, dropped } = withoutReserved(JSON.parse('{"__proto__":{"admin":true}}'));
    expect([Object.keys(kept), dropped]).toEqual([[], ["__proto__"]]);
  });

  it.each<[string, Record<string, unknown>]>([
    ["a name with a NUL", { "ten\0ant": 1 }],
    ["a text with a NUL", { tenant: "acme\0" }],
    ["a NUL further inside", { tenant: { names: ["acme\0"] } }],
    ["a name with a NUL further inside", { tenant: { "na\0me": 1 } }],
    ["a name of 101 characters", { ["n".repeat(101)]: 1 }],
    ["a value of five levels", { tenant: nested(5) }],
    ["a value of thousands of levels", { tenant: JSON.parse("[".repeat(20_000) + "]".repeat(20_000)) }],
    ["no value at all", { tenant: undefined }],
  ])("include %s", (_, claims) => {
    const { kept, dropped } = withoutReserved(claims);
    expect([kept, dropped.length]).toEqual([{}, 1]);
  });

  it("begin where the limits end", () => {
    const claims = { ["n".repeat(100)]: 1, tenant: nested(4) };
    expect(withoutReserved(claims)).toEqual({ kept: claims, dropped: [] });
  });

  it("are told by at most 100 characters of their name", () => {
    expect(withoutReserved({ ["n".repeat(5000)]: 1 }).dropped).toEqual(["n".repeat(100)]);
  });
});

describe("2 KB in all", () => {
  const withJson = (bytes: number) => "x".repeat(bytes - JSON.stringify({ a: "" }).length);

  it("may be used to the last byte", () => {
    expect(withoutReserved({ a: withJson(2048) }).dropped).toEqual([]);
    expect(withoutReserved({ a: withJson(2049) }).dropped).toEqual(["a"]);
  });

  it("are counted in bytes, not in characters", () => {
    expect(withoutReserved({ a: "€".repeat(1000) }).dropped).toEqual(["a"]);
  });

  it("drop what does not fit and keep what does", () => {
    const claims = { a: withJson(1500), b: withJson(1500), c: "small" };
    expect(withoutReserved(claims)).toEqual({ kept: { a: claims.a, c: "small" }, dropped: ["b"] });
  });
});
