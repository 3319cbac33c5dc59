/** Seconds: a document is not asked for more often than this, whatever its headers say. */
const FLOOR = 60;
/** Seconds: a document is never trusted for longer than this. */
const CEILING = 86_400;
const MAX_ENTITY_TAG_LENGTH = 256;

/** For how many seconds a fetched document may be used without asking again (RFC 9111 §4.2). */
export function cacheLifetime(headers: Headers, now: Date): number {
  const directives = directivesOf(headers.get("cache-control") ?? "");
  if (["no-store", "no-cache", "private"].some((name) => directives.has(name))) return FLOOR;
  const fresh = freshnessOf(headers, directives, now) - (wholeSeconds(headers.get("age")) ?? 0);
  return Math.min(Math.max(fresh, FLOOR), CEILING);
}

/** The entity tag to ask again with, if there is a well-formed one (RFC 9110 §8.8.3). */
export function entityTagOf(headers: Headers): string | undefined {
  const tag = headers.get("etag") ?? "";
  return tag.length <= MAX_ENTITY_TAG_LENGTH && /^(?:W\/)?"[\x21\x23-\x7e]*"$/.test(tag) ? tag : undefined;
}

/** The first that is there counts; one that cannot be read means stale (RFC 9111 §4.2.1). */
function freshnessOf(headers: Headers, directives: ReadonlyMap<string, string>, now: Date): number {
  for (const name of ["s-maxage", "max-age"]) {
    const value = directives.get(name);
    if (value !== undefined) return wholeSeconds(value) ?? 0;
  }
  const expires = Date.parse(headers.get("expires") ?? "");
  const date = Date.parse(headers.get("date") ?? "");
  if (Number.isNaN(expires)) return 0;
  return Math.floor((expires - (Number.isNaN(date) ? now.getTime() : date)) / 1000);
}

function directivesOf(value: string): ReadonlyMap<string, string> {
  const directives = new Map<string, string>();
  for (const directive of value.split(",")) {
    const [name = "", argument = ""] = directive.split("=", 2).map((part) => part.trim());
    // "either the first occurrence should be used or the response should be considered stale"
    if (!directives.has(name.toLowerCase()))
      directives.set(name.toLowerCase(), argument.replace(/^"(.*)"$/, "$1"));
  }
  return directives;
}

function wholeSeconds(value: string | null): number | undefined {
  return value !== null && /^[0-9]+$/.test(value) ? Number(value) : undefined;
}
