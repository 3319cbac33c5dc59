import { describe, expect, it } from "vitest";
import { MCP_TOOL, PAYMENT, pay, tool } from "@/test/support/details-types";
import type { AuthorizationDetail } from "./authorization-details";
import type { DetailsType } from "./details-type";
import { detailInWords } from "./details-words";

const said = (type: DetailsType, detail: AuthorizationDetail) => {
  const { sentence, fields } = detailInWords(type, detail);
  return {
    sentence: sentence.map(({ text, isValue }) => (isValue ? `[${text}]` : text)).join(""),
    fields: fields.map(({ label, value }) => `${label}: ${value}`),
  };
};

describe("a detail in words", () => {
  it("is its type's sentence with the values in it, and every limit that was left open", () => {
    expect(said(PAYMENT, pay(40))).toEqual({
      sentence: "Pay up to [40] [EUR] to [ACME GmbH]",
      fields: ["Until: no limit", "locations: any"],
    });
  });

  it("lists what the sentence does not say", () => {
    const detail = pay(1_000_000.5, {
      reference: "Order 7",
      until: "2026-12-31",
      locations: ["https://a.example", "https://b.example"],
    });
    expect(said(PAYMENT, detail)).toEqual({
      sentence: "Pay up to [1,000,000.5] [EUR] to [ACME GmbH]",
      fields: ["Reference: Order 7", "Until: 2026-12-31", "locations: https://a.example, https://b.example"],
    });
  });

  it("of an object that was left out, the limits in it are open", () => {
    expect(said(MCP_TOOL, tool("search"))).toEqual({
      sentence: "Use the tool [search]",
      fields: ["Most rows: no limit", "Folders: any"],
    });
    expect(said(MCP_TOOL, tool("search", { max_rows: 5, table: "orders", folders: ["/a"] })).fields).toEqual([
      "Most rows: 5",
      "Folders: /a",
      "Table: orders",
    ]);
  });

  it.each(["<b>x</b>", "{amount.value}", "$&", "&amp;", "a, b"])(
    "the value %s is text like any other",
    (creditor) => {
      expect(said(PAYMENT, pay(40, { creditor })).sentence).toBe(`Pay up to [40] [EUR] to [${creditor}]`);
    },
  );

  const typeWith = (properties: Record<string, unknown>): DetailsType => ({
    type: "t",
    words: "Do it",
    risk: "low",
    schema: { type: "object", properties },
  });

  it.each<[string, Record<string, unknown>, unknown, string]>([
    ["yes", { type: "boolean", title: "Again" }, true, "Again: yes"],
    ["no", { type: "boolean", title: "Again" }, false, "Again: no"],
    [
      "a number that is no quantity, as it is",
      { type: "integer", title: "Account" },
      1_234_567,
      "Account: 1234567",
    ],
    [
      "a quantity, grouped",
      { type: "integer", title: "Rows", narrowing: "at_least" },
      1_234_567,
      "Rows: 1,234,567",
    ],
    [
      "a small quantity, to the last digit",
      { type: "number", title: "Share", narrowing: "at_most" },
      0.000012,
      "Share: 0.000012",
    ],
    [
      "a limit from below that is open",
      { type: "integer", title: "Rows", narrowing: "at_least" },
      undefined,
      "Rows: no limit",
    ],
    [
      "numbers of a list",
      { type: "array", title: "Ids", items: { type: "integer" } },
      [1000, 2],
      "Ids: 1000, 2",
    ],
  ])("%s", (_, member, value, expected) => {
    expect(
      said(typeWith({ x: member }), { type: "t", ...(value !== undefined && { x: value }) }).fields,
    ).toEqual([expected]);
  });

  it("groups have a label only where they were given one, and lists of objects are told item by item", () => {
    const inner = {
      type: "object",
      properties: { name: { type: "string" }, size: { type: "integer", title: "Size" } },
    };
    const type = typeWith({
      a: { ...inner, title: "Box" },
      b: inner,
      c: { type: "array", title: "Boxes", items: inner },
    });
    const detail = {
      type: "t",
      a: { name: "x", size: 1 },
      b: { name: "y" },
      c: [{ name: "z", size: 2 }, { name: "w" }],
    };
    expect(said(type, detail).fields).toEqual([
      "Box: name: x",
      "Box: Size: 1",
      "name: y",
      "Boxes: name z, Size 2; name w",
    ]);
  });
});
