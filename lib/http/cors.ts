import type { Settings } from "@/lib/settings";
import type { Route } from "./call";

/** What browser clients send and read (client quirk Q7). */
const ALLOWED = [
  "authorization",
  "content-type",
  "dpop",
  "oauth-client-attestation",
  "oauth-client-attestation-pop",
  "mcp-protocol-version",
  "mcp-session-id",
  "mcp-method",
  "mcp-name",
  "last-event-id",
].join(", ");
const EXPOSED =
  "WWW-Authenticate, MCP-Session-Id, MCP-Protocol-Version, DPoP-Nonce, OAuth-Client-Attestation-Challenge, Retry-After, X-Request-Id";

/** Answers a preflight, but for the headers that every answer of the route carries (RFC 10017). */
export function preflight(route: Route): Response {
  const headers = new Headers();
  headers.set("access-control-allow-methods", [...Object.keys(route.methods), "OPTIONS"].join(", "));
  headers.set("access-control-allow-headers", ALLOWED);
  headers.set("access-control-max-age", "86400");
  return new Response(null, { status: 204, headers });
}

/** The CORS headers of an answer; none where the operator listed origins and this is not one of them. */
export function corsHeaders({ corsOrigins }: Settings, request: Request): [string, string][] {
  const exposed: [string, string] = ["access-control-expose-headers", EXPOSED];
  if (corsOrigins.length === 0 || corsOrigins.includes("*"))
    return [["access-control-allow-origin", "*"], exposed];
  const origin = request.headers.get("origin");
  const vary: [string, string] = ["vary", "Origin"];
  if (!origin || !corsOrigins.includes(origin)) return [vary];
  return [["access-control-allow-origin", origin], vary, exposed];
}
