import { type ClientProfile, SPECIFIED } from "./profile";

const CALLBACK = "https://callback.mistral.ai/v1/integrations_auth/oauth2_callback";

/**
 * Mistral's Le Chat: a confidential client that registers for HTTP Basic and fails without a secret
 * (pantalytics/odoo-mcp-pro#21, #22). Assumed: its name, and everything about resource and scope.
 */
export const leChat: ClientProfile = {
  id: "le-chat",
  name: "Le Chat",
  userAgent: { oauth: undefined, mcp: undefined },
  protocolVersion: "2025-06-18",
  registration: {
    kind: "dynamic",
    scope: "none",
    metadata: {
      client_name: "Le Chat",
      redirect_uris: [CALLBACK],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "client_secret_basic",
    },
  },
  redirectUris: [CALLBACK],
  discovery: SPECIFIED,
  endpoints: "metadata",
  authorize: { resource: ["url"], scope: "challenge", offlineAccess: false, state: "c2Vzc2lvbjoxMjM0NTY" },
  token: { auth: "client_secret_basic", redirectUri: true, resource: ["url"] },
  refresh: { resource: ["url"], scope: "none" },
  quirks: ["Q13", "Q14"],
};
