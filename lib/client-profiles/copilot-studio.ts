import { type ClientProfile, SPECIFIED } from "./profile";

// The path has the name of the tool in it (SmartBear/smartbear-mcp#463).
const CALLBACK =
  "https://global.consent.azure-apim.net/redirect/cr938-5fsmartbear-20zephyr-20mcp-5f43bcb8573bc3e84";

/**
 * Microsoft Copilot Studio, "dynamic discovery". It leaves token_endpoint_auth_method out and then counts on a secret
 * (activepieces/activepieces#14397); without a registration endpoint it gives up (tableau/tableau-mcp#772).
 * Assumed: its name, that it sends the secret by HTTP Basic, and that it leaves resource out.
 */
export const copilotStudio: ClientProfile = {
  id: "copilot-studio",
  name: "Copilot Studio",
  userAgent: { oauth: undefined, mcp: undefined },
  protocolVersion: "2025-06-18",
  registration: {
    kind: "dynamic",
    scope: "none",
    metadata: {
      client_name: "Microsoft Copilot Studio",
      redirect_uris: [CALLBACK],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
    },
  },
  redirectUris: [CALLBACK],
  discovery: SPECIFIED,
  endpoints: "metadata",
  authorize: {
    resource: ["url"],
    scope: "challenge",
    offlineAccess: false,
    state: "5d0f8a7e-2c41-4b1c-9f57",
  },
  token: { auth: "client_secret_basic", redirectUri: true, resource: [] },
  refresh: { resource: [], scope: "granted" },
  quirks: ["Q13", "Q14", "Q27", "Q28", "Q38"],
};
