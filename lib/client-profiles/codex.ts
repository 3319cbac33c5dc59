import { type ClientProfile, SPECIFIED } from "./profile";

/**
 * Codex by its document. Since 0.148 it also presents one per MCP server, codex/<id>/client.json with the callback
 * /callback/<id> (speakeasy-api/gram#5516). It may register 127.0.0.1 and send localhost (openai/codex#31038),
 * asks for what the server lists instead of the challenge (#35253), and insists on `iss` (#41836).
 * Assumed: grant_types of the document; refresh requests without resource.
 */
export const codex: ClientProfile = {
  id: "codex",
  name: "Codex",
  userAgent: { oauth: undefined, mcp: undefined },
  protocolVersion: "2025-11-25",
  registration: {
    kind: "document",
    clientId: "https://chatgpt.com/oauth/codex/client.json",
    document: {
      client_id: "https://chatgpt.com/oauth/codex/client.json",
      client_name: "Codex",
      redirect_uris: ["http://127.0.0.1/callback", "http://localhost/callback"],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
    },
  },
  redirectUris: ["http://127.0.0.1:43123/callback", "http://localhost:43123/callback"],
  discovery: SPECIFIED,
  endpoints: "metadata",
  authorize: {
    resource: ["url"],
    scope: "catalog",
    offlineAccess: true,
    state: "1vFz8aQkT0y4sWmJrXeBnA",
  },
  token: { auth: "none", redirectUri: true, resource: ["url"] },
  refresh: { resource: [], scope: "none" },
  quirks: ["Q4", "Q8", "Q18", "Q20", "Q28", "Q31", "Q32"],
};

/**
 * Codex where it registers: the callback carries an id of its own, and a client that was given a secret sends it
 * by HTTP Basic although it registered for the body (openai/codex#40928).
 */
export const codexDynamic: ClientProfile = {
  ...codex,
  id: "codex-dynamic",
  name: "Codex, registering",
  registration: {
    kind: "dynamic",
    scope: "none",
    metadata: {
      client_name: "Codex",
      redirect_uris: ["http://127.0.0.1:37819/callback/a1b2c3d4e5f6"],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "client_secret_post",
      application_type: "native",
    },
  },
  redirectUris: [
    "http://127.0.0.1:37819/callback/a1b2c3d4e5f6",
    "http://localhost:37819/callback/a1b2c3d4e5f6",
  ],
  token: { auth: "client_secret_basic", redirectUri: true, resource: ["url"] },
  quirks: ["Q11", "Q12", "Q13", "Q18", "Q28"],
};
