import { describe, expect, it } from "vitest";
import { describeIdentityScope, identityScope } from "./identity-scope";

describe("identityScope (OIDC Core §3.1.2.1)", () => {
  it.each([
    [
      ["openid", "email", "mcp:tools", "offline_access"],
      ["openid", "email"],
    ],
    [
      ["profile", "openid"],
      ["profile", "openid"],
    ],
    [["profile", "email"], []],
    [[], []],
  ])("of %j it is %j", (scope, identity) => {
    expect(identityScope(scope)).toEqual(identity);
  });
});

it("every identity scope is told in words a person understands", () => {
  const words = ["openid", "profile", "email", "offline_access"].map(
    (name) => describeIdentityScope(name)?.description,
  );
  expect(words).toEqual(["Know who you are", "See your name", "See your e-mail address", undefined]);
});
