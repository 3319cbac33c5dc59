const NOT_STORABLE = /[\0\p{Cs}]/u;

/** True for JSON of at most `depth` levels that PostgreSQL can hold: no NUL, and no half of a UTF-16 character. */
export function isStorable(value: unknown, depth: number): boolean {
  if (typeof value === "string") return !NOT_STORABLE.test(value);
  if (typeof value !== "object" || value === null) return true;
  return (
    depth > 0 && Object.entries(value).every((entry) => entry.every((part) => isStorable(part, depth - 1)))
  );
}
