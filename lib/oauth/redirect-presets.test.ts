import { describe, expect, it } from "vitest";
import { isKnownRedirectUri } from "./redirect-presets";

describe("isKnownRedirectUri (client-quirks Q14)", () => {
  it.each([
    "https://claude.ai/api/mcp/auth_callback",
    "https://claude.com/api/mcp/auth_callback",
    "https://chatgpt.com/connector_platform_oauth_redirect",
    "https://chatgpt.com/connector/oauth/AbC-123",
    "https://vscode.dev/redirect",
    "https://insiders.vscode.dev/redirect",
    "https://www.cursor.com/agents/mcp/oauth/callback",
    "https://callback.mistral.ai/v1/integrations_auth/oauth2_callback",
    "https://global.consent.azure-apim.net/redirect/tool-5f3a",
    "cursor://anysphere.cursor-mcp/oauth/callback",
    "vscode://publisher.extension/cb",
    "vscode-insiders://publisher.extension/cb",
    "http://localhost:8787/callback",
    "http://127.0.0.1/callback",
    "http://[::1]:5000/",
  ])("knows %s", (uri) => {
    expect(isKnownRedirectUri(uri, [])).toBe(true);
  });

  it.each([
    "https://evil.ex/cb",
    "https://claude.ai/api/mcp/auth_callback/x",
    "https://claude.ai/api/mcp/auth_callback?x=1",
    "https://claude.ai.evil.ex/api/mcp/auth_callback",
    "https://claude.ai:8443/api/mcp/auth_callback",
    "https://claude.ai@evil.ex/api/mcp/auth_callback",
    "https://chatgpt.com/connector/oauth",
    "https://chatgpt.com/connector/oauth/../../share/x",
    "https://chatgpt.com/connector/oauth/%2e%2e/x",
    "https://chatgpt.com/connector/oauth/..%2fx",
    "http://claude.ai/api/mcp/auth_callback",
    "cursor-evil://x/cb",
    "windsurf://x/cb",
    "not a uri",
  ])("does not know %s", (uri) => {
    expect(isKnownRedirectUri(uri, [])).toBe(false);
  });

  it.each([
    ["app.a.ex/oauth/*", "https://app.a.ex/oauth/cb", true],
    ["https://app.a.ex/oauth/*", "https://app.a.ex/oauth/cb", true],
    ["app.a.ex/cb", "https://app.a.ex/cb", true],
    ["windsurf:", "windsurf://x/cb", true],
    ["windsurf://x/cb", "windsurf://x/cb", true],
    ["app.a.ex/cb", "https://app.a.ex/cb2", false],
    ["app.a.ex*", "https://app.a.ex.evil/cb", false],
    ["*", "https://evil.ex/cb", false],
    ["https://*", "https://evil.ex/cb", false],
    ["app.a.ex/*/cb", "https://app.a.ex/x/cb", false],
    ["app.a.ex/c.", "https://app.a.ex/cb", false],
    ["https:", "https://evil.ex/cb", false],
    ["", "https://evil.ex/cb", false],
  ])("operator's pattern %j and %s: %s", (pattern, uri, expected) => {
    expect(isKnownRedirectUri(uri, [pattern])).toBe(expected);
  });
});
