import { redirectKind } from "./redirect-uri";
import { hasDotSegments, splitUri } from "./uri";

/**
 * Redirect URIs of the MCP clients in wide use: `host/path`, where a final `*` stands for anything
 * more of the path, or `scheme:` for an app that owns its scheme.
 */
const PRESETS: readonly string[] = [
  "claude.ai/api/mcp/auth_callback",
  "claude.com/api/mcp/auth_callback",
  "chatgpt.com/connector_platform_oauth_redirect",
  "chatgpt.com/connector/oauth/*",
  "vscode.dev/redirect",
  "insiders.vscode.dev/redirect",
  "www.cursor.com/agents/mcp/oauth/callback",
  "callback.mistral.ai/v1/integrations_auth/oauth2_callback",
  "global.consent.azure-apim.net/redirect/*",
  "cursor:",
  "vscode:",
  "vscode-insiders:",
];

/** True for a redirect URI that constrained registration accepts: loopback, a preset, or the operator's pattern. */
export function isKnownRedirectUri(uri: string, extraPatterns: readonly string[]): boolean {
  const parts = splitUri(uri);
  if (!parts || hasDotSegments(parts.path)) return false;
  if (redirectKind(uri) === "loopback") return true;
  return [...PRESETS, ...extraPatterns].some((pattern) => matchesPattern(uri, pattern));
}

function matchesPattern(uri: string, pattern: string): boolean {
  if (/^[a-z][a-z0-9+.-]*:$/.test(pattern))
    return redirectKind(uri) === "private-use" && uri.startsWith(pattern);

  const full = pattern.includes("://") ? pattern : `https://${pattern}`;
  if (!full.endsWith("*")) return uri === full;
  const prefix = full.slice(0, -1);
  // A wildcard that could reach into the host would let app.example* match app.example.evil.
  return (
    /^[^:]+:\/\/[^/]+\//.test(prefix) && uri.startsWith(prefix) && !uri.slice(prefix.length).includes("?")
  );
}
