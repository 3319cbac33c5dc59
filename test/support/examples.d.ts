/** What the tests use of the examples, which are JavaScript and stand alone. */
declare module "@/examples/mcp-server/protect.mjs" {
  import type { AuthInfo, McpServer, OAuthTokenVerifier } from "@modelcontextprotocol/server";

  export function protect(options: {
    issuer: string;
    resource: string;
    name: string;
    scopes: string[];
    firstScopes: string[];
    verifier: OAuthTokenVerifier;
    server: (caller: AuthInfo) => McpServer;
  }): (request: Request) => Promise<Response>;
}

declare module "@/examples/mcp-server/notes.mjs" {
  import type { AuthInfo, McpServer } from "@modelcontextprotocol/server";

  export function notesServer(caller: AuthInfo): McpServer;
}

declare module "@/examples/mcp-server/verify-live.mjs" {
  import type { OAuthTokenVerifier } from "@modelcontextprotocol/server";

  export function liveVerifier(options: {
    issuer: string;
    resource: string;
    pollSeconds?: number;
  }): OAuthTokenVerifier;
}

declare module "@/examples/mcp-server/verify-offline.mjs" {
  import type { OAuthTokenVerifier } from "@modelcontextprotocol/server";

  export function offlineVerifier(options: {
    issuer: string;
    resource: string;
    pollSeconds?: number;
  }): OAuthTokenVerifier;
}
