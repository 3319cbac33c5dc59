import type { ErrorCode } from "@/lib/errors";

/** What goes back to the client, in the names of the wire except for the issuer. */
type AuthorizationResponse = {
  issuer: string;
  state?: string | undefined;
} & (
  | { code: string }
  | {
      error: ErrorCode;
      error_description?: string | undefined;
      error_code?: string | undefined;
      error_uri?: string | undefined;
    }
);

/** The address that carries the answer back to the client (RFC 6749 §4.1.2, RFC 9207 §2). */
export function authorizationResponse(
  redirectUri: string,
  { issuer, state, ...answer }: AuthorizationResponse,
): string {
  // "an authorization server supporting this specification MUST indicate its identity by including the iss
  // parameter in the response", also of errors. No registered redirect URI holds one: checkRedirectUri.
  const query = Object.entries({ ...answer, state, iss: issuer })
    .flatMap(([name, value]) => (value === undefined ? [] : `${name}=${encodeURIComponent(value)}`))
    .join("&");
  return `${redirectUri}${separatorAfter(redirectUri)}${query}`;
}

/** "query component … MUST be retained when adding additional query parameters" (RFC 6749 §3.1.2). */
function separatorAfter(redirectUri: string): string {
  if (!redirectUri.includes("?")) return "?";
  return /[?&]$/.test(redirectUri) ? "" : "&";
}
