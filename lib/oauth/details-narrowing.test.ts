import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MCP_TOOL, PAYMENT, pay, tool } from "@/test/support/details-types";
import type { AuthorizationDetail } from "./authorization-details";
import { covers, findUncovered } from "./details-narrowing";
import type { DetailsType } from "./details-type";

const typeOf = ({ type }: AuthorizationDetail): DetailsType => (type === "payment" ? PAYMENT : MCP_TOOL);
const covered = (held: AuthorizationDetail, asked: AuthorizationDetail) => covers(typeOf(held), held, asked);

describe("one detail and another of its type (RFC 9396 §6.1)", () => {
  it.each([
    ["the same", pay(40), pay(40)],
    ["less of a limit", pay(40), pay(39.99)],
    [
      "names in another order",
      pay(40),
      { creditor: "ACME GmbH", amount: { currency: "EUR", value: 1 }, type: "payment" },
    ],
    ["a limit where there was none", pay(40), pay(40, { until: "2026-12-31" })],
    ["an earlier end", pay(40, { until: "2026-12-31" }), pay(40, { until: "2026-12-30" })],
    ["a part of a list", tool("search", { folders: ["/a", "/b"] }), tool("search", { folders: ["/b"] })],
    [
      "a list in another order",
      tool("search", { folders: ["/a", "/b"] }),
      tool("search", { folders: ["/b", "/a"] }),
    ],
    [
      "one of a list as often as it stands there",
      tool("search", { folders: ["/a", "/b", "/a"] }),
      tool("search", { folders: ["/a", "/a"] }),
    ],
    ["a list where there was none", tool("search"), tool("search", { folders: ["/a"], max_rows: 3 })],
    ["an object where there was none", tool("search"), tool("search", {})],
    ["no object where an empty one was", tool("search", {}), tool("search")],
  ])("%s is covered", (_, held, asked) => {
    expect(covered(held, asked)).toBe(true);
  });

  it.each([
    ["more", pay(40), pay(40.01)],
    ["less of another currency", pay(40), pay(1, { amount: { value: 1, currency: "USD" } })],
    ["another recipient", pay(40), pay(40, { creditor: "ACME Gmbh" })],
    ["a reference where there was none", pay(40), pay(40, { reference: "x" })],
    ["no reference where there was one", pay(40, { reference: "x" }), pay(40)],
    ["no end where there was one", pay(40, { until: "2026-12-31" }), pay(40)],
    ["a later end", pay(40, { until: "2026-12-31" }), pay(40, { until: "2027-01-01" })],
    ["another tool", tool("search"), tool("delete_file")],
    ["one more of a list", tool("search", { folders: ["/a"] }), tool("search", { folders: ["/a", "/b"] })],
    ["one of a list twice", tool("search", { folders: ["/a"] }), tool("search", { folders: ["/a", "/a"] })],
    ["no list where there was one", tool("search", { folders: ["/a"] }), tool("search", {})],
    ["no object where one had limits", tool("search", { max_rows: 3 }), tool("search")],
    ["another table", tool("search", { table: "orders" }), tool("search", { table: "people" })],
    ["a table where there was none", tool("search"), tool("search", { table: "people" })],
    [
      "a folder that is spelled otherwise",
      tool("search", { folders: ["/a"] }),
      tool("search", { folders: ["/A"] }),
    ],
    ["another type", pay(40), { ...pay(40), type: "mcp_tool" }],
  ])("%s is not", (_, held, asked) => {
    expect(covered(held, asked)).toBe(false);
  });

  const typeWith = (member: Record<string, unknown>): DetailsType => ({
    type: "t",
    words: "Do",
    risk: "low",
    schema: { type: "object", properties: { x: member } },
  });
  const withX = (x: unknown) => ({ type: "t", x });

  it.each([
    ["a decimal", { type: "string", format: "decimal", narrowing: "at_most" }, "100.5", "99.999999", true],
    [
      "a decimal that only looks smaller",
      { type: "string", format: "decimal", narrowing: "at_most" },
      "9",
      "10",
      false,
    ],
    [
      "a decimal beyond numbers",
      { type: "string", format: "decimal", narrowing: "at_most" },
      "900719925474099.1",
      "900719925474099.100001",
      false,
    ],
    [
      "the same amount, written shorter",
      { type: "string", format: "decimal", narrowing: "at_most" },
      "40.00",
      "40",
      true,
    ],
    [
      "a moment of another zone",
      { type: "string", format: "date-time", narrowing: "at_most" },
      "2026-01-01T00:00:00Z",
      "2026-01-01T01:00:00+02:00",
      true,
    ],
    [
      "a later moment of another zone",
      { type: "string", format: "date-time", narrowing: "at_most" },
      "2026-01-01T00:00:00Z",
      "2025-12-31T23:30:00-02:00",
      false,
    ],
    ["no less than a limit", { type: "integer", narrowing: "at_least" }, 3, 4, true],
    ["less than a limit", { type: "integer", narrowing: "at_least" }, 3, 2, false],
    ["less, where it has to be the same", { type: "number" }, 3, 2, false],
    [
      "a part of a list that has to be the same",
      { type: "array", items: { type: "string" }, narrowing: "equal" },
      ["a", "b"],
      ["a"],
      false,
    ],
    [
      "the same objects",
      { type: "array", items: { type: "object", properties: { a: { type: "string" } } } },
      [{ a: "1" }],
      [{ a: "1" }],
      true,
    ],
    [
      "a part of a list of objects",
      { type: "array", items: { type: "object", properties: { a: { type: "string" } } } },
      [{ a: "1" }, { a: "2" }],
      [{ a: "1" }],
      false,
    ],
  ])("%s", (_, member, held, asked, expected) => {
    expect(covers(typeWith(member), withX(held), withX(asked))).toBe(expected);
  });
});

