import { type ClientProfile, SPECIFIED } from "./profile";

// Calls: openai-mcp/1.0.0. What it sends while it signs in is not recorded.
// Assumed: the repeated resource parameter stands twice in one request, not once in each of two.
const shared = {
  name: "ChatGPT",
  userAgent: { oauth: undefined, mcp: "openai-mcp/1.0.0" },
  protocolVersion: "2025-11-25",
  discovery: SPECIFIED,
  endpoints: "metadata",
  authorize: {
    resource: ["url", "url"],
    scope: "challenge",
    offlineAccess: true,
    state: "oauth_s_68f0c2d1a7e48191b3c5d9e0f1a2b3c4",
  },
  refresh: { resource: ["url"], scope: "none" },
} satisfies Partial<ClientProfile>;

/**
 * ChatGPT by the document it publishes for everybody, recorded in django-oauth/django-oauth-toolkit#1857
 * and #1845. Since August 2026 it signs where the server offers private_key_jwt (Artexis10/exomem#380,
 * PostHog/posthog#80787).
 */
export const chatgpt: ClientProfile = {
  id: "chatgpt",
  ...shared,
  registration: {
    kind: "document",
    clientId: "https://chatgpt.com/oauth/client.json",
    document: {
      client_id: "https://chatgpt.com/oauth/client.json",
      client_uri: "https://chatgpt.com/",
      redirect_uris: ["https://chatgpt.com/connector_platform_oauth_redirect"],
      token_endpoint_auth_method: "private_key_jwt",
      token_endpoint_auth_methods_supported: ["none", "private_key_jwt"],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      client_name: "ChatGPT",
      logo_uri: "https://persistent.oaistatic.com/sonic/misc/openai-logo.png",
      token_endpoint_auth_signing_alg: "RS256",
      jwks_uri: "https://chatgpt.com/oauth/jwks.json",
    },
  },
  redirectUris: ["https://chatgpt.com/connector_platform_oauth_redirect"],
  token: { auth: "private_key_jwt", redirectUri: true, resource: ["url", "url"] },
  quirks: ["Q4", "Q19", "Q20", "Q27", "Q30"],
};

/**
 * An app made in ChatGPT's developer mode, with a document of its own that names private_key_jwt and
 * nothing else (Altinity/altinity-mcp#118, engram-app/Engram#1633).
 */
export const chatgptApp: ClientProfile = {
  id: "chatgpt-app",
  ...shared,
  name: "ChatGPT app",
  registration: {
    kind: "document",
    clientId: "https://chatgpt.com/oauth/kDmjx77UnKOM/client.json",
    document: {
      client_id: "https://chatgpt.com/oauth/kDmjx77UnKOM/client.json",
      client_uri: "https://chatgpt.com/",
      redirect_uris: ["https://chatgpt.com/connector/oauth/kDmjx77UnKOM"],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      client_name: "ChatGPT",
      token_endpoint_auth_method: "private_key_jwt",
      token_endpoint_auth_signing_alg: "RS256",
      jwks_uri: "https://chatgpt.com/oauth/jwks.json",
    },
  },
  redirectUris: ["https://chatgpt.com/connector/oauth/kDmjx77UnKOM"],
  token: { auth: "private_key_jwt", redirectUri: true, resource: ["url", "url"] },
  quirks: ["Q19"],
};
