import { createMcpHandler, McpServer, originValidationResponse } from "@modelcontextprotocol/server";
import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { formatScope } from "@/lib/oauth/scope";
import type { LiveToken } from "@/lib/services/token-state";
import packageJson from "@/package.json" with { type: "json" };
import { authenticateBearer } from "./bearer";
import type { Call } from "./call";

/**
 * Our own MCP endpoint (MCP 2026-07-28 and the 2025 revisions on one address).
 * It is a protected resource like any other: without a token everything, `initialize` included, answers 401 (D15).
 */
export async function mcpEndpoint(ctx: Context, call: Call): Promise<Response> {
  const { request } = call;
  refuseForeignOrigin(ctx, request);
  const bearer = await authenticateBearer(ctx, call, {
    resource: `${ctx.settings.serverUrl}/mcp`,
    scope: ["mcp:tools"],
  });
  // One handler for each request: nothing of one caller can reach another (CVE-2026-25536).
  const handler = createMcpHandler(() => mcpServer(bearer));
  return handler.fetch(request);
}

/** A browser page of another origin has no business here, whatever name it reached us by (DNS rebinding). */
function refuseForeignOrigin({ settings }: Context, request: Request): void {
  const allowed = [
    new URL(settings.serverUrl).hostname,
    ...(settings.localMode ? ["localhost", "127.0.0.1", "[::1]"] : []),
  ];
  if (originValidationResponse(request, allowed)) {
    throw new OAuthError("forbidden", "This origin may not call the MCP endpoint from a browser.");
  }
}

function mcpServer({ claims, scope }: LiveToken): McpServer {
  const server = new McpServer({ name: "authgent", version: packageJson.version });
  server.registerTool(
    "whoami",
    {
      title: "Who am I",
      description: "Tells for whom you act here, as which app, and with which permissions.",
      annotations: { readOnlyHint: true },
    },
    () => {
      const { sub, client_id, aud, act } = claims;
      const answer = { sub, client_id, scope: formatScope(scope), aud, act: act ?? null };
      return { content: [{ type: "text", text: JSON.stringify(answer) }], structuredContent: answer };
    },
  );
  return server;
}
