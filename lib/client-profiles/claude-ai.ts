import { type ClientProfile, SPECIFIED } from "./profile";

const CALLBACK = "https://claude.ai/api/mcp/auth_callback";

// User agents: anthropics/claude-ai-mcp#764 (discovery, with its headers) and #620 (calls). The document was
// recorded as served on 2026-09-29; its jwt-bearer grant is one we do not offer. Some networks cannot fetch it:
// it may answer a server with a browser challenge and 403.
// Assumed: the token request repeats redirect_uri and resource, and the refresh repeats resource.
const shared = {
  userAgent: { oauth: "python-httpx/0.28.1", mcp: "Claude-User" },
  protocolVersion: "2025-11-25",
  redirectUris: [CALLBACK],
  authorize: {
    resource: ["url"],
    scope: "challenge",
    offlineAccess: false,
    state: "Xk0mC3nqPz9bYw6T2vR8sE1dU4hJ7gL5aN_oQfI-tKc",
  },
  token: { auth: "none", redirectUri: true, resource: ["url"] },
  refresh: { resource: ["url"], scope: "none" },
} satisfies Partial<ClientProfile>;

/** claude.ai, Claude Desktop and the mobile apps: all connect from Anthropic's servers. */
export const claudeAi: ClientProfile = {
  id: "claude-ai",
  name: "claude.ai",
  ...shared,
  registration: {
    kind: "document",
    clientId: "https://claude.ai/oauth/mcp-oauth-client-metadata",
    document: {
      client_id: "https://claude.ai/oauth/mcp-oauth-client-metadata",
      client_name: "Claude",
      client_uri: "https://claude.ai",
      redirect_uris: [CALLBACK],
      grant_types: ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:jwt-bearer"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
    },
  },
  discovery: SPECIFIED,
  endpoints: "metadata",
  quirks: ["Q1", "Q3", "Q9", "Q20", "Q21"],
};

/**
 * The same where it registers dynamically, anew with every connection. It has then been seen to use the
 * endpoints at the root whatever the metadata say (anthropics/claude-ai-mcp#82, #341).
 * Assumed: the members of the registration beside name and callbacks.
 */
export const claudeAiDynamic: ClientProfile = {
  id: "claude-ai-dynamic",
  name: "claude.ai, registering",
  ...shared,
  redirectUris: [CALLBACK, "https://claude.com/api/mcp/auth_callback"],
  registration: {
    kind: "dynamic",
    scope: "none",
    metadata: {
      client_name: "Claude",
      redirect_uris: [CALLBACK, "https://claude.com/api/mcp/auth_callback"],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
    },
  },
  discovery: SPECIFIED,
  endpoints: "root",
  quirks: ["Q6", "Q9", "Q12", "Q13", "Q14", "Q15"],
};
