import { describe, expect, it } from "vitest";
import { MCP_TOOL, PAYMENT } from "@/test/support/details-types";
import { readDetailSchema } from "./detail-schema";

type Json = Record<string, unknown>;

/** Where a schema cannot be used; empty: it can. */
function placesOf(schema: unknown): readonly string[] {
  const read = readDetailSchema(schema);
  return "problems" in read ? read.problems.map(({ path }) => path.join(".")) : [];
}

/** The same of a schema with one member. */
const placesOfMember = (member: Json): readonly string[] =>
  placesOf({ type: "object", properties: { x: member } });

const nested = (levels: number): Json =>
  levels === 0 ? { type: "string" } : { type: "object", properties: { a: nested(levels - 1) } };

describe("the schemas that types are described with", () => {
  it.each([PAYMENT, MCP_TOOL])("$type can be used", ({ schema }) => {
    expect(readDetailSchema(schema)).toEqual({ schema });
  });

  it.each<[string, Json]>([
    ["no properties", { type: "object", properties: {} }],
    ["additionalProperties: false", { type: "object", properties: {}, additionalProperties: false }],
    ["five levels", nested(5)],
    [
      "RFC 9396 §2.2 locations",
      { type: "object", properties: { locations: { type: "array", items: { type: "string" } } } },
    ],
  ])("%s can be used", (_, schema) => {
    expect(placesOf(schema)).toEqual([]);
  });

  it.each<[string, unknown, string]>([
    ["a text", "object", ""],
    ["another type at the top", { type: "array", properties: {} }, "type"],
    ["no properties member", { type: "object" }, "properties"],
    ["a keyword we do not know", { type: "object", properties: {}, patternProperties: {} }, ""],
    ["open objects", { type: "object", properties: {}, additionalProperties: true }, "additionalProperties"],
    ["six levels", nested(6), ""],
    ["more than 8 KiB", { type: "object", properties: {}, description: "a".repeat(9000) }, ""],
    ["type as a member", { type: "object", properties: { type: { type: "string" } } }, "properties.type"],
    ["a required member that is none", { type: "object", properties: {}, required: ["a"] }, "required"],
    ["a name with a dot", { type: "object", properties: { "a.b": { type: "string" } } }, "properties.a.b"],
    [
      "a name of every object",
      { type: "object", properties: { toString: { type: "string" } } },
      "properties.toString",
    ],
    [
      "locations that is a text",
      { type: "object", properties: { locations: { type: "string" } } },
      "properties.locations",
    ],
    [
      "locations of numbers",
      { type: "object", properties: { locations: { type: "array", items: { type: "number" } } } },
      "properties.locations",
    ],
  ])("%s cannot", (_, schema, place) => {
    expect(placesOf(schema)).toEqual([place]);
  });

  it.each<[string, Json]>([
    ["a text of a format", { type: "string", format: "decimal", narrowing: "at_most" }],
    ["a date that may be earlier", { type: "string", format: "date", narrowing: "at_most" }],
    ["numbers of a list that may be less", { type: "number", enum: [10, 50], narrowing: "at_most" }],
    ["a yes or no", { type: "boolean", const: true }],
    [
      "a list of texts",
      { type: "array", items: { type: "string", enum: ["a"] }, maxItems: 3, narrowing: "subset" },
    ],
    [
      "a list of objects",
      { type: "array", items: { type: "object", properties: { a: { type: "integer" } } } },
    ],
  ])("%s can be a member", (_, member) => {
    expect(placesOfMember(member)).toEqual([]);
  });

  const X = "properties.x";
  it.each<[string, Json, string]>([
    ["a type nobody knows", { type: "strung" }, `${X}.type`],
    ["no type", { enum: ["a"] }, `${X}.type`],
    ["two types", { type: ["string", "null"] }, `${X}.type`],
    ["a reference", { $ref: "#/$defs/a" }, `${X}.type`],
    ["a choice", { anyOf: [{ type: "string" }] }, `${X}.type`],
    ["a default, which would be added", { type: "string", default: "a" }, X],
    ["a limit that is a text", { type: "number", minimum: "1" }, `${X}.minimum`],
    ["a limit of numbers for a text", { type: "string", minimum: 1 }, X],
    ["a title of two lines", { type: "string", title: "a\nb" }, `${X}.title`],
    [
      "a list beside another limit, which would not be read",
      { type: "string", enum: ["a"], maxLength: 1 },
      X,
    ],
    ["enum and const", { type: "number", enum: [1], const: 1 }, X],
    ["an empty enum", { type: "string", enum: [] }, `${X}.enum`],
    ["a text longer than any", { type: "string", maxLength: 1001 }, `${X}.maxLength`],
    ["an order of texts that have none", { type: "string", narrowing: "at_most" }, `${X}.narrowing`],
    [
      "a pattern for a decimal, which has its own",
      { type: "string", format: "decimal", pattern: "^1$" },
      `${X}.pattern`,
    ],
    ["part of a text", { type: "string", narrowing: "subset" }, `${X}.narrowing`],
    ["an order of yes and no", { type: "boolean", narrowing: "at_most" }, `${X}.narrowing`],
    [
      "an empty list, which could mean all",
      { type: "array", items: { type: "string" }, minItems: 0 },
      `${X}.minItems`,
    ],
    [
      "parts of a list of objects",
      { type: "array", items: { type: "object", properties: {} }, narrowing: "subset" },
      `${X}.narrowing`,
    ],
    [
      "limits within a list",
      { type: "array", items: { type: "number", narrowing: "at_most" } },
      `${X}.items`,
    ],
    [
      "limits deep within a list",
      {
        type: "array",
        items: { type: "object", properties: { a: { type: "number", narrowing: "at_least" } } },
      },
      `${X}.items`,
    ],
  ])("%s cannot", (_, member, place) => {
    expect(placesOfMember(member)).toEqual([place]);
  });
});

describe("patterns, which strangers' texts are matched against", () => {
  const isUsable = (pattern: string) => placesOfMember({ type: "string", pattern }).length === 0;

  it.each([
    "^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$",
    "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
    "^[\\w.+-]+@[\\w.-]+$",
    "^https://files\\.example/[\\w/.-]*$",
    "^[^<>]*$",
    "^.{1,20}$",
    "^$",
  ])("%s can be used", (pattern) => {
    expect(isUsable(pattern)).toBe(true);
  });

  it.each([
    ["unanchored", "[A-Z]+"],
    ["without an end", "^[A-Z]+"],
    ["with an end that is none", "^[A-Z]+\\$"],
    ["a repeated group", "^(a+)+$"],
    ["a group", "^(?:ab)$"],
    ["an alternative", "^a|b$"],
    ["a look ahead", "^(?=a)a$"],
    ["a back reference", "^(a)\\1$"],
    ["three variable parts", "^a*a*a*$"],
    ["a variable part repeated", "^a+*$"],
    ["a class that is not closed", "^[a-z$"],
    ["a range that is none", "^[z-a]$"],
    ["a repetition that is none", "^a{3,2}$"],
    ["a name for characters", "^\\p{L}$"],
  ])("%s cannot: %s", (_, pattern) => {
    expect(isUsable(pattern)).toBe(false);
  });

  it("the slowest that can be used takes no time that matters", () => {
    const slowest = /^\w*\w*!$/;
    const started = performance.now();
    expect(slowest.test("a".repeat(1000))).toBe(false);
    expect(performance.now() - started).toBeLessThan(250);
  });
});
