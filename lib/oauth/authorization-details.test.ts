import { describe, expect, it } from "vitest";
import { isOAuthError } from "@/lib/errors";
import { parseAuthorizationDetails } from "./authorization-details";

/** What a parameter is refused with; undefined: it is read. */
function refusalOf(value: string): string | undefined {
  try {
    parseAuthorizationDetails(value);
    return undefined;
  } catch (error) {
    if (!isOAuthError(error)) throw error;
    return `${error.code} ${error.description}`;
  }
}

const one = (more: Record<string, unknown>) => JSON.stringify([{ type: "payment", ...more }]);

describe("the parameter authorization_details (RFC 9396 §2)", () => {
  it("is read as it is, in its order", () => {
    const details = [
      { type: "payment", amount: { value: 40 } },
      { type: "https://api.example/tool", name: "ä" },
    ];
    expect(parseAuthorizationDetails(JSON.stringify(details))).toEqual(details);
  });

  it.each([undefined, ""])("RFC 6749 §3.1: %j is as if it were not sent", (value) => {
    expect(parseAuthorizationDetails(value)).toBe(undefined);
  });

  it("an empty list says that none are wanted", () => {
    expect(parseAuthorizationDetails("[]")).toEqual([]);
  });

  it.each([
    ["no JSON", "payment"],
    ["JSON that is cut", '[{"type":"payment"'],
    ["an object", '{"type":"payment"}'],
    ["a text", '"payment"'],
    ["null", "null"],
    ["a list of texts", '["payment"]'],
    ["a list of lists", '[["type","payment"]]'],
    ["a list with null", "[null]"],
    ["an object without type", '[{"name":"x"}]'],
    ["a type that is a number", '[{"type":7}]'],
    ["an empty type", '[{"type":""}]'],
    ["a type with a space", '[{"type":"a b"}]'],
    ["a type with a quote", '[{"type":"a\\"b"}]'],
    ["a type beyond ASCII", '[{"type":"pаyment"}]'],
    ["a type of 201 characters", `[{"type":"${"a".repeat(201)}"}]`],
    ["21 objects", JSON.stringify(Array(21).fill({ type: "a" }))],
    ["4,097 bytes", `[{"type":"a"}]${" ".repeat(4083)}`],
    ["a text of 1,001 characters", one({ x: "a".repeat(1001) })],
    ["9 levels", `[{"type":"a","x":${"[".repeat(8)}${"]".repeat(8)}}]`],
    ["a line break", one({ x: "a\nb" })],
    ["NUL", one({ x: "a\u0000b" })],
    ["an override of direction", one({ x: "evil\u202egpj" })],
    ["an isolate in a name", one({ "a\u2066b": 1 })],
    ["a zero-width space within", one({ x: { y: ["pay\u200bpal"] } })],
    ["half a character", '[{"type":"a","x":"\\ud800"}]'],
    ["nothing but spaces", one({ creditor: "\u00a0 " })],
  ])("§5: %s is refused", (_, value) => {
    expect(refusalOf(value)).toMatch(/^invalid_authorization_details Send /);
  });

  it("at the limits it is read", () => {
    const details = Array.from({ length: 20 }, () => ({ type: "a", x: "y".repeat(150) }));
    expect(refusalOf(JSON.stringify(details))).toBe(undefined);
    expect(refusalOf(one({ x: "a".repeat(1000) }))).toBe(undefined);
    expect(refusalOf(`[{"type":"a","x":${"[".repeat(7)}${"]".repeat(7)}}]`)).toBe(undefined);
    expect(refusalOf(`[{"type":"a"}]${" ".repeat(4082)}`)).toBe(undefined);
  });
});
