import { beforeAll, describe, expect, it } from "vitest";
import { type Connection, connect } from "@/test/support/client";
import { testContext } from "@/test/support/context";

let c: Connection;

beforeAll(async () => {
  c = connect(await testContext());
});

const ORIGIN = "https://inspector.example";
const preflight = (path: string, at = c) =>
  at.call(path, {
    method: "OPTIONS",
    headers: { origin: ORIGIN, "access-control-request-method": "POST" },
  });

const open = [
  "/.well-known/oauth-authorization-server",
  "/.well-known/openid-configuration/mcp",
  "/.well-known/oauth-protected-resource/mcp",
  "/.well-known/jwks.json",
  "/token",
  "/oauth/token",
  "/register",
  "/revoke",
  "/challenge",
  "/mcp",
];
const closed = [
  "/authorize",
  "/authorize/some-id",
  "/approve/some-id/decision",
  "/approvals/some-id/decision",
  "/introspect",
  "/resources",
  "/clients",
  "/users",
  "/me/grants/some-id/stop",
  "/logout",
];

describe("RFC 10017 OAuth 2.0 for Browser-Based Apps: CORS (client quirk Q7)", () => {
  it.each(open)("%s answers a preflight to any origin, once and without credentials", async (path) => {
    const { status, headers } = await preflight(path);
    expect(status).toBe(204);
    expect(headers.get("access-control-allow-origin")).toBe("*");
    expect(headers.get("access-control-allow-credentials")).toBe(null);
    expect(headers.get("access-control-max-age")).toBe("86400");
    expect(headers.get("access-control-allow-headers")?.split(", ")).toEqual([
      "authorization",
      "content-type",
      "dpop",
      "oauth-client-attestation",
      "oauth-client-attestation-pop",
      "mcp-protocol-version",
      "mcp-session-id",
      "mcp-method",
      "mcp-name",
      "last-event-id",
    ]);
  });

  it("the methods of a preflight are those of the endpoint", async () => {
    const methodsOf = async (path: string) =>
      (await preflight(path)).headers.get("access-control-allow-methods");
    expect(await methodsOf("/token")).toBe("POST, OPTIONS");
    expect(await methodsOf("/mcp")).toBe("GET, POST, DELETE, OPTIONS");
    expect(await methodsOf("/.well-known/jwks.json")).toBe("GET, OPTIONS");
  });

  it("answers and refusals can both be read, with the headers that matter", async () => {
    const answers = [
      await c.call("/.well-known/jwks.json", { headers: { origin: ORIGIN } }),
      await c.form("/token", {}, { origin: ORIGIN }),
    ];
    for (const { headers } of answers) {
      expect(headers.get("access-control-allow-origin")).toBe("*");
      expect(headers.get("access-control-expose-headers")).toBe(
        "WWW-Authenticate, MCP-Session-Id, MCP-Protocol-Version, DPoP-Nonce, OAuth-Client-Attestation-Challenge, Retry-After, X-Request-Id",
      );
    }
  });

  it.each(closed)("%s is not for scripts of other origins", async (path) => {
    const { status, headers } = await preflight(path);
    expect(status).toBe(405);
    expect(headers.get("access-control-allow-origin")).toBe(null);
  });

  it("origins that the operator listed are told by name, others get nothing", async () => {
    const at = connect(await testContext({ env: { AUTHGENT_CORS_ORIGINS: ORIGIN } }));
    const listed = await preflight("/token", at);
    expect(listed.headers.get("access-control-allow-origin")).toBe(ORIGIN);
    expect(listed.headers.get("vary")).toBe("Origin");
    const other = await at.form("/token", {}, { origin: "https://other.example" });
    expect(other.headers.get("access-control-allow-origin")).toBe(null);
    expect(other.headers.get("vary")).toBe("Origin");
  });
});
