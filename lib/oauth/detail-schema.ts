import { z } from "zod";
import { MAX_TEXT } from "./authorization-details";
import { isPlainText } from "./display-text";

/** Who reads it. `title` is what people see; without it they see the name. */
type Described = { title?: string | undefined; description?: string | undefined };

/** What makes a value smaller than another: it may be only the same, or no larger, no smaller, or a part of it. */
export type Narrowing = "equal" | "at_most" | "at_least" | "subset";

export type StringSchema = Described & {
  type: "string";
  enum?: string[] | undefined;
  const?: string | undefined;
  minLength?: number | undefined;
  maxLength?: number | undefined;
  pattern?: string | undefined;
  format?: "date" | "date-time" | "decimal" | "uri" | undefined;
  narrowing?: "equal" | "at_most" | "at_least" | undefined;
};

export type NumberSchema = Described & {
  type: "number" | "integer";
  enum?: number[] | undefined;
  const?: number | undefined;
  minimum?: number | undefined;
  maximum?: number | undefined;
  exclusiveMinimum?: number | undefined;
  exclusiveMaximum?: number | undefined;
  multipleOf?: number | undefined;
  narrowing?: "equal" | "at_most" | "at_least" | undefined;
};

export type BooleanSchema = Described & {
  type: "boolean";
  const?: boolean | undefined;
  narrowing?: "equal" | undefined;
};

export type ArraySchema = Described & {
  type: "array";
  items: DetailSchema;
  minItems?: number | undefined;
  maxItems?: number | undefined;
  uniqueItems?: boolean | undefined;
  narrowing?: "equal" | "subset" | undefined;
};

export type ObjectSchema = Described & {
  type: "object";
  properties: Record<string, DetailSchema>;
  required?: string[] | undefined;
  additionalProperties?: false | undefined;
};

/**
 * The JSON Schema that a type of authorization details may be described with: the keywords below and no others, so
 * that every value has one meaning, can be shown in words, and can be compared with a smaller one.
 */
export type DetailSchema = StringSchema | NumberSchema | BooleanSchema | ArraySchema | ObjectSchema;

const MAX_BYTES = 8192;
const MAX_LEVELS = 5;

const plain = (max: number) =>
  z.string().min(1).max(max).refine(isPlainText, "must be plain text on one line");
const described = { title: plain(80).optional(), description: plain(300).optional() };
const length = z.int().min(0).max(MAX_TEXT);
const ordered = z.enum(["equal", "at_most", "at_least"]);

// Placeholders separate names with dots. What every object inherits would be found where nothing was sent.
const memberName = z
  .string()
  .regex(/^[A-Za-z_][\w-]{0,63}$/, "must be letters, digits, _ and -, at most 64")
  .refine((name) => !(name in Object.prototype), "is a name that every object has");

const MAX_VARIABLE = 2;

const pattern = z
  .string()
  .max(300)
  .refine(
    isSafePattern,
    `must begin with ^ and end with $, without groups and alternatives, and with at most ${MAX_VARIABLE} parts of variable length`,
  );

/** One character or class of a pattern, and how often it stands there. */
const PART =
  /(?:\[\^?(?:\\[dswDSW\\\][^-]|[^\\[\]])+\]|\\[dswDSW\\^$.|?*+()[\]{}/-]|[^\\^$|?*+()[\]{}])([?*+]|\{\d{1,3}(?:,\d{0,3})?\})?/gu;

/**
 * Whether matching takes no time that matters, whatever the text is: at most the square of its length. An unanchored
 * pattern would let anything stand around what it describes.
 */
function isSafePattern(source: string): boolean {
  const body = /^\^(.*)\$$/su.exec(source)?.[1];
  const parts = [...(body ?? "").matchAll(PART)];
  const isWhole = parts.map(([part]) => part).join("") === body;
  const variable = parts.filter(([, often]) => often && !/^\{\d+\}$/.test(often));
  return isWhole && variable.length <= MAX_VARIABLE && isRegExp(source);
}

function isRegExp(source: string): boolean {
  try {
    return Boolean(new RegExp(source));
  } catch {
    return false;
  }
}

/** Texts of other formats are the same or are not: nothing says which is more. */
const ORDERED: readonly unknown[] = ["date", "date-time", "decimal"];

/** Beside a list of values, other limits would be read and not applied. */
const BESIDE_LIST = ["type", "title", "description", "narrowing"];
const ALONE = "must leave other limits out where it has enum or const, and have one of the two";

function listStandsAlone(schema: object): boolean {
  const limits = Object.keys(schema).filter((keyword) => !BESIDE_LIST.includes(keyword));
  return limits.length <= 1 || !limits.some((keyword) => keyword === "enum" || keyword === "const");
}