describe("several details", () => {
  const uncovered = (held: AuthorizationDetail[], asked: AuthorizationDetail[]) =>
    findUncovered(held, asked, covered);

  it("one covers one: two payments take two", () => {
    expect(uncovered([pay(40)], [pay(40), pay(40)])).toEqual(pay(40));
    expect(uncovered([pay(40)], [pay(20), pay(20)])).toEqual(pay(20));
    expect(uncovered([pay(40), pay(40)], [pay(40), pay(40)])).toBe(undefined);
  });

  it("whichever is taken first, each gets the one that is left for it", () => {
    expect(uncovered([pay(100), pay(10)], [pay(5), pay(50)])).toBe(undefined);
    expect(uncovered([pay(10), pay(100)], [pay(5), pay(50)])).toBe(undefined);
    expect(uncovered([pay(100), pay(10)], [pay(50), pay(60)])).toEqual(pay(60));
  });

  it("finds a way wherever there is one, as trying them all does", () => {
    const edges = fc.array(fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }), { maxLength: 5 });
    const isPossible = (matrix: boolean[][], taken: readonly number[] = []): boolean => {
      const [first, ...rest] = matrix;
      if (!first) return true;
      return first.some(
        (fits, cover) => fits && !taken.includes(cover) && isPossible(rest, [...taken, cover]),
      );
    };
    fc.assert(
      fc.property(edges, (matrix) => {
        const held = Array.from({ length: 5 }, (_, index) => ({ type: `${index}` }));
        const asked = matrix.map((_, index) => ({ type: `${index}` }));
        const left = findUncovered(
          held,
          asked,
          (one, detail) => matrix[Number(detail.type)]?.[Number(one.type)] ?? false,
        );
        expect(left === undefined).toBe(isPossible(matrix));
      }),
    );
  });

  it("20 that could all be 20 take no time that matters", () => {
    const held = Array.from({ length: 20 }, () => tool("search"));
    const asked = [...held.slice(1), pay(1)];
    const started = performance.now();
    expect(uncovered(held, asked)).toEqual(pay(1));
    expect(performance.now() - started).toBeLessThan(500);
  });
});

describe("whatever the schema and the values are", () => {
  type Op = { number: number; word: string; flag: boolean };

  /** A type with one member of each kind, and what its details let be done, in the plainest words. */
  const TYPE: DetailsType = {
    type: "t",
    words: "Do",
    risk: "low",
    schema: {
      type: "object",
      properties: {
        flag: { type: "boolean" },
        limits: {
          type: "object",
          properties: {
            most: { type: "integer", narrowing: "at_most" },
            least: { type: "integer", narrowing: "at_least" },
            words: { type: "array", items: { type: "string" } },
          },
        },
      },
    },
  };
  const small = fc.integer({ min: 0, max: 4 });
  const words = fc.subarray(["a", "b", "c"], { minLength: 1 });
  const limits = fc.record({ most: small, least: small, words }, { requiredKeys: [] });
  const details = fc
    .record({ flag: fc.boolean(), limits }, { requiredKeys: [] })
    .map((members): AuthorizationDetail => ({ type: "t", ...members }));
  type Limits = { most?: number; least?: number; words?: string[] };
  const allows = (detail: AuthorizationDetail, { number, word, flag }: Op): boolean => {
    const { most = Number.POSITIVE_INFINITY, least = 0, words: some }: Limits = Object(detail.limits ?? {});
    return (
      number <= most &&
      number >= least &&
      (some?.includes(word) ?? true) &&
      detail.flag === (flag || undefined)
    );
  };
  const ops: fc.Arbitrary<Op> = fc.record({
    number: fc.integer({ min: 0, max: 6 }),
    word: fc.constantFrom("a", "b", "c", "d"),
    flag: fc.boolean(),
  });
  const plainFlag = details.filter(({ flag }) => flag !== false);

  it("what is covered lets nothing be done that was not let before: it never widens", () => {
    let compared = 0;
    fc.assert(
      fc.property(plainFlag, plainFlag, ops, (held, asked, op) => {
        if (!covers(TYPE, held, asked)) return;
        compared += 1;
        if (allows(asked, op)) expect(allows(held, op)).toBe(true);
      }),
      { numRuns: 5000, seed: 17 },
    );
    expect(compared).toBeGreaterThan(200);
  });

  it("every detail covers itself, and what is covered by what is covered is covered", () => {
    let chains = 0;
    fc.assert(
      fc.property(details, details, details, (a, b, c) => {
        expect(covers(TYPE, a, a)).toBe(true);
        if (!covers(TYPE, a, b) || !covers(TYPE, b, c)) return;
        chains += 1;
        expect(covers(TYPE, a, c)).toBe(true);
      }),
      { numRuns: 20_000, seed: 17 },
    );
    expect(chains).toBeGreaterThan(100);
  });

  it("two that cover each other say the same, but for limits that are empty", () => {
    fc.assert(
      fc.property(plainFlag, plainFlag, ops, (a, b, op) => {
        if (covers(TYPE, a, b) && covers(TYPE, b, a)) expect(allows(a, op)).toBe(allows(b, op));
      }),
      { numRuns: 5000, seed: 17 },
    );
  });
});
