type Claims = Readonly<Record<string, unknown>>;
/** Values by the name of a claim, or by the dotted path of a nested one. */
type Conditions = Readonly<Record<string, string>>;

/** True if claims meet every condition; no conditions are met by nobody. */
export function meetsConditions(claims: Claims, conditions: Conditions): boolean {
  const all = Object.entries(conditions);
  return all.length > 0 && all.every(([path, expected]) => meets(claimAt(claims, path), expected));
}

/** A list meets what one of its members meets; a `*` at the end stands for the rest. */
function meets(claim: unknown, expected: string): boolean {
  if (Array.isArray(claim)) return claim.some((member) => !Array.isArray(member) && meets(member, expected));
  // Of two large numbers that JSON tells apart, JavaScript may make the same one.
  if (typeof claim === "number") return Number.isSafeInteger(claim) && String(claim) === expected;
  if (typeof claim === "boolean") return String(claim) === expected;
  if (typeof claim !== "string") return false;
  return expected.endsWith("*") ? claim.startsWith(expected.slice(0, -1)) : claim === expected;
}

/** The claim at a path. Names contain dots too (`kubernetes.io`): the longest name that is there is the one meant. */
function claimAt(claims: unknown, path: string): unknown {
  if (typeof claims !== "object" || claims === null || Array.isArray(claims)) return undefined;
  const members = new Map(Object.entries(claims));
  if (members.has(path)) return members.get(path);
  for (let dot = path.lastIndexOf("."); dot > 0; dot = path.lastIndexOf(".", dot - 1)) {
    const name = path.slice(0, dot);
    if (members.has(name)) return claimAt(members.get(name), path.slice(dot + 1));
  }
  return undefined;
}

/** True of every token of an issuer, or of whichever comes at the right time: they tell nobody from anybody. */
const COMMON = ["iss", "aud", "exp", "iat", "nbf", "auth_time", "jti", "typ", "email_verified"];
const ANYTHING = /^\**$/;
/** Nothing, `*`, `repo:*`, `spiffe://*`: such a subject is of a kind, and nobody's in particular. */
const KIND_ONLY = /^$|^[^:/]*[:/]*\*+$/;

/** True if conditions single workloads out: one on `sub`, or two on others that everybody would not meet. */
export function areSelective(conditions: Conditions): boolean {
  const { sub, ...others } = conditions;
  if (sub !== undefined && !KIND_ONLY.test(sub)) return true;
  const telling = Object.entries(others).filter(
    ([name, value]) => !COMMON.includes(name) && !ANYTHING.test(value),
  );
  return telling.length >= 2;
}
