import {
  bearerAuthChallengeResponse,
  createMcpHandler,
  getOAuthProtectedResourceMetadataUrl,
  hostHeaderValidationResponse,
  localhostAllowedHostnames,
  originValidationResponse,
  verifyBearerToken,
} from "@modelcontextprotocol/server";
import { ALGORITHMS, keyChecker, ProofError, proofChallengeResponse } from "./proof.mjs";

/**
 * An MCP server as a protected resource: says who protects it, asks for a token, and hands verified callers on.
 * Speaks MCP 2026-07-28 and the 2025 revisions.
 *
 * @param {object} options
 * @param {string} options.issuer The authorization server.
 * @param {string} options.resource The address of this MCP server, exactly as clients are given it.
 * @param {string} options.name What people call it.
 * @param {string[]} options.scopes Every scope there is.
 * @param {string[]} options.firstScopes What a client should ask for at first; more when a tool needs it.
 * @param {import("@modelcontextprotocol/server").OAuthTokenVerifier} options.verifier
 * @param {(caller: import("@modelcontextprotocol/server").AuthInfo) => import("@modelcontextprotocol/server").McpServer} options.server
 * @returns {(request: Request) => Promise<Response>}
 */
export function protect({ issuer, resource, name, scopes, firstScopes, verifier, server }) {
  const resourceMetadataUrl = getOAuthProtectedResourceMetadataUrl(new URL(resource));
  const metadataPaths = [new URL(resourceMetadataUrl).pathname, "/.well-known/oauth-protected-resource"];
  const metadata = {
    resource,
    authorization_servers: [issuer],
    resource_name: name,
    scopes_supported: scopes,
    bearer_methods_supported: ["header"],
    dpop_signing_alg_values_supported: ALGORITHMS,
  };
  const checkKey = keyChecker(resource);
  const handler = createMcpHandler(({ authInfo }) => server(authInfo));

  async function answer(request) {
    const { pathname } = new URL(request.url);
    if (request.method === "OPTIONS") return new Response(null, { status: 204, headers: PREFLIGHT });
    if (metadataPaths.includes(pathname)) return Response.json(metadata);
    if (pathname !== new URL(resource).pathname) return new Response("Not found\n", { status: 404 });
    return refuseRebinding(request, resource) ?? serveHolder(request);
  }

  async function serveHolder(request) {
    const authorization = request.headers.get("authorization");
    // "the resource server SHOULD NOT include an error code" when no credentials were sent (RFC 6750 §3.1).
    if (!authorization) return askForToken(resourceMetadataUrl, firstScopes);
    try {
      const [scheme, token] = authorization.split(" ");
      // The token is the same in either scheme; what proves its key is looked at below.
      const bearer = authorization.replace(/^DPoP /i, "Bearer ");
      const authInfo = await verifyBearerToken(bearer, { verifier, resourceMetadataUrl });
      await checkKey(request, scheme, token, authInfo.extra.cnf);
      return await handler.fetch(request, { authInfo });
    } catch (error) {
      if (error instanceof ProofError) return proofChallengeResponse(error, resourceMetadataUrl);
      return bearerAuthChallengeResponse(error, { requiredScopes: firstScopes, resourceMetadataUrl });
    }
  }

  return async (request) => {
    const response = await answer(request);
    const headers = new Headers(response.headers);
    for (const [key, value] of Object.entries(CORS)) headers.set(key, value);
    return new Response(response.body, { status: response.status, headers });
  };
}

function askForToken(resourceMetadataUrl, firstScopes) {
  const challenge = `Bearer resource_metadata="${resourceMetadataUrl}", scope="${firstScopes.join(" ")}"`;
  return Response.json(
    { error: "invalid_token", error_description: "Send an access token as Authorization: Bearer." },
    { status: 401, headers: { "www-authenticate": challenge } },
  );
}

/** A page that made its own name point here (DNS rebinding) is neither this host nor a known origin. */
function refuseRebinding(request, resource) {
  const names = [new URL(resource).hostname, ...localhostAllowedHostnames()];
  return hostHeaderValidationResponse(request, names) ?? originValidationResponse(request, names);
}

const CORS = {
  "access-control-allow-origin": "*",
  "access-control-expose-headers": "WWW-Authenticate, MCP-Session-Id, MCP-Protocol-Version, Retry-After",
};
const PREFLIGHT = {
  "access-control-allow-methods": "GET, POST, DELETE, OPTIONS",
  "access-control-allow-headers":
    "authorization, content-type, dpop, mcp-protocol-version, mcp-session-id, mcp-method, mcp-name, last-event-id",
  "access-control-max-age": "86400",
};
