import { type ClientProfile, SPECIFIED, SUFFIXED } from "./profile";

/**
 * Gemini CLI, from google-gemini/gemini-cli: packages/core/src/mcp/oauth-provider.ts and oauth-utils.ts. It registers
 * and asks for all the server lists, needs `resource` in the metadata to be its own address (#25508), and since
 * August 2026 refuses an answer without `iss` (#29117). Node's fetch names itself `node`.
 */
export const geminiCli: ClientProfile = {
  id: "gemini-cli",
  name: "Gemini CLI",
  userAgent: { oauth: "node", mcp: "node" },
  protocolVersion: "2025-11-25",
  registration: {
    kind: "dynamic",
    scope: "catalog",
    metadata: {
      client_name: "Gemini CLI MCP Client",
      redirect_uris: ["http://localhost:7777/oauth/callback"],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
    },
  },
  redirectUris: ["http://localhost:7777/oauth/callback"],
  discovery: [...SPECIFIED, ...SUFFIXED],
  endpoints: "metadata",
  authorize: { resource: ["url"], scope: "catalog", offlineAccess: true, state: "0aT4mPq9ZxLr2sWvYb6NcQ" },
  token: { auth: "none", redirectUri: true, resource: ["url"] },
  refresh: { resource: ["url"], scope: "none" },
  quirks: ["Q1", "Q4", "Q12", "Q26", "Q31"],
};
