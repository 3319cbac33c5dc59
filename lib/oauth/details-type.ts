import { z } from "zod";
import type { AuthorizationDetail } from "./authorization-details";
import { type DetailSchema, isScalar, type ObjectSchema, readDetailSchema } from "./detail-schema";

/** A type of authorization details as a resource has it registered (RFC 9396 §2). */
export type DetailsType = {
  type: string;
  /** What one of them allows, with `{member}` for its values. */
  words: string;
  risk: "low" | "medium" | "high";
  /** JSON Schema of its members but `type`, in the keywords of detail-schema.ts. */
  schema: Record<string, unknown>;
};

type Problem = { path: PropertyKey[]; message: string };

/** What speaks against registering a type; empty: nothing. */
export function problemsOfType({ words, schema }: Pick<DetailsType, "words" | "schema">): readonly Problem[] {
  const read = readDetailSchema(schema);
  if ("problems" in read)
    return read.problems.map(({ path, message }) => ({ path: ["schema", ...path], message }));
  const unknown = placeholdersOf(words).filter((place) => !isAlwaysThere(read.schema, place.split(".")));
  const problems = unknown.map((place) => `{${place}} must be a required member that is no object`);
  if (/[{}]/.test(words.replace(PLACEHOLDER, ""))) problems.push("must have braces around names only");
  return problems.map((message) => ({ path: ["words"], message }));
}

/** Where a sentence has a value: `{amount.value}`. */
export const PLACEHOLDER = /\{([^{}]*)\}/g;
const placeholdersOf = (words: string): readonly string[] =>
  [...words.matchAll(PLACEHOLDER)].map(([, place = ""]) => place);

/** A sentence with a hole in it would say something else. */
function isAlwaysThere({ properties, required = [] }: ObjectSchema, [name = "", ...rest]: string[]): boolean {
  const member = required.includes(name) ? properties[name] : undefined;
  if (!member) return false;
  if (member.type === "object") return rest.length > 0 && isAlwaysThere(member, rest);
  return rest.length === 0 && (member.type !== "array" || isScalar(member.items));
}

type Compiled = { schema: ObjectSchema; form: z.ZodType };

const compiled = new WeakMap<object, Compiled>();

/** The schema of a registered type, read once for each time it is loaded. */
function compile({ type, schema }: DetailsType): Compiled {
  const known = compiled.get(schema);
  if (known) return known;
  const read = readDetailSchema(schema);
  if ("problems" in read) throw new Error(`the schema of ${type} was registered and cannot be read`);
  const made = { schema: read.schema, form: z.fromJSONSchema(jsonSchemaOf(read.schema)) };
  compiled.set(schema, made);
  return made;
}

/** What the members of a type may be, to compare and to show them. */
export const schemaOfType = (type: DetailsType): ObjectSchema => compile(type).schema;

/** Without a sign, an exponent or zeros in front; compared to the last digit it has. */
const DECIMAL = "^(?:0|[1-9][0-9]{0,14})(?:\\.[0-9]{1,6})?$";

/** As JSON Schema itself, closed: what it does not name is refused (RFC 9396 §5). */
function jsonSchemaOf(schema: DetailSchema): Record<string, unknown> {
  const { title: _, description: __, ...rest } = schema;
  switch (rest.type) {
    case "object": {
      const properties = Object.entries(rest.properties).map(([name, inner]) => [name, jsonSchemaOf(inner)]);
      return { ...rest, properties: Object.fromEntries(properties), additionalProperties: false };
    }
    case "array":
      return { minItems: 1, ...rest, items: jsonSchemaOf(rest.items) };
    case "string": {
      const { format, ...text } = rest;
      return { minLength: 1, ...text, ...(format === "decimal" ? { pattern: DECIMAL } : { format }) };
    }
    default:
      return rest;
  }
}

/** Characters of what is repeated from a request, or told of a schema. */
const MAX_SHOWN = 200;

/** What is wrong with a detail of a type, by its first member that is wrong; undefined: nothing (RFC 9396 §5). */
export function problemOf(
  type: DetailsType,
  { type: _, ...members }: AuthorizationDetail,
): string | undefined {
  const { success, error } = compile(type).form.safeParse(members);
  const [issue] = error?.issues ?? [];
  if (success || !issue) return undefined;
  const place = issue.path.map((part) => `.${String(part)}`).join("");
  if (issue.code === "unrecognized_keys")
    return `${place}.${issue.keys[0]?.slice(0, MAX_SHOWN)} is no member of this type`;
  if (!hasMember(members, issue.path)) return `${place} is missing`;
  return `${place} does not fit: ${issue.message.slice(0, MAX_SHOWN)}`;
}

/** Whether there is a value at a place, be it the wrong one. */
const hasMember = (members: unknown, path: readonly PropertyKey[]): boolean =>
  path.reduce<unknown>((value, part) => Object(value ?? {})[part], members) !== undefined;
