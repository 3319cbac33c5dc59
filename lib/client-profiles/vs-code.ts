import { type ClientProfile, SPECIFIED } from "./profile";

// From microsoft/vscode: src/vs/base/common/oauth.ts; an authorization request as logged by a server has
// the state in padded base64 and the resource once. Assumed: refresh without resource in older versions.
const shared = {
  userAgent: { oauth: undefined, mcp: undefined },
  protocolVersion: "2025-11-25",
  discovery: SPECIFIED,
  endpoints: "metadata",
  authorize: {
    resource: ["url"],
    scope: "challenge",
    offlineAccess: false,
    state: "gXVXo0/iMD8WMolDHKxSTg==",
  },
  token: { auth: "none", redirectUri: true, resource: ["url"] },
  refresh: { resource: [], scope: "none" },
} satisfies Partial<ClientProfile>;

/**
 * VS Code where the server takes documents (microsoft/vscode#271403). Its own port may be busy, and then it
 * listens on another one (microsoft/vscode#278512).
 */
export const vsCode: ClientProfile = {
  id: "vs-code",
  name: "VS Code",
  ...shared,
  registration: {
    kind: "document",
    clientId: "https://vscode.dev/oauth/client-metadata.json",
    document: {
      client_name: "Visual Studio Code",
      logo_uri: "https://code.visualstudio.com/assets/branding/code-stable.png",
      grant_types: ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
      application_type: "native",
      client_id: "https://vscode.dev/oauth/client-metadata.json",
      client_uri: "https://vscode.dev/product",
      redirect_uris: ["http://127.0.0.1:33418/", "https://vscode.dev/redirect"],
    },
  },
  redirectUris: ["http://127.0.0.1:33418/", "http://127.0.0.1:49731/", "https://vscode.dev/redirect"],
  quirks: ["Q18", "Q20", "Q21", "Q28", "Q35"],
};

/** VS Code before it took documents, and where it registers first. */
export const vsCodeDynamic: ClientProfile = {
  id: "vs-code-dynamic",
  name: "VS Code, registering",
  ...shared,
  registration: {
    kind: "dynamic",
    scope: "challenge",
    metadata: {
      client_name: "Visual Studio Code",
      client_uri: "https://code.visualstudio.com",
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      redirect_uris: [
        "https://insiders.vscode.dev/redirect",
        "https://vscode.dev/redirect",
        "http://127.0.0.1/",
        "http://127.0.0.1:33418/",
      ],
      token_endpoint_auth_method: "none",
      application_type: "native",
    },
  },
  redirectUris: ["http://127.0.0.1:33418/", "http://127.0.0.1:50122", "https://insiders.vscode.dev/redirect"],
  quirks: ["Q11", "Q14", "Q18", "Q28"],
};
