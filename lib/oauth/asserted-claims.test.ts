import { describe, expect, it } from "vitest";
import { isOAuthError } from "@/lib/errors";
import { assertedActors, assertedResources, assertedSignIn, nestActors } from "./asserted-claims";

const CORP = "https://corp.example";
const actors = (act: unknown) => assertedActors({ act }, CORP, "invalid_grant");

/** The code and the reason of what is thrown. */
function refusalOf(act: () => unknown): unknown {
  try {
    return act();
  } catch (error) {
    return isOAuthError(error) ? [error.code, error.options.reason] : error;
  }
}

describe("assertedActors", () => {
  it("RFC 8693 §4.1: tells who acted, the newest first, each with the server that knows them", () => {
    const act = { sub: "b", client_id: "c1", act: { sub: "a", iss: "https://other.example" } };
    expect(actors(act)).toEqual([
      { sub: "b", client_id: "c1", iss: CORP },
      { sub: "a", iss: "https://other.example" },
    ]);
    expect(actors(undefined)).toEqual([]);
  });

  it('"Non-identity claims (e.g., exp, nbf, and aud) are not meaningful" within act: they are left out', () => {
    expect(actors({ sub: "a", exp: 1, cnf: {} })).toEqual([{ sub: "a", iss: CORP }]);
  });

  it.each([
    ["text"],
    [null],
    [[]],
    [{}],
    [{ sub: "" }],
    [{ sub: 1 }],
    [{ sub: "a", act: null }],
    [{ sub: "a".repeat(1025) }],
  ])("%j names nobody", (act) => {
    expect(refusalOf(() => actors(act))).toEqual(["invalid_grant", "act is malformed"]);
  });

  it("a chain of 33 is too long to be looked at", () => {
    let act: Record<string, unknown> | undefined;
    for (let count = 0; count < 32; count++) act = { sub: "a", ...(act && { act }) };
    expect(actors(act)).toHaveLength(32);
    expect(refusalOf(() => actors({ sub: "a", act }))).toEqual(["invalid_grant", "act has too many actors"]);
  });
});

describe("nestActors", () => {
  it("puts each within the one that acted after it", () => {
    expect(nestActors([{ sub: "c" }, { sub: "b", iss: CORP }, { sub: "a" }])).toEqual({
      sub: "c",
      act: { sub: "b", iss: CORP, act: { sub: "a" } },
    });
    expect(nestActors([])).toBeUndefined();
  });
});

describe("assertedResources", () => {
  it.each([
    [undefined, []],
    ["https://a.example", ["https://a.example"]],
    [
      ["https://a.example", "https://b.example"],
      ["https://a.example", "https://b.example"],
    ],
  ])("%j", (resource, expected) => {
    expect(assertedResources({ resource }, "invalid_grant")).toEqual(expected);
  });

  it.each([[1], [null], [{}], [[1]]])("%j is refused", (resource) => {
    const refused = refusalOf(() => assertedResources({ resource }, "invalid_grant"));
    expect(refused).toEqual(["invalid_grant", "resource is malformed"]);
  });
});

describe("assertedSignIn", () => {
  const now = new Date("2023-11-14T22:13:20Z");

  it("OIDC Core §2: tells when and how", () => {
    expect(assertedSignIn({ auth_time: 1_700_000_000, amr: ["pwd", "otp"] }, now)).toEqual({
      authTime: new Date("2023-11-14T22:13:20Z"),
      amr: ["pwd", "otp"],
    });
  });

  it("FAPI 2.0 §5.3.2.1: a clock that is ten seconds ahead is forgiven", () => {
    expect(assertedSignIn({ auth_time: 1_700_000_010 }, now)).toEqual({
      authTime: new Date("2023-11-14T22:13:30Z"),
    });
  });

  it.each([
    [{}],
    [{ auth_time: "1", amr: "pwd" }],
    [{ auth_time: -1, amr: [""] }],
    [{ auth_time: 1e20, amr: [1] }],
    [{ auth_time: 1_700_000_000.5, amr: ["pwd", "o\u202etp"] }],
    [{ auth_time: 1_700_000_011, amr: ["a b"] }],
  ])("%j tells nothing", (claims) => {
    expect(assertedSignIn(claims, now)).toEqual({});
  });
});
