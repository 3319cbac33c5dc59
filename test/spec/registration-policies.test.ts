import { beforeAll, describe, expect, it } from "vitest";
import { ADMIN_KEY, type Connection, connect, publicServer, refusalOf } from "@/test/support/client";
import { type TestContext, testContext } from "@/test/support/context";

const LOOPBACK = "http://127.0.0.1/callback";
const TOKEN = "an-initial-access-token-of-the-tests";

const connectWith = async (env: Record<string, string>) => connect(await testContext({ env }));

let t: TestContext;
let c: Connection;

beforeAll(async () => {
  t = await testContext();
  c = connect(t);
});

const register = (metadata: unknown, headers = {}, at = c) => at.json("/register", metadata, headers);

/** The answer to a registration that has to succeed. */
async function registered(metadata: Record<string, unknown>, headers = {}, at = c) {
  const response = await register(metadata, headers, at);
  expect(response.status).toBe(201);
  return response.json();
}

describe("product decision D1: the policy open", () => {
  const strange = { redirect_uris: ["https://strange.example/callback"] };

  it("registers any client for a request of this machine", async () => {
    expect((await register(strange)).status).toBe(201);
  });

  it("registers a machine that names neither grants nor addresses for client_credentials (D30)", async () => {
    const { client_id, client_secret, grant_types } = await registered({ client_name: "Job" });
    expect(grant_types).toEqual(["client_credentials"]);
    const app = { clientId: client_id, secret: client_secret, redirectUri: "" };
    expect((await c.token(app, { grant_type: "client_credentials" })).status).toBe(200);
  });

  const notLocal: [string, { peer?: string; headers?: Record<string, string> }][] = [
    ["from another machine", { peer: "203.0.113.7" }],
    ["from another machine by IPv6", { peer: "2001:db8::7" }],
    ["with a foreign Host", { headers: { host: "auth.evil.example" } }],
    ["with a Host that begins like ours", { headers: { host: "localhost.evil.example:8000" } }],
    ["with a foreign Origin", { headers: { origin: "https://evil.example" } }],
    ["with the Origin null", { headers: { origin: "null" } }],
    ["with X-Forwarded-For", { headers: { "x-forwarded-for": "127.0.0.1" } }],
    ["with X-Forwarded-Host", { headers: { "x-forwarded-host": "localhost" } }],
    ["with X-Forwarded-Proto", { headers: { "x-forwarded-proto": "http" } }],
    ["with X-Real-IP", { headers: { "x-real-ip": "127.0.0.1" } }],
    ["with Forwarded", { headers: { forwarded: "for=127.0.0.1" } }],
  ];
  describe.each(notLocal)("a request %s is not served openly", (_what, { peer, headers = {} }) => {
    const send = (path: string, body: unknown) =>
      c.call(path, {
        method: "POST",
        body: JSON.stringify(body),
        headers: { "content-type": "application/json", ...headers },
        ...(peer ? { peer } : {}),
      });

    it("a client outside the presets is not registered", async () => {
      const response = await send("/register", strange);
      expect(response.headers.get("www-authenticate")).toMatch(/^Bearer/);
      expect(response.status).toBe(401);
    });

    it("no client gets client_credentials", async () => {
      const both = { redirect_uris: [LOOPBACK], grant_types: ["authorization_code", "client_credentials"] };
      const response = await send("/register", both);
      expect(response.status).toBe(201);
      expect((await response.json()).grant_types).toEqual(["authorization_code", "refresh_token"]);
      expect((await send("/register", { client_name: "Job" })).status).toBe(400);
    });

    it("introspection needs a client that proves itself", async () => {
      const app = await c.registerPublic();
      const anonymous = await c.form("/introspect", { token: "x" }, headers, peer);
      const named = await c.form("/introspect", { token: "x", client_id: app.clientId }, headers, peer);
      expect([anonymous.status, named.status]).toEqual([401, 401]);
    });
  });

  it.each(["127.0.0.1", "::1", "::ffff:127.0.0.1", "127.0.0.2"])("%s is this machine", async (peer) => {
    const response = await c.call("/register", {
      method: "POST",
      body: JSON.stringify(strange),
      headers: { "content-type": "application/json", host: "[::1]:8000", origin: "http://localhost:5173" },
      peer,
    });
    expect(response.status).toBe(201);
  });

  it("on a public server, where an operator wants it, never registers client_credentials", async () => {
    const open = { AUTHGENT_REGISTRATION_POLICY: "open", AUTHGENT_ALLOW_PUBLIC_REGISTRATION: "true" };
    const remote = await connectWith({ ...publicServer, ...open });
    expect((await register(strange, {}, remote)).status).toBe(201);
    expect(await refusalOf(await register({ grant_types: ["client_credentials"] }, {}, remote))).toEqual({
      status: 400,
      error: "invalid_client_metadata",
    });
  });
});

