import type { AuthorizationDetail } from "./authorization-details";
import { type DetailSchema, isScalar, type Narrowing, type ObjectSchema } from "./detail-schema";
import { type DetailsType, schemaOfType } from "./details-type";
import { sameJson } from "./same-json";

type Members = Readonly<Record<string, unknown>>;

/** What makes a value of a member smaller: lists of values are parts of each other unless their type says otherwise. */
export function narrowingOf(schema: Exclude<DetailSchema, ObjectSchema>): Narrowing {
  if (schema.narrowing) return schema.narrowing;
  return schema.type === "array" && isScalar(schema.items) ? "subset" : "equal";
}

/**
 * Whether one detail allows all that another one of its type asks for (RFC 9396 §6.1). A limit that is absent is no
 * limit, so that adding one narrows and leaving one out widens; other members have to be the same, or absent in both.
 */
export function covers(type: DetailsType, held: AuthorizationDetail, asked: AuthorizationDetail): boolean {
  return held.type === asked.type && coversMembers(schemaOfType(type), held, asked);
}

const coversMembers = ({ properties }: ObjectSchema, held: Members, asked: Members): boolean =>
  Object.entries(properties).every(([name, schema]) => coversValue(schema, held[name], asked[name]));

function coversValue(schema: DetailSchema, held: unknown, asked: unknown): boolean {
  if (schema.type === "object") return coversMembers(schema, membersOf(held), membersOf(asked));
  const narrowing = narrowingOf(schema);
  if (narrowing === "equal") return sameJson(held, asked);
  if (held === undefined) return true;
  if (asked === undefined) return false;
  switch (narrowing) {
    case "subset":
      return isPart(listOf(asked), listOf(held));
    case "at_most":
      return compare(schema, asked, held) <= 0;
    case "at_least":
      return compare(schema, asked, held) >= 0;
  }
}

/** An object that is absent says no more than an empty one. */
const membersOf = (value: unknown): Members => Object(value ?? {}) as Members;
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/** Whether the items of one list are among those of another, as often as they stand there and no oftener. */
function isPart(part: readonly unknown[], whole: readonly unknown[]): boolean {
  const timesIn = (list: readonly unknown[], item: unknown) => list.filter((one) => one === item).length;
  return part.every((item) => timesIn(part, item) <= timesIn(whole, item));
}

/** Below, at or above zero, as the first is less than, the same as, or more than the second. */
function compare(schema: DetailSchema, a: unknown, b: unknown): number {
  if (schema.type !== "string") return Number(a) - Number(b);
  if (schema.format === "date-time") return Date.parse(String(a)) - Date.parse(String(b));
  if (schema.format === "decimal") return Number(millionthsOf(String(a)) - millionthsOf(String(b)));
  return String(a) < String(b) ? -1 : Number(String(a) > String(b));
}

/** An amount is compared to the last digit, which a number would not keep. */
function millionthsOf(decimal: string): bigint {
  const [whole = "", fraction = ""] = decimal.split(".");
  return BigInt(whole + fraction.padEnd(6, "0"));
}

/**
 * Finds for each detail that is asked for one that is held and covers it, each held one for one only: two payments
 * are not covered by one. Gives the first that is left without, or undefined.
 */
export function findUncovered(
  held: readonly AuthorizationDetail[],
  asked: readonly AuthorizationDetail[],
  isCovered: (held: AuthorizationDetail, asked: AuthorizationDetail) => boolean,
): AuthorizationDetail | undefined {
  const coverOf = new Map<number, number>();
  const candidates = asked.map((detail) =>
    held.flatMap((one, index) => (isCovered(one, detail) ? [index] : [])),
  );

  /** Gives `detail` a cover, moving the details that have one already to others where it takes that (Kuhn's algorithm). */
  function place(detail: number, tried: Set<number>): boolean {
    for (const cover of candidates[detail] ?? []) {
      if (tried.has(cover)) continue;
      tried.add(cover);
      const other = coverOf.get(cover);
      if (other === undefined || place(other, tried)) {
        coverOf.set(cover, detail);
        return true;
      }
    }
    return false;
  }
  return asked.find((_, index) => !place(index, new Set()));
}
