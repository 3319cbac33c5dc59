/** A value that JSON can hold. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/**
 * The one spelling of a JSON value (RFC 8785 §3.2): no spaces, members in the order of their UTF-16 code units,
 * strings and numbers as ECMAScript writes them. Throws a TypeError for what JSON cannot hold.
 */
export function canonicalJson(value: Json): string {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "number" && Number.isFinite(value)) return JSON.stringify(value);
  if (typeof value === "string") return canonicalString(value);
  if (isArray(value)) return `[${Array.from(value, canonicalJson).join(",")}]`;
  if (isPlainObject(value)) {
    // "sorting is based on pure value comparisons, where code units are treated as unsigned integers" (§3.2.3)
    const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
    const written = members.map(([name, member]) => `${canonicalString(name)}:${canonicalJson(member)}`);
    return `{${written.join(",")}}`;
  }
  throw new TypeError("not a JSON value");
}

function canonicalString(text: string): string {
  // "Invalid Unicode data like 'lone surrogates' … MUST cause a compliant JCS implementation to terminate with an
  // appropriate error" (§3.2.2.2)
  if (/\p{Cs}/u.test(text)) throw new TypeError("half of a UTF-16 character");
  return JSON.stringify(text);
}

/** `Array.isArray` forgets that the array may be readonly. */
const isArray = (value: unknown): value is readonly Json[] => Array.isArray(value);

/** A Date, a Map or a Buffer would be written as something else than it is. */
const isPlainObject = (value: unknown): value is { readonly [name: string]: Json } =>
  typeof value === "object" &&
  value !== null &&
  [Object.prototype, null].includes(Object.getPrototypeOf(value));
