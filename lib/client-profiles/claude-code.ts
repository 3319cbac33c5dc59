import { type ClientProfile, SPECIFIED } from "./profile";

/**
 * Claude Code. The document lists its two callbacks without a port and the request brings one:
 * anthropics/claude-code#37767, #42301, #64705. No user agent while it signs in: #47390.
 * It appends offline_access. Refresh without scope: #89862.
 */
export const claudeCode: ClientProfile = {
  id: "claude-code",
  name: "Claude Code",
  userAgent: { oauth: null, mcp: "claude-code/2.1.116 (cli)" },
  protocolVersion: "2025-11-25",
  registration: {
    kind: "document",
    clientId: "https://claude.ai/oauth/claude-code-client-metadata",
    document: {
      client_id: "https://claude.ai/oauth/claude-code-client-metadata",
      client_name: "Claude Code",
      client_uri: "https://claude.ai",
      redirect_uris: ["http://localhost/callback", "http://127.0.0.1/callback"],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
    },
  },
  redirectUris: ["http://localhost:58135/callback", "http://127.0.0.1:52163/callback"],
  discovery: SPECIFIED,
  endpoints: "metadata",
  authorize: {
    resource: ["url"],
    scope: "challenge",
    offlineAccess: true,
    state: "q7Jv2LrY8wTzKdF0mNcXhB5sGpEuA1iO6jV3tRkW9yM",
  },
  token: { auth: "none", redirectUri: true, resource: ["url"] },
  refresh: { resource: ["url"], scope: "none" },
  quirks: ["Q3", "Q11", "Q18", "Q20", "Q29", "Q30"],
};
