import { describe, expect, it } from "vitest";
import { OAuthError } from "@/lib/errors";
import { formatScope, intersectScope, isScopeToken, narrowScope, parseScope, unionScope } from "./scope";

describe("parseScope (RFC 6749 §3.3)", () => {
  it.each<[string | undefined, string[]]>([
    [undefined, []],
    ["", []],
    ["search", ["search"]],
    ["search files:read", ["search", "files:read"]],
    ["b a b a", ["b", "a"]],
    ["!#[]~ https://a.ex/scope", ["!#[]~", "https://a.ex/scope"]],
  ])("reads %j as %j", (value, scope) => {
    expect(parseScope(value)).toEqual(scope);
  });

  it.each([" a", "a ", "a  b", "a\tb", "a\nb", 'a"b', "a\\b", "é", "a\0"])("refuses %j", (value) => {
    expect(() => parseScope(value)).toThrow(
      new OAuthError("invalid_scope", "Send scope as names separated by single spaces"),
    );
  });

  it("takes 100 names and refuses 101", () => {
    const names = Array.from({ length: 101 }, (_, i) => `s${i}`);
    expect(parseScope(names.slice(0, 100).join(" "))).toHaveLength(100);
    expect(() => parseScope(names.join(" "))).toThrow("Ask for at most 100 scopes at a time");
  });
});

describe("narrowScope (RFC 6749 §6)", () => {
  it("gives what was requested, in its order", () => {
    expect(narrowScope(["a", "b", "c"], ["c", "a"])).toEqual(["c", "a"]);
  });

  it("gives all that is held when nothing was requested", () => {
    expect(narrowScope(["a", "b"], [])).toEqual(["a", "b"]);
  });

  it.each([
    [["a"], ["a", "b", "c"], "b c"],
    [[], ["admin"], "admin"],
    [["files"], ["files:read"], "files:read"],
  ])("holding %j, refuses %j and names %j", (held, requested, extra) => {
    try {
      narrowScope(held, requested);
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({
        code: "invalid_scope",
        description: `Leave out the scopes that were not granted: ${extra}`,
        options: { detail: "scope_escalation" },
      });
    }
  });
});

it("intersects in the order of the first list", () => {
  expect(intersectScope(["c", "b", "a"], ["a", "c"])).toEqual(["c", "a"]);
});

it("unites without repeating", () => {
  expect(unionScope(["b", "a"], ["a", "c"])).toEqual(["b", "a", "c"]);
});

it("writes names with single spaces", () => {
  expect(formatScope(["a", "b"])).toBe("a b");
});

it.each([
  ["files:read", true],
  ["", false],
  ["a b", false],
  ['"', false],
])("isScopeToken(%j) is %s", (value, expected) => {
  expect(isScopeToken(value)).toBe(expected);
});
