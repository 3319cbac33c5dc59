import { z } from "zod";
import { isLoopbackHost } from "./loopback";

// Messages continue the name of a variable ("AUTHGENT_PORT must be …") and never repeat its value.

export const text = z.string().trim();

/** A secret is taken as it is: a space at its end may belong to it. */
export const secret = (minimum: number) =>
  z.string().min(minimum, `must have at least ${minimum} characters`);

export const oneOf = <const Values extends readonly string[]>(...values: Values) =>
  z.enum(values, `must be one of ${values.join(", ")}`);

export const flag = z.stringbool({
  truthy: ["true", "1"],
  falsy: ["false", "0"],
  error: "must be true or false",
});

/** A whole number written in digits, within bounds. */
export function wholeNumber(minimum: number, maximum: number = Number.MAX_SAFE_INTEGER) {
  const range =
    maximum === Number.MAX_SAFE_INTEGER ? `, ${minimum} or more` : ` from ${minimum} to ${maximum}`;
  const message = `must be a whole number${range}`;
  return text
    .regex(/^\d+$/, message)
    .transform(Number)
    .pipe(z.number().min(minimum, message).max(maximum, message));
}

/** A lifetime, in seconds. */
export const seconds = wholeNumber(1);

/** A list, written with commas or spaces between its items or as a JSON array. */
export function list(item: z.ZodType<string, string>) {
  const items = z.array(item, "must be a list separated by commas, or a JSON array of strings").readonly();
  return z.preprocess((raw) => (typeof raw === "string" ? splitList(raw.trim()) : raw), items);
}

function splitList(raw: string): unknown {
  if (!raw.startsWith("[")) return raw.split(/[\s,]+/).filter((item) => item !== "");
  try {
    const items: unknown = JSON.parse(raw);
    return Array.isArray(items) && items.every((item) => typeof item === "string") ? items : raw;
  } catch {
    return raw;
  }
}

/** "scope-token = 1*( %x21 / %x23-5B / %x5D-7E )" (RFC 6749 §3.3). */
export const scopeToken = z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/, "must list scopes (RFC 6749 §3.3)");

/** An https URL, or an http one on this machine, that carries no credentials. */
export function urlProblem(value: string): string | undefined {
  if (!URL.canParse(value)) return "must be a URL such as https://auth.example.com";
  const url = new URL(value);
  if (url.protocol !== "https:" && !(url.protocol === "http:" && isLoopbackHost(url.hostname))) {
    return "must begin with https:// (http:// is for localhost only)";
  }
  if (url.username || url.password) return "must not carry a user name or a password";
  if (value.includes("#")) return "must have no fragment";
  return undefined;
}

/** An https URL without query or fragment, or an http one on this machine (RFC 8414 §2). */
export function issuerProblem(value: string): string | undefined {
  // "using the https scheme that has no query or fragment components"
  return (
    urlProblem(value.replace(/[?#].*$/s, "")) ??
    (/[?#]/.test(value) ? "must have no query and no fragment" : undefined)
  );
}

/** Turns a function that finds a problem into a check of the value. */
export function refused<Value>(problemOf: (value: Value) => string | undefined) {
  return (value: Value, refinement: { addIssue(message: string): void }) => {
    const problem = problemOf(value);
    if (problem) refinement.addIssue(problem);
  };
}