const StringForm = z
  .strictObject({
    type: z.literal("string"),
    ...described,
    enum: z.array(plain(200)).min(1).max(200).optional(),
    const: plain(200).optional(),
    minLength: length.optional(),
    maxLength: length.optional(),
    pattern: pattern.optional(),
    format: z.enum(["date", "date-time", "decimal", "uri"]).optional(),
    narrowing: ordered.optional(),
  })
  .refine(listStandsAlone, ALONE)
  .refine(({ narrowing = "equal", format }) => narrowing === "equal" || ORDERED.includes(format), {
    path: ["narrowing"],
    message: "needs format date, date-time or decimal: other texts have no order",
  })
  .refine(({ format, pattern }) => format !== "decimal" || pattern === undefined, {
    path: ["pattern"],
    message: "must be left out: a decimal has its own",
  });

const number = z.number();
const NumberForm = z
  .strictObject({
    type: z.enum(["number", "integer"]),
    ...described,
    enum: z.array(number).min(1).max(200).optional(),
    const: number.optional(),
    minimum: number.optional(),
    maximum: number.optional(),
    exclusiveMinimum: number.optional(),
    exclusiveMaximum: number.optional(),
    multipleOf: number.positive().optional(),
    narrowing: ordered.optional(),
  })
  .refine(listStandsAlone, ALONE);

const BooleanForm = z.strictObject({
  type: z.literal("boolean"),
  ...described,
  const: z.boolean().optional(),
  narrowing: z.literal("equal").optional(),
});

const ArrayForm = z
  .strictObject({
    type: z.literal("array"),
    ...described,
    get items() {
      return AnyForm;
    },
    minItems: z.int().min(1, "must be 1 or more: an empty list could mean nothing, or everything").optional(),
    maxItems: z.int().min(1).max(100).optional(),
    uniqueItems: z.boolean().optional(),
    narrowing: z.enum(["equal", "subset"]).optional(),
  })
  .refine(({ narrowing, items }) => narrowing !== "subset" || isScalar(items), {
    path: ["narrowing"],
    message: "needs items that are no objects and no lists",
  })
  .refine(({ items }) => !narrows(items), {
    path: ["items"],
    message: "must not narrow: a list is compared as a whole",
  });

const ObjectForm = z
  .strictObject({
    type: z.literal("object"),
    ...described,
    get properties() {
      return z.record(memberName, AnyForm);
    },
    required: z.array(z.string()).max(100).optional(),
    additionalProperties: z.literal(false).optional(),
  })
  .refine(({ properties, required = [] }) => required.every((name) => Object.hasOwn(properties, name)), {
    path: ["required"],
    message: "must name members of properties",
  });

const AnyForm: z.ZodType<DetailSchema> = z.discriminatedUnion("type", [
  StringForm,
  NumberForm,
  BooleanForm,
  ArrayForm,
  ObjectForm,
]);

/** True for what is one value, and no list or object of them. */
export const isScalar = ({ type }: DetailSchema): boolean => type !== "array" && type !== "object";

function narrows(schema: DetailSchema): boolean {
  if (schema.type === "object") return Object.values(schema.properties).some(narrows);
  return schema.narrowing !== undefined && schema.narrowing !== "equal";
}

type Problem = { path: PropertyKey[]; message: string };

/** Reads the schema of one detail, or says what in it cannot be used. */
export function readDetailSchema(
  value: unknown,
): { schema: ObjectSchema } | { problems: readonly Problem[] } {
  if (JSON.stringify(value).length > MAX_BYTES) return problem([], `must be at most ${MAX_BYTES} bytes`);
  if (levelsOf(value) > 2 * MAX_LEVELS + 1) return problem([], `must have at most ${MAX_LEVELS} levels`);
  const read = ObjectForm.safeParse(value);
  if (!read.success) return { problems: read.error.issues.map(({ path, message }) => ({ path, message })) };
  const { data } = read;
  if (Object.hasOwn(data.properties, "type"))
    return problem(["properties", "type"], "must be left out: every detail has its type");
  if (data.properties.locations && !isListOfTexts(data.properties.locations))
    return problem(["properties", "locations"], "must be a list of strings (RFC 9396 §2.2)");
  return { schema: data };
}

const problem = (path: string[], message: string) => ({ problems: [{ path, message }] });

const isListOfTexts = (schema: DetailSchema): boolean =>
  schema.type === "array" && schema.items.type === "string" && schema.narrowing !== "equal";

/** Before anything walks down it: how far down there is to go. */
const levelsOf = (value: unknown): number =>
  typeof value === "object" && value !== null ? 1 + Math.max(0, ...Object.values(value).map(levelsOf)) : 0;
