import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalJson, type Json } from "./canonical-json";

describe("JSON Canonicalization Scheme (RFC 8785)", () => {
  it("§3.2.1: has no space between tokens", () => {
    expect(canonicalJson({ list: [1, "a", { deep: null }], yes: true, no: false })).toBe(
      '{"list":[1,"a",{"deep":null}],"no":false,"yes":true}',
    );
  });

  it.each<[string, string]>([
    ['quote " and backslash \\', '"quote \\" and backslash \\\\"'],
    ["\b\t\n\f\r", '"\\b\\t\\n\\f\\r"'],
    ["\u0000\u001f", '"\\u0000\\u001f"'],
    ["\u007f/\u2028€😀", '"\u007f/\u2028€😀"'],
  ])("§3.2.2.2: escapes of %j what must be, as little as it can", (text, written) => {
    expect(canonicalJson(text)).toBe(written);
  });

  it("§3.2.2.2: half of a character has no spelling, as a value or as a name", () => {
    expect(() => canonicalJson("\ud800")).toThrow(TypeError);
    expect(() => canonicalJson({ "\udead": 1 })).toThrow(TypeError);
  });

  it.each<[number, string]>([
    [-0, "0"],
    [1e21, "1e+21"],
    [0.000001, "0.000001"],
    [1e-7, "1e-7"],
    [5e-324, "5e-324"],
    [9007199254740992, "9007199254740992"],
  ])("§3.2.2.3: writes %d as ECMAScript does", (number, written) => {
    expect(canonicalJson(number)).toBe(written);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])("§3.2.2.3: %d has no spelling", (number) => {
    expect(() => canonicalJson(number)).toThrow(TypeError);
  });

  it("§3.2.3: orders members by UTF-16 code units, where an emoji stands before a letter of higher value", () => {
    const members = { "\ufb33": 7, "😀": 6, "€": 5, ö: 4, "\u0080": 3, "1": 2, "\r": 1 };
    expect(canonicalJson(members).replace(/[^:]*:(\d)/g, "$1")).toBe("1234567}");
  });

  it.each<[string, unknown]>([
    ["undefined", undefined],
    ["a hole in an array", new Array(1)],
    ["a member that is undefined", { a: undefined }],
    ["a date", new Date(0)],
    ["a buffer", Buffer.from("a")],
    ["a bigint", 1n],
    ["a function", () => 1],
  ])("%s has no spelling", (_, value) => {
    expect(() => canonicalJson(value as Json)).toThrow(TypeError);
  });

  it("says the same value, and says it the same however its members were ordered", () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
        const text = canonicalJson(value as Json);
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
        expect(canonicalJson(reversed(value as Json))).toBe(text);
      }),
    );
  });
});

/** The same value with the members of every object the other way round. */
function reversed(value: Json): Json {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).reverse();
  return Object.fromEntries(entries.map(([name, member]) => [name, reversed(member)]));
}
