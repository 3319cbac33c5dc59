import { describe, expect, it } from "vitest";
import { isOAuthError } from "@/lib/errors";
import { MCP_TOOL, PAYMENT, pay, tool } from "@/test/support/details-types";
import { type DetailsTerms, narrowDetails, noTerms, remainingDetails, requireFit } from "./details-terms";

const bank: DetailsTerms = {
  resource: "https://bank.example/v1",
  aliases: ["https://api.bank.example"],
  types: [PAYMENT, MCP_TOOL],
};

/** The sentence of a refusal, which always has the one code; undefined: there was none. */
function refusal(act: () => unknown): string | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    if (!isOAuthError(error)) throw error;
    expect(error.code).toBe("invalid_authorization_details");
    return error.description;
  }
}

describe("details at a resource (RFC 9396 §5)", () => {
  it("those of its types fit", () => {
    expect(refusal(() => requireFit(bank, [pay(40), tool("search")]))).toBe(undefined);
  });

  it("a type it does not have is named, with those it has", () => {
    expect(refusal(() => requireFit(bank, [pay(40), { type: "loan" }]))).toBe(
      "Correct authorization_details[1]: https://bank.example/v1 has no type loan. It has: payment, mcp_tool.",
    );
    expect(refusal(() => requireFit(noTerms("https://a.example"), [pay(40)]))).toBe(
      "Correct authorization_details[0]: https://a.example has no type payment. It has: none.",
    );
  });

  it("the member that is wrong is named", () => {
    expect(refusal(() => requireFit(bank, [pay(40), pay(40, { color: "red" })]))).toBe(
      "Correct authorization_details[1].color is no member of this type (payment).",
    );
  });

  it.each(["https://bank.example/v1", "HTTPS://BANK.example/v1", "https://api.bank.example/"])(
    "§2.2: %s is a location of it",
    (location) => {
      expect(refusal(() => requireFit(bank, [pay(40, { locations: [location] })]))).toBe(undefined);
    },
  );

  it.each(["https://bank.example/v2", "https://bank.example", "https://bank.example.evil/v1", "urn:bank"])(
    "§2.2: %s is none",
    (location) => {
      expect(refusal(() => requireFit(bank, [pay(40, { locations: [bank.resource, location] })]))).toBe(
        "Correct authorization_details[0].locations: it may name https://bank.example/v1 only.",
      );
    },
  );

  it("of what was granted, what its types no longer say is gone", () => {
    const strict = { ...bank, types: [{ ...PAYMENT, schema: { type: "object", properties: {} } }] };
    expect(remainingDetails(strict, [pay(40), tool("search"), { type: "payment" }])).toEqual([
      { type: "payment" },
    ]);
  });
});

describe("what a token says of the details that are held (RFC 9396 §6, §7)", () => {
  const held = [pay(40), tool("search")];

  it("all of them, or those that are asked for", () => {
    expect(narrowDetails([bank], held, undefined)).toEqual(held);
    expect(narrowDetails([bank], held, [pay(30)])).toEqual([pay(30)]);
    expect(narrowDetails([bank], held, [])).toEqual([]);
  });

  it("never more", () => {
    expect(refusal(() => narrowDetails([bank], held, [tool("search"), pay(41)]))).toBe(
      "Ask for less in authorization_details[1] (payment): nothing that was granted covers it. Each granted detail covers one.",
    );
    expect(refusal(() => narrowDetails([bank], [], [pay(1)]))).toMatch(/^Ask for less in /);
  });

  it("where two resources have the type, both have to agree that it is less", () => {
    const exact = { type: "number", exclusiveMinimum: 0 };
    const schema = structuredClone(PAYMENT.schema);
    Object.assign(Object(schema.properties).amount.properties, { value: exact });
    const shop: DetailsTerms = {
      resource: "https://shop.example",
      aliases: [],
      types: [{ ...PAYMENT, schema }],
    };
    expect(narrowDetails([bank], held, [pay(30)])).toEqual([pay(30)]);
    expect(refusal(() => narrowDetails([bank, shop], held, [pay(30)]))).toMatch(/^Ask for less in /);
    expect(narrowDetails([bank, shop], held, [pay(40)])).toEqual([pay(40)]);
    expect(narrowDetails([bank, shop], held, undefined)).toEqual([pay(40)]);
  });

  it("what is for one location goes to no other", () => {
    const here = pay(40, { locations: [bank.resource] });
    const elsewhere = { ...bank, resource: "https://other.example", aliases: [] };
    expect(narrowDetails([elsewhere, bank], [here, pay(1)], undefined)).toEqual([pay(1)]);
  });
});
