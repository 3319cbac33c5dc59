import { describe, expect, it } from "vitest";
import { MCP_TOOL, PAYMENT, pay, tool } from "@/test/support/details-types";
import type { AuthorizationDetail } from "./authorization-details";
import { problemOf, problemsOfType } from "./details-type";

describe("registering a type", () => {
  it.each([PAYMENT, MCP_TOOL])("$type: nothing speaks against it", (type) => {
    expect(problemsOfType(type)).toEqual([]);
  });

  it("a schema that cannot be used is told where", () => {
    const schema = { type: "object", properties: { amount: { type: "number", maximun: 1 } } };
    expect(problemsOfType({ ...PAYMENT, schema }).map(({ path }) => path)).toEqual([
      ["schema", "properties", "amount"],
    ]);
  });

  it.each([
    ["a member nobody knows", "Pay {price}"],
    ["a member that may be left out", "Pay to {creditor} for {reference}"],
    ["an object", "Pay {amount}"],
    ["what is within a text", "Pay {creditor.name}"],
    ["what every object has", "Pay {toString}"],
    ["nothing", "Pay {}"],
    ["an open brace", "Pay {creditor"],
    ["a closing brace", "Pay creditor}"],
    ["braces within braces", "Pay {{creditor}}"],
  ])("words that name %s", (_, words) => {
    expect(problemsOfType({ ...PAYMENT, words }).map(({ path }) => path)).toEqual([["words"]]);
  });

  it("a required member of an object that may be left out is no value for words", () => {
    const schema = {
      type: "object",
      properties: { a: { type: "object", required: ["b"], properties: { b: { type: "string" } } } },
    };
    expect(problemsOfType({ words: "See {a.b}", schema })).toHaveLength(1);
    expect(problemsOfType({ words: "See {a.b}", schema: { ...schema, required: ["a"] } })).toEqual([]);
  });
});

describe("a detail of a type (RFC 9396 §5)", () => {
  it.each([
    pay(40),
    pay(0.01, { reference: "Order 7" }),
    pay(10_000, { until: "2026-12-31" }),
    tool("search"),
    tool("search", {}),
    tool("read_file", { max_rows: 5, folders: ["/a", "/b"], table: "orders" }),
  ])("%j fits", (detail) => {
    expect(problemOf(detail.type === "payment" ? PAYMENT : MCP_TOOL, detail)).toBe(undefined);
  });

  const amount = (value: unknown, currency: unknown = "EUR") => pay(1, { amount: { value, currency } });
  it.each<[string, AuthorizationDetail, string]>([
    ["unknown fields", pay(40, { color: "red" }), ".color is no member of this type"],
    [
      "unknown fields within",
      pay(1, { amount: { value: 1, currency: "EUR", x: 1 } }),
      ".amount.x is no member of this type",
    ],
    [
      "a field of every object",
      pay(40, JSON.parse('{"__proto__":{"a":1}}')),
      ".__proto__ is no member of this type",
    ],
    ["a missing field", { type: "payment", creditor: "ACME" }, ".amount is missing"],
    ["a missing field within", pay(1, { amount: { value: 1 } }), ".amount.currency is missing"],
    ["a text for a number", amount("40"), ".amount.value does not fit: "],
    ["null", amount(null), ".amount.value does not fit: "],
    ["a list for an object", pay(1, { amount: [] }), ".amount does not fit: "],
    ["too much", amount(10_001), ".amount.value does not fit: "],
    ["nothing", amount(0), ".amount.value does not fit: "],
    ["less than nothing", amount(-40), ".amount.value does not fit: "],
    ["beyond all numbers", amount(JSON.parse("1e999")), ".amount.value does not fit: "],
    ["a value of no list", amount(1, "GBP"), ".amount.currency does not fit: "],
    ["an empty text", pay(40, { creditor: "" }), ".creditor does not fit: "],
    ["a text too long", pay(40, { creditor: "a".repeat(71) }), ".creditor does not fit: "],
    ["no date", pay(40, { until: "2026-02-30" }), ".until does not fit: "],
    ["an empty list", pay(40, { locations: [] }), ".locations does not fit: "],
    [
      "a list with another kind of item",
      pay(40, { locations: ["https://a.example", 7] }),
      ".locations.1 does not fit: ",
    ],
    [
      "a fraction for a whole number",
      tool("search", { max_rows: 1.5 }),
      ".arguments.max_rows does not fit: ",
    ],
    [
      "a text that breaks the pattern",
      tool("search", { table: "a; drop" }),
      ".arguments.table does not fit: ",
    ],
    [
      "a second line after what fits the pattern",
      tool("search", { table: "a\n" }),
      ".arguments.table does not fit: ",
    ],
  ])("%s", (_, detail, problem) => {
    expect(problemOf(detail.type === "payment" ? PAYMENT : MCP_TOOL, detail)).toContain(problem);
  });

  it.each([
    ["0", true],
    ["123.50", true],
    ["999999999999999.999999", true],
    ["00", false],
    ["1.", false],
    [".5", false],
    ["-1", false],
    ["1e3", false],
    ["1,5", false],
    ["1.0000001", false],
  ])("a decimal: %s fits: %s", (amount, fits) => {
    const schema = { type: "object", properties: { amount: { type: "string", format: "decimal" } } };
    const type = { type: "p", words: "Pay", risk: "low", schema } as const;
    expect(problemOf(type, { type: "p", amount }) === undefined).toBe(fits);
  });

  it.each([
    [{ format: "decimal", maxLength: 3 }, "1.5", "10.5"],
    [{ format: "date", maxLength: 10 }, "2026-12-31", "2026-12-32"],
    [{ format: "uri", pattern: "^https:[^ ]*$" }, "https://a.example", "http://a.example"],
    [{ minLength: 0 }, "", "x".repeat(1000)],
  ])("limits stand beside a format: %j", (limits, fits, not) => {
    const schema = { type: "object", properties: { x: { type: "string", maxLength: 999, ...limits } } };
    const type = { type: "p", words: "Do", risk: "low", schema } as const;
    expect(problemsOfType(type)).toEqual([]);
    expect(problemOf(type, { type: "p", x: fits })).toBe(undefined);
    expect(problemOf(type, { type: "p", x: not })).toContain(".x does not fit");
  });

  it("says no more of a wrong value than fits in an answer", () => {
    const schema = {
      type: "object",
      properties: { x: { type: "string", enum: Array.from({ length: 99 }, (_, n) => `value ${n}`) } },
    };
    const type = { type: "p", words: "Do", risk: "low", schema } as const;
    expect(problemOf(type, { type: "p", x: "y" })?.length).toBeLessThan(260);
    expect(problemOf(type, { type: "p", ["z".repeat(900)]: 1 })?.length).toBeLessThan(260);
  });
});
