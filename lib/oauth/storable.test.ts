import { describe, expect, it } from "vitest";
import { isStorable } from "./storable";

describe("what PostgreSQL can hold", () => {
  it.each([["a"], ["𝄞"], [7], [null], [{ a: [{ b: "c" }] }]])("%j", (value) => {
    expect(isStorable(value, 3)).toBe(true);
  });

  it.each([
    ["half a character", "\ud800"],
    ["the other half", "a\udfff"],
    ["both halves the wrong way round", "\udd1e\ud834"],
    ["a NUL", "a\0"],
    ["one in a list", ["a", "\ud800"]],
    ["one in the name of a member", { a: { "\ud800": 1 } }],
    ["more levels than are looked at", [[[[]]]]],
  ])("never %s", (_what, value) => {
    expect(isStorable(value, 3)).toBe(false);
  });
});
