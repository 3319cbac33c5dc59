import fc from "fast-check";
import { expect, it } from "vitest";
import { sameJson } from "./same-json";

it("names stand in any order, items in theirs", () => {
  expect(sameJson({ a: 1, b: [1, { c: "x" }] }, { b: [1, { c: "x" }], a: 1 })).toBe(true);
  expect(sameJson([1, 2], [2, 1])).toBe(false);
});

it.each([
  [{ a: undefined }, {}],
  [{ a: 1 }, { a: 1, b: 2 }],
  [[], {}],
  [null, {}],
  [0, false],
  ["1", 1],
  [{ length: 0 }, []],
  ["é", "e\u0301"],
])("%j is not %j, either way", (a, b) => {
  expect([sameJson(a, b), sameJson(b, a)]).toEqual([false, false]);
});

it("a value is the same as its copy, and as none that prints otherwise with its names in order", () => {
  const sorted = (value: unknown): unknown => {
    if (Array.isArray(value)) return ["list", ...value.map(sorted)];
    if (typeof value !== "object" || value === null) return value;
    const members = Object.entries(value).map(([name, inner]) => [name, sorted(inner)]);
    return ["object", ...members.sort()];
  };
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
      const copy: unknown = JSON.parse(JSON.stringify(a));
      expect(sameJson(a, copy)).toBe(true);
      expect(sameJson(a, b)).toBe(JSON.stringify(sorted(a)) === JSON.stringify(sorted(b)));
    }),
  );
});
