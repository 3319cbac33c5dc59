import { beforeAll, describe, expect, it } from "vitest";
import { type Connection, connect, publicServer } from "@/test/support/client";
import { testContext, unique } from "@/test/support/context";

const ISSUER = "https://auth.example.com";
const ROOT = "/.well-known/oauth-protected-resource";

let c: Connection;

beforeAll(async () => {
  c = connect(await testContext({ env: publicServer }));
});

describe("RFC 9728 OAuth 2.0 Protected Resource Metadata", () => {
  it("§3.1: the MCP endpoint's is at the path of the endpoint", async () => {
    const response = await c.call(`${ROOT}/mcp`);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(response.headers.get("cache-control")).toBe("public, max-age=300");
    expect(await response.json()).toEqual({
      resource: `${ISSUER}/mcp`,
      authorization_servers: [ISSUER],
      resource_name: "Authgent tools",
      bearer_methods_supported: ["header"],
      dpop_signing_alg_values_supported: ["ES256", "ES384", "RS256", "PS256", "Ed25519", "EdDSA"],
      scopes_supported: ["mcp:tools"],
    });
  });

  it("§3.1: the server's own is at the root", async () => {
    const { resource, scopes_supported } = await (await c.call(ROOT)).json();
    expect([resource, scopes_supported]).toEqual([ISSUER, ["account:read"]]);
  });

  it("§3.3: a resource registered under this server answers with exactly its identifier", async () => {
    const path = `/${unique()}`;
    await c.protect(`${ISSUER}${path}`);
    const document = await (await c.call(`${ROOT}${path}`)).json();
    expect(document.resource).toBe(`${ISSUER}${path}`);
    expect("scopes_supported" in document).toBe(false);
  });

  it("§3.1: a path where nothing is protected is 404 as JSON, not a page", async () => {
    const response = await c.call(`${ROOT}/nothing/here`);
    expect(response.status).toBe(404);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect((await response.json()).error).toBe("not_found");
  });

  it("§3.3: the Host header has no say", async () => {
    const headers = { host: "evil.example", "x-forwarded-host": "evil.example" };
    const { resource } = await (await c.call(`${ROOT}/mcp`, { headers })).json();
    expect(resource).toBe(`${ISSUER}/mcp`);
  });
});
