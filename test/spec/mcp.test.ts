import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { beforeAll, describe, expect, it } from "vitest";
import { listGrants, stopGrant } from "@/lib/services/grants";
import { type App, type Connection, connect, type Person, tokensOf } from "@/test/support/client";
import { type TestContext, testContext } from "@/test/support/context";

const MCP = "http://localhost:8000/mcp";
const METADATA = "http://localhost:8000/.well-known/oauth-protected-resource/mcp";

let t: TestContext;
let c: Connection;
let app: App;
let person: Person;

beforeAll(async () => {
  t = await testContext();
  c = connect(t);
  app = await c.registerPublic();
  person = await c.signIn();
});

const HEADERS = { "content-type": "application/json", accept: "application/json, text/event-stream" };

const initialize = {
  jsonrpc: "2.0",
  id: 1,
  method: "initialize",
  params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "t", version: "1" } },
};

const post = (body: unknown, headers: Record<string, string> = {}) =>
  c.call("/mcp", { method: "POST", body: JSON.stringify(body), headers: { ...HEADERS, ...headers } });

const mcpToken = async () => (await c.tokensFor(app, { resource: MCP }, { person })).access_token;

describe("The MCP endpoint as a protected resource (RFC 9728 §5.1, RFC 6750 §3, product decision D15)", () => {
  it.each([
    ["initialize", initialize],
    ["tools/list", { jsonrpc: "2.0", id: 1, method: "tools/list" }],
    ["a call of whoami", { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "whoami" } }],
  ])(
    "%s without a token is 401 with a challenge that has no error (client quirk Q8)",
    async (_what, body) => {
      const response = await post(body);
      expect(response.status).toBe(401);
      expect(response.headers.get("www-authenticate")).toBe(
        `Bearer resource_metadata="${METADATA}", scope="mcp:tools"`,
      );
    },
  );

  it("GET and DELETE without a token are 401 too", async () => {
    for (const method of ["GET", "DELETE"]) {
      expect((await c.call("/mcp", { method, headers: HEADERS })).status).toBe(401);
    }
  });

  it("a token in the query is none (RFC 6750 §2.3 is gone)", async () => {
    const path = `/mcp?access_token=${await mcpToken()}`;
    const response = await c.call(path, {
      method: "POST",
      body: JSON.stringify(initialize),
      headers: HEADERS,
    });
    expect(response.status).toBe(401);
  });

  const refused: [string, () => Promise<string>][] = [
    ["nonsense", async () => "nonsense"],
    ["for another resource", async () => (await c.tokensFor(app, {}, { person })).access_token],
    ["a refresh token", async () => (await c.tokensFor(app, { resource: MCP }, { person })).refresh_token],
    [
      "revoked",
      async () => {
        const token = await mcpToken();
        await c.form("/revoke", { client_id: app.clientId, token });
        return token;
      },
    ],
  ];
  it.each(refused)("a token that is %s is 401 invalid_token", async (_what, make) => {
    const response = await post(initialize, { authorization: `Bearer ${await make()}` });
    expect(response.status).toBe(401);
    const challenge = response.headers.get("www-authenticate") ?? "";
    expect(challenge).toMatch(
      /^Bearer error="invalid_token", error_description="[^"]+", resource_metadata="/,
    );
    expect(challenge).toContain(`resource_metadata="${METADATA}", scope="mcp:tools"`);
    expect((await response.json()).error).toBe("invalid_token");
  });

  it("an expired token is 401 invalid_token", async () => {
    const own = await testContext();
    const at = connect(own);
    const { access_token } = await at.tokensFor(app, { resource: MCP });
    own.advance(3600);
    const response = await at.call("/mcp", {
      method: "POST",
      body: JSON.stringify(initialize),
      headers: { ...HEADERS, authorization: `Bearer ${access_token}` },
    });
    expect(response.status).toBe(401);
    expect(response.headers.get("www-authenticate")).toContain("expired");
  });

  it("a browser page of another origin is refused, token or not (DNS rebinding)", async () => {
    const headers = { authorization: `Bearer ${await mcpToken()}`, origin: "https://evil.example" };
    expect((await post(initialize, headers)).status).toBe(403);
    expect((await post(initialize, { ...headers, origin: "http://localhost:8000" })).status).toBe(200);
  });
});

/** Every wire a client may speak, and how the SDK is told to. */
const REVISIONS = [
  ["2025-06-18", { supportedProtocolVersions: ["2025-06-18"] }],
  ["2025-11-25", { supportedProtocolVersions: ["2025-11-25"] }],
  ["2026-07-28", { versionNegotiation: { mode: { pin: "2026-07-28" } } }],
] as const;

describe.each(REVISIONS)("The MCP endpoint for a client of revision %s", (revision, options) => {
  async function connected(token: string): Promise<Client> {
    const client = new Client({ name: "test", version: "1" }, { ...options } as never);
    const transport = new StreamableHTTPClientTransport(new URL(MCP), {
      requestInit: { headers: { authorization: `Bearer ${token}` } },
      fetch: async (url, init) => {
        const { pathname, search } = new URL(url);
        return c.call(`${pathname}${search}`, init);
      },
    });
    await client.connect(transport);
    return client;
  }

  it("speaks that revision and lists the tools", async () => {
    const client = await connected(await mcpToken());
    expect(client.getNegotiatedProtocolVersion()).toBe(revision);
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toEqual(["whoami"]);
    await client.close();
  });

  it("whoami tells for whom the client acts", async () => {
    const client = await connected(await mcpToken());
    const { content, structuredContent } = await client.callTool({ name: "whoami", arguments: {} });
    const answer = {
      sub: `user:${person.user.id}`,
      client_id: app.clientId,
      scope: "mcp:tools",
      aud: MCP,
      act: null,
    };
    expect(structuredContent).toEqual(answer);
    expect(content).toEqual([{ type: "text", text: JSON.stringify(answer) }]);
    await client.close();
  });

  it("whoami tells for a machine that it acts for itself", async () => {
    const service = await c.registerConfidential({ grant_types: ["client_credentials"] });
    const fields = { grant_type: "client_credentials", resource: MCP };
    const { access_token } = await tokensOf(await c.token(service, fields));
    const client = await connected(access_token);
    const { structuredContent } = await client.callTool({ name: "whoami", arguments: {} });
    expect(structuredContent).toMatchObject({ sub: `client:${service.clientId}`, act: null });
    await client.close();
  });

  it("a person who stops the app ends the connection, with the reason", async () => {
    const ada = await c.signIn();
    const { access_token } = await c.tokensFor(app, { resource: MCP }, { person: ada });
    const client = await connected(access_token);
    await client.callTool({ name: "whoami", arguments: {} });
    const [overview] = await listGrants(t.ctx, ada.user.id);
    await stopGrant(t.ctx, { userId: ada.user.id, grantId: overview?.grant.id ?? "" });
    await expect(client.callTool({ name: "whoami", arguments: {} })).rejects.toThrow();
    const response = await post(initialize, { authorization: `Bearer ${access_token}` });
    expect(response.status).toBe(401);
    expect(response.headers.get("www-authenticate")).toContain("revoked");
    await client.close();
  });
});
