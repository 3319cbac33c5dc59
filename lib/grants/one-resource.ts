import { OAuthError } from "@/lib/errors";
import { sameResource } from "@/lib/oauth/resource";

/** The resource a request names; the same one twice is one (RFC 8707 §2), two are refused: `aud` is a single string. */
export function oneResource(resources: readonly string[]): string | undefined {
  const [first, ...others] = resources;
  if (first !== undefined && !others.every((other) => sameResource(first, other))) {
    throw new OAuthError("invalid_target", "Ask for one resource at a time; a token is for exactly one.");
  }
  return first;
}