describe("product decision D1: the policy constrained, the default of a public server", () => {
  let remote: Connection;
  beforeAll(async () => {
    const patterns = { AUTHGENT_REGISTRATION_REDIRECT_URIS: "https://app.example.com/oauth/*" };
    remote = await connectWith({ ...publicServer, ...patterns, AUTHGENT_REGISTER_RATE_LIMIT: "1000" });
  });

  const presets = [
    "https://claude.ai/api/mcp/auth_callback",
    "https://claude.com/api/mcp/auth_callback",
    "https://chatgpt.com/connector_platform_oauth_redirect",
    "https://chatgpt.com/connector/oauth/abc123",
    "https://vscode.dev/redirect",
    "https://insiders.vscode.dev/redirect",
    "https://www.cursor.com/agents/mcp/oauth/callback",
    "https://callback.mistral.ai/v1/integrations_auth/oauth2_callback",
    "https://global.consent.azure-apim.net/redirect/my-tool",
    "http://127.0.0.1:33418/",
    "http://localhost/callback",
    "http://[::1]:9999/callback",
    "cursor://anysphere.cursor-mcp/oauth/callback",
    "vscode://ms.example/callback",
    "vscode-insiders://ms.example/callback",
    "https://app.example.com/oauth/callback",
  ];
  it.each(presets)("Q14: %s may register", async (uri) => {
    const answer = await registered({ redirect_uris: [uri] }, {}, remote);
    expect(answer.redirect_uris).toEqual([uri]);
  });

  const strangers = [
    "https://evil.example/callback",
    "https://claude.ai.evil.example/api/mcp/auth_callback",
    "https://claude.ai/api/mcp/auth_callback/extra",
    "https://claude.ai:8443/api/mcp/auth_callback",
    "https://chatgpt.com/connector/oauth",
    "https://sub.app.example.com/oauth/callback",
    "https://app.example.com/other",
    "myapp://callback/path",
  ];
  it.each(strangers)("Q14: %s needs a credential: 401 with a Bearer challenge (D30)", async (uri) => {
    const response = await register({ redirect_uris: [uri] }, {}, remote);
    expect(response.headers.get("www-authenticate")).toBe("Bearer");
    expect(response.status).toBe(401);
  });

  it("Q14: one strange address among known ones is enough to be refused", async () => {
    const uris = [LOOPBACK, "https://evil.example/callback"];
    expect((await register({ redirect_uris: uris }, {}, remote)).status).toBe(401);
  });

  it("the operator's key registers what the presets do not know, machines too", async () => {
    const key = { "x-admin-key": ADMIN_KEY };
    expect((await register({ redirect_uris: ["https://strange.example/cb"] }, key, remote)).status).toBe(201);
    const answer = await registered({ grant_types: ["client_credentials"] }, key, remote);
    expect(answer.grant_types).toEqual(["client_credentials"]);
  });

  it("a wrong operator's key is refused, even for what the presets know", async () => {
    const response = await register({ redirect_uris: [LOOPBACK] }, { "x-admin-key": "wrong" }, remote);
    expect(response.status).toBe(401);
  });

  it("holds for a request of this machine too, when the operator asks for it", async () => {
    const local = await connectWith({ AUTHGENT_REGISTRATION_POLICY: "constrained" });
    expect((await register({ redirect_uris: ["https://evil.example/cb"] }, {}, local)).status).toBe(401);
    const both = { redirect_uris: [LOOPBACK], grant_types: ["authorization_code", "client_credentials"] };
    expect((await registered(both, {}, local)).grant_types).toEqual(["authorization_code", "refresh_token"]);
  });
});

describe("product decision D1: the policies token, admin and off", () => {
  const metadata = { redirect_uris: ["https://strange.example/callback"] };

  it("token: the initial access token registers, anything else is 401", async () => {
    const policy = { AUTHGENT_REGISTRATION_POLICY: "token", AUTHGENT_REGISTRATION_TOKEN: TOKEN };
    const at = await connectWith({ ...publicServer, ...policy });
    expect((await register(metadata, { authorization: `Bearer ${TOKEN}` }, at)).status).toBe(201);
    const none = await register(metadata, {}, at);
    expect([none.status, none.headers.get("www-authenticate")]).toEqual([401, "Bearer"]);
    const wrong = await register(metadata, { authorization: "Bearer wrong" }, at);
    expect([wrong.status, wrong.headers.get("www-authenticate")]).toEqual([
      401,
      'Bearer error="invalid_token"',
    ]);
  });

  it("token: a local request is no exception", async () => {
    const policy = { AUTHGENT_REGISTRATION_POLICY: "token", AUTHGENT_REGISTRATION_TOKEN: TOKEN };
    expect((await register(metadata, {}, await connectWith(policy))).status).toBe(401);
  });

  it("admin: the operator's key and a signed-in admin register, nobody else", async () => {
    const at = await connectWith({ ...publicServer, AUTHGENT_REGISTRATION_POLICY: "admin" });
    expect((await register(metadata, { "x-admin-key": ADMIN_KEY }, at)).status).toBe(201);
    expect((await register(metadata, {}, at)).status).toBe(401);
    const origin = "https://auth.example.com";
    const asAdmin = { ...at.cookies({ person: await at.signIn("admin") }), origin };
    expect((await register(metadata, asAdmin, at)).status).toBe(201);
    const asMember = { ...at.cookies({ person: await at.signIn("member") }), origin };
    expect((await register(metadata, asMember, at)).status).toBe(403);
  });

  it("off: nobody registers, and the document does not offer it (Q14)", async () => {
    const at = await connectWith({ AUTHGENT_REGISTRATION_POLICY: "off" });
    expect(await refusalOf(await register(metadata, {}, at))).toEqual({ status: 403, error: "forbidden" });
    const document = await (await at.call("/.well-known/oauth-authorization-server")).json();
    expect("registration_endpoint" in document).toBe(false);
  });
});

describe("client quirk Q17: the limit of registrations", () => {
  it("is 10 a minute from one address on a public server: 429 with Retry-After", async () => {
    const remote = await connectWith(publicServer);
    const send = (peer: string) =>
      remote.call("/register", {
        method: "POST",
        body: JSON.stringify({ redirect_uris: [LOOPBACK] }),
        headers: { "content-type": "application/json" },
        peer,
      });
    for (let count = 0; count < 10; count++) expect((await send("203.0.113.1")).status).toBe(201);
    const refused = await send("203.0.113.1");
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    expect((await send("203.0.113.2")).status).toBe(201);
  });
});
