import { OAuthError } from "@/lib/errors";

const MAX_SCOPES = 100;

// scope-token = 1*( %x21 / %x23-5B / %x5D-7E )
const SCOPE_TOKEN = /^[\x21\x23-\x5b\x5d-\x7e]+$/;

/** True for one name of a scope, as the grammar allows it (RFC 6749 §3.3). */
export function isScopeToken(value: string): boolean {
  return SCOPE_TOKEN.test(value);
}

/** Reads a scope parameter into its names, each once and in the order sent (RFC 6749 §3.3). */
export function parseScope(value: string | undefined): readonly string[] {
  // "Parameters sent without a value MUST be treated as if they were omitted from the request" (RFC 6749 §3.1)
  if (!value) return [];

  const names = value.split(" ");
  if (!names.every(isScopeToken)) {
    throw new OAuthError("invalid_scope", "Send scope as names separated by single spaces");
  }
  const unique = [...new Set(names)];
  if (unique.length > MAX_SCOPES) {
    throw new OAuthError("invalid_scope", `Ask for at most ${MAX_SCOPES} scopes at a time`);
  }
  return unique;
}

/** Writes scope names as the wire carries them (RFC 6749 §3.3). */
export function formatScope(scope: readonly string[]): string {
  return scope.join(" ");
}

/**
 * Gives what was requested of what is held, and refuses anything beyond it; nothing requested
 * means all that is held (RFC 6749 §6).
 */
export function narrowScope(held: readonly string[], requested: readonly string[]): readonly string[] {
  if (requested.length === 0) return held;

  // "MUST NOT include any scope not originally granted by the resource owner"
  const extra = requested.filter((name) => !held.includes(name));
  if (extra.length > 0) {
    throw new OAuthError(
      "invalid_scope",
      `Leave out the scopes that were not granted: ${formatScope(extra)}`,
      {
        detail: "scope_escalation",
      },
    );
  }
  return requested;
}

/** The names that both lists hold, in the order of the first. */
export function intersectScope(a: readonly string[], b: readonly string[]): readonly string[] {
  return a.filter((name) => b.includes(name));
}

/** The names that either list holds, each once, those of the first before those of the second. */
export function unionScope(a: readonly string[], b: readonly string[]): readonly string[] {
  return [...new Set([...a, ...b])];
}
