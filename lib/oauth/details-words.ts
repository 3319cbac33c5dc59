import type { AuthorizationDetail } from "./authorization-details";
import type { DetailSchema, ObjectSchema } from "./detail-schema";
import { narrowingOf } from "./details-narrowing";
import { type DetailsType, PLACEHOLDER, schemaOfType } from "./details-type";

/** A detail as people read it: nothing in it is markup, and what the app said is told apart from what the type says. */
export type DetailInWords = {
  /** The sentence of its type, in parts: ours, and values of the request. */
  sentence: readonly { text: string; isValue: boolean }[];
  /** What the sentence does not say: every other member, and every limit that was left open. */
  fields: readonly { place: string; label: string; value: string }[];
};

/** Puts a detail into words; it has to fit its type. */
export function detailInWords(type: DetailsType, detail: AuthorizationDetail): DetailInWords {
  const leaves = leavesOf(schemaOfType(type), detail);
  const parts = type.words.split(PLACEHOLDER);
  const said = parts.filter((_, index) => index % 2 === 1);
  const sentence = parts.map((part, index) =>
    index % 2 === 0
      ? { text: part, isValue: false }
      : { text: leaves.find(({ place }) => place === part)?.value ?? "", isValue: true },
  );
  const fields = leaves.flatMap(({ place, label, value }) =>
    value === undefined || said.includes(place) ? [] : [{ place, label, value }],
  );
  return { sentence: sentence.filter(({ text }) => text !== ""), fields };
}

type Leaf = { place: string; label: string; value: string | undefined };

/** Every member that is no object, by the way down to it. */
const leavesOf = (
  { properties }: ObjectSchema,
  value: unknown,
  above: readonly Step[] = [],
): readonly Leaf[] =>
  Object.entries(properties).flatMap(([name, schema]) => {
    const inner: unknown = Object(value ?? {})[name];
    const way = [...above, { name, schema }];
    if (schema.type === "object") return leavesOf(schema, inner, way);
    const place = way.map((step) => step.name).join(".");
    return {
      place,
      label: labelOf(way),
      value: inner === undefined ? openLimit(schema) : textOf(schema, inner),
    };
  });

type Step = { name: string; schema: DetailSchema };

/** Groups have a label only where they were given one: "Recipient: Account". */
function labelOf(way: readonly Step[]): string {
  const last = way.length - 1;
  return way.flatMap(({ name, schema }, index) => schema.title ?? (index === last ? name : [])).join(": ");
}

/** A limit that was left out is none, which a person has to see (RFC 9396 §6.1). */
function openLimit(schema: Exclude<DetailSchema, ObjectSchema>): string | undefined {
  const narrowing = narrowingOf(schema);
  if (narrowing === "equal") return undefined;
  return narrowing === "subset" ? "any" : "no limit";
}

// Grouped, so that a zero too many is seen.
const quantities = new Intl.NumberFormat("en", { maximumFractionDigits: 20 });

function textOf(schema: DetailSchema, value: unknown): string {
  if (schema.type === "array" && Array.isArray(value))
    return value.map((item) => textOf(schema.items, item)).join(schema.items.type === "object" ? "; " : ", ");
  if (schema.type === "object")
    return leavesOf(schema, value)
      .flatMap((leaf) => (leaf.value === undefined ? [] : `${leaf.label} ${leaf.value}`))
      .join(", ");
  if (typeof value === "boolean") return value ? "yes" : "no";
  const isQuantity = typeof value === "number" && schema.type !== "array" && narrowingOf(schema) !== "equal";
  return isQuantity ? quantities.format(value) : String(value);
}
