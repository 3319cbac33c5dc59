import { type ClientProfile, SPECIFIED, SUFFIXED } from "./profile";

const REDIRECT_URIS = [
  "cursor://anysphere.cursor-mcp/oauth/callback",
  "https://www.cursor.com/agents/mcp/oauth/callback",
  "http://localhost:8787/callback",
];

/**
 * Cursor: no document, and three callbacks in one registration, of three kinds (soflyy/agent-connector-for-wp#111,
 * erp-mafia/accounted#2225). application_type is left out as of 3.13 (better-auth/better-auth#10956).
 * Assumed: the discovery fallbacks are those of the TypeScript SDK; its user agent is not recorded.
 */
export const cursor: ClientProfile = {
  id: "cursor",
  name: "Cursor",
  userAgent: { oauth: undefined, mcp: undefined },
  protocolVersion: "2025-11-25",
  registration: {
    kind: "dynamic",
    scope: "none",
    metadata: {
      client_name: "Cursor",
      redirect_uris: REDIRECT_URIS,
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
    },
  },
  redirectUris: REDIRECT_URIS,
  discovery: [...SPECIFIED, ...SUFFIXED],
  endpoints: "metadata",
  authorize: {
    resource: ["url"],
    scope: "challenge",
    offlineAccess: false,
    // A JSON object in base64url: state is the client's to shape (client quirk Q35).
    state: "eyJpZCI6InVzZXItYXV0aGdlbnQiLCJub25jZSI6IjVmM2EifQ",
  },
  token: { auth: "none", redirectUri: true, resource: ["url"] },
  refresh: { resource: ["url"], scope: "none" },
  quirks: ["Q1", "Q10", "Q11", "Q12", "Q14", "Q35"],
};
