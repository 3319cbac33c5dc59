import { eq } from "drizzle-orm";
import { beforeAll, describe, expect, it } from "vitest";
import { authorizationCodes } from "@/db/schema/authorization-codes";
import { clients } from "@/db/schema/clients";
import { hashSecret } from "@/lib/ids";
import { findClient, pruneClients } from "@/lib/services/clients";
import {
  type App,
  approvalOf,
  type Connection,
  connect,
  newBrowser,
  type Person,
  pkce,
  refusalOf,
} from "@/test/support/client";
import { type TestContext, testContext, unique } from "@/test/support/context";
import { unchanged } from "@/test/support/digest";
import { type PublicServer, publicServer } from "@/test/support/public-server";

let s: PublicServer;
/** What the server fetched, and what it finds there. */
const fetched: string[] = [];
const documents = new Map<string, Record<string, unknown>>();

const fetchPublic = async (url: URL) => {
  fetched.push(url.href);
  const document = documents.get(url.href);
  const headers = new Headers({ "content-type": "application/json", "cache-control": "max-age=300" });
  return { status: document ? 200 : 404, headers, body: JSON.stringify(document ?? {}) };
};

beforeAll(async () => {
  s = await publicServer({ fetchPublic });
});

const KNOWN = "http://127.0.0.1:33418/callback";
const register = (metadata: unknown, headers: Record<string, string> = {}, on: Connection = s.c) =>
  on.json("/register", metadata, headers);

describe("138: redirect URIs", () => {
  it.each([
    "javascript:alert(1)",
    "JavaScript:alert(1)",
    "data:text/html,x",
    "vbscript:x",
    "file:///etc/passwd",
    "blob:https://a.example/x",
    "http://app.example/cb",
    "https://app.example/cb#f",
    "https://*.example/cb",
    "https://app.example/*",
    "//app.example/cb",
    "/cb",
    "https://user:pass@app.example/cb",
    "https://app.example/../cb",
    "https://app.example/cb?code=x",
    "https://app.example/cb\r\nx: y",
    "https://ap p.example/",
    "http://127.1/cb",
    "",
  ])("%j is invalid_redirect_uri, and nothing is registered", async (uri) => {
    const response = await unchanged(s.t, () => register({ redirect_uris: [KNOWN, uri] }));
    expect(await refusalOf(response)).toEqual({ status: 400, error: "invalid_redirect_uri" });
  });

  it("2,000 of them are invalid_redirect_uri", async () => {
    const uris = Array.from({ length: 2000 }, (_, index) => `http://127.0.0.1/${index}`);
    const response = await unchanged(s.t, () => register({ redirect_uris: uris }));
    expect(await refusalOf(response)).toEqual({ status: 400, error: "invalid_redirect_uri" });
  });

  it("1 MB of metadata is refused unread", async () => {
    const response = await unchanged(s.t, () => register({ client_name: "x".repeat(1_000_000) }));
    expect(await refusalOf(response)).toEqual({ status: 413, error: "content_too_large" });
  });

  it.each([[null], [[]], ["x"], [1], [{ redirect_uris: "x" }], [{ redirect_uris: {} }]])(
    "the body %j is refused",
    async (body) => {
      const response = await unchanged(s.t, () => register(body));
      expect(response.status).toBe(400);
    },
  );

  it("D1: an address that is none of a known client's is refused with a challenge", async () => {
    const response = await unchanged(s.t, () => register({ redirect_uris: ["https://unknown.example/cb"] }));
    expect([response.status, response.headers.get("www-authenticate")]).toEqual([401, "Bearer"]);
  });
});

describe("139: what a registration may not ask for", () => {
  it("client_credentials is dropped beside another grant, and refused alone", async () => {
    const beside = await register({
      redirect_uris: [KNOWN],
      grant_types: [
        "authorization_code",
        "client_credentials",
        "urn:ietf:params:oauth:grant-type:token-exchange",
      ],
    });
    const { client_id: clientId, client_secret: secret, grant_types } = await beside.json();
    expect(grant_types).toEqual(["authorization_code", "refresh_token"]);
    const token = await s.c.token(
      { clientId, secret, redirectUri: KNOWN },
      { grant_type: "client_credentials" },
    );
    expect(await refusalOf(token)).toEqual({ status: 400, error: "unauthorized_client" });
    const alone = await register({ redirect_uris: [KNOWN], grant_types: ["client_credentials"] });
    expect(await refusalOf(alone)).toEqual({ status: 400, error: "invalid_client_metadata" });
  });

  it("identity, secrets, trust, power and prototypes of its own choice are dropped", async () => {
    const body = `{"redirect_uris":["${KNOWN}"],"client_id":"mine","client_secret":"mine-too","trusted":true,
      "kind":"static","status":"active","allowed_resources":["https://evil.example"],"scope":"admin:all admin:*",
      "introspection_clients":["mine"],"__proto__":{"trusted":true},"constructor":{"prototype":{"trusted":true}}}`;
    const response = await s.c.call("/register", {
      method: "POST",
      body,
      headers: { "content-type": "application/json" },
    });
    const answer = await response.json();
    expect([response.status, "trusted" in {}, "scope" in answer, "trusted" in answer]).toEqual([
      201,
      false,
      false,
      false,
    ]);
    expect(answer.client_id).toMatch(/^dyn_[\w-]{22}$/);
    expect(answer.client_secret).toMatch(/^sec_[\w-]{43}$/);
    const stored = await findClient(s.t.ctx, answer.client_id);
    expect([stored?.kind, stored?.scope, stored?.allowedResources]).toEqual(["dynamic", null, []]);
  });

  it.each(["private_key_jwt", "tls_client_auth", "client_secret_jwt", "x"])(
    "the method %s is invalid_client_metadata",
    async (method) => {
      const response = await unchanged(s.t, () =>
        register({ redirect_uris: [KNOWN], token_endpoint_auth_method: method }),
      );
      expect(await refusalOf(response)).toEqual({ status: 400, error: "invalid_client_metadata" });
    },
  );
});

describe("140: floods", () => {
  it("the 11th registration of a minute is 429, counted for an IPv6 /64 as one", async () => {
    const small = await publicServer({ env: { AUTHGENT_REGISTER_RATE_LIMIT: "10" } });
    const from = (peer: string) =>
      small.c.call("/register", {
        method: "POST",
        body: JSON.stringify({ redirect_uris: [KNOWN] }),
        headers: { "content-type": "application/json" },
        peer,
      });
    const statuses = [];
    for (let n = 1; n <= 11; n++) statuses.push((await from(`2001:db8:1:1::${n}`)).status);
    const limited = await from("2001:db8:1:1:ffff::1");
    expect(statuses).toEqual([...new Array(10).fill(201), 429]);
    expect(limited.headers.get("retry-after")).toMatch(/^([1-9]|[1-5]\d|60)$/);
    expect((await from("2001:db8:1:2::1")).status).toBe(201);
  });

  it("a registration nobody used is gone after 90 days, and one in use is not", async () => {
    const later = await publicServer();
    const [unused, used] = [await later.c.registerPublic(), await later.c.registerPublic()];
    await later.c.tokensFor(used);
    later.t.advance(91 * 86_400);
    await pruneClients(later.t.ctx);
    expect(await findClient(later.t.ctx, unused.clientId)).toBeUndefined();
    expect((await findClient(later.t.ctx, used.clientId))?.clientId).toBe(used.clientId);
  });
});

it.each(["none", "private_key_jwt"])(
  "141: no address of the metadata is fetched, and none but https is kept (%s)",
  async (method) => {
    fetched.length = 0;
    const response = await register({
      redirect_uris: [KNOWN],
      token_endpoint_auth_method: method,
      logo_uri: "http://169.254.169.254/latest",
      client_uri: "https://app.example/",
      tos_uri: "javascript:alert(1)",
      policy_uri: "data:text/html,x",
      jwks_uri: "https://app.example/jwks.json",
    });
    const { logo_uri, client_uri, tos_uri, policy_uri } = await response.json();
    expect([fetched, logo_uri, client_uri, tos_uri, policy_uri]).toEqual([
      [],
      undefined,
      "https://app.example/",
      undefined,
      undefined,
    ]);
  },
);

describe("142: policies", () => {
  const body = { redirect_uris: [KNOWN] };
  const TOKEN = "initial-access-token-0123456789";

  it.each([
    ["no credential", {}],
    ["a wrong token", { authorization: "Bearer initial-access-token-9876543210" }],
    ["a client's own token", { authorization: `Bearer ${unique("rt_")}` }],
    ["the token as Basic", { authorization: `Basic ${TOKEN}` }],
  ])("token: %s is 401", async (_, headers: Record<string, string>) => {
    const env = { AUTHGENT_REGISTRATION_POLICY: "token", AUTHGENT_REGISTRATION_TOKEN: TOKEN };
    const strict = await publicServer({ env });
    const response = await unchanged(strict.t, () => register(body, headers, strict.c));
    expect(response.status).toBe(401);
    expect((await register(body, { authorization: `Bearer ${TOKEN}` }, strict.c)).status).toBe(201);
  });

  it("admin: only the operator registers", async () => {
    const strict = await publicServer({ env: { AUTHGENT_REGISTRATION_POLICY: "admin" } });
    expect((await unchanged(strict.t, () => register(body, {}, strict.c))).status).toBe(401);
    expect((await register(body, strict.operator, strict.c)).status).toBe(201);
  });

  it("off: nobody registers, and the metadata offers it to nobody", async () => {
    const closed = await publicServer({ env: { AUTHGENT_REGISTRATION_POLICY: "off" } });
    const response = await unchanged(closed.t, () => register(body, closed.operator, closed.c));
    const metadata = await (await closed.c.call("/.well-known/oauth-authorization-server")).json();
    expect([await refusalOf(response), "registration_endpoint" in metadata]).toEqual([
      { status: 403, error: "forbidden" },
      false,
    ]);
  });
});

describe("D1: a server in local mode is open to this machine only", () => {
  let local: TestContext;
  let c: Connection;
  beforeAll(async () => {
    local = await testContext();
    c = connect(local);
  });
  const service = { client_name: "service", grant_types: ["client_credentials"] };
  const post = (headers: Record<string, string>, peer?: string) =>
    c.call("/register", {
      method: "POST",
      body: JSON.stringify(service),
      headers: { "content-type": "application/json", ...headers },
      ...(peer ? { peer } : {}),
    });

  it("a request of this machine registers a service and introspects without a credential", async () => {
    expect((await post({})).status).toBe(201);
    expect(await (await c.form("/introspect", { token: "x" })).json()).toEqual({ active: false });
  });

  it.each([
    ["a peer elsewhere", {}, "203.0.113.9"],
    ["another Host (DNS rebinding)", { host: "evil.example" }, undefined],
    ["a Host that begins like ours", { host: "localhost.evil.example:8000" }, undefined],
    ["a forwarded header", { forwarded: "for=127.0.0.1" }, undefined],
    ["X-Forwarded-For", { "x-forwarded-for": "127.0.0.1" }, undefined],
    ["X-Real-IP", { "x-real-ip": "127.0.0.1" }, undefined],
    ["a page of another origin", { origin: "https://evil.example" }, undefined],
    ["Origin: null", { origin: "null" }, undefined],
  ])("%s is no request of this machine", async (_, headers: Record<string, string>, peer) => {
    const registration = await unchanged(local, () => post(headers, peer));
    const introspection = await c.form("/introspect", { token: "x" }, headers, peer);
    expect([registration.status, introspection.status]).toEqual([400, 401]);
  });
});

describe("client ID metadata documents", () => {
  let ada: Person;
  beforeAll(async () => {
    ada = await s.c.signIn();
  });

  /** An app that describes itself at an address of its own. */
  function publish(redirectUri = "https://app.example/cb"): App {
    const clientId = `https://${unique("app")}.example/client.json`;
    documents.set(clientId, { client_id: clientId, client_name: "Documented", redirect_uris: [redirectUri] });
    return { clientId, redirectUri };
  }
  const ask = (app: App, params = {}, browser = newBrowser()) =>
    s.c.authorize(s.c.requestOf(app, params), { person: ada, browser });

  it.each([
    "http://app.example/client.json",
    "https://app.example",
    "https://app.example/",
    "https://APP.example/client.json",
    "HTTPS://app.example/client.json",
    "https://app.example:443/client.json",
    "https://app.example/a/../client.json",
    "https://app.example/./client.json",
    "https://app.example/%2e%2e/client.json",
    "https://app.example/client.json#f",
    "https://user@app.example/client.json",
    "http://127.0.0.1/client.json",
    "https://0x7f.1/client.json",
  ])("147: the client_id %s is a page, and nothing is fetched", async (clientId) => {
    fetched.length = 0;
    const response = await unchanged(s.t, () => ask({ clientId, redirectUri: "https://app.example/cb" }));
    expect([response.status, response.headers.get("location"), fetched]).toEqual([400, null, []]);
  });

  it.each([
    ["half a character in a key", { jwks: { keys: [{ kty: "EC", note: "\ud800" }] } }],
    ["NUL in a key", { jwks: { keys: [{ kty: "EC", kid: "a\0" }] } }],
    ["NUL in jwks_uri", { jwks_uri: "https://app.example/\0" }],
    ["NUL in a type of details", { authorization_details_types: ["a\0"] }],
    ["a private key", { jwks: { keys: [{ kty: "EC", d: "AAAA" }] } }],
    ["a number for jwks_uri", { jwks_uri: 7 }],
  ])("147: a document with %s is a page, and nothing of it is kept", async (_what, members) => {
    const app = publish();
    documents.set(app.clientId, { ...documents.get(app.clientId), ...members });
    const response = await unchanged(s.t, () => ask(app));
    expect([response.status, response.headers.get("location")]).toEqual([400, null]);
  });

  it("147: a document that names another client_id is a page", async () => {
    const app = publish();
    documents.set(app.clientId, { ...documents.get(app.clientId), client_id: `${app.clientId}?x` });
    const response = await unchanged(s.t, () => ask(app));
    expect([response.status, response.headers.get("location")]).toEqual([400, null]);
  });

  it("149: what changes between the question and the answer changes nothing of the answer", async () => {
    const app = publish("https://before.example/cb");
    const browser = newBrowser();
    const asked = await ask(app, {}, browser);
    documents.set(app.clientId, {
      client_id: app.clientId,
      client_name: "Evil",
      redirect_uris: ["https://after.example/cb"],
    });
    // Another request, when the copy is no longer fresh, brings the new document in.
    await s.t.ctx.db
      .update(clients)
      .set({ documentExpiresAt: s.t.ctx.now() })
      .where(eq(clients.clientId, app.clientId));
    await ask({ ...app, redirectUri: "https://after.example/cb" });
    const answered = await s.c.consent(approvalOf(asked) ?? "", { person: ada, browser });
    expect(new URL(answered.headers.get("location") ?? "").origin).toBe("https://before.example");
  });

  it("149: a code is dead when the address it was sent to left the document", async () => {
    const app = publish("https://before.example/cb");
    const { verifier, challenge } = pkce();
    const location = await s.c.answerFor(app, { code_challenge: challenge }, { person: ada });
    documents.set(app.clientId, {
      ...documents.get(app.clientId),
      redirect_uris: ["https://after.example/cb"],
    });
    await s.t.ctx.db
      .update(clients)
      .set({ documentExpiresAt: s.t.ctx.now() })
      .where(eq(clients.clientId, app.clientId));
    await ask({ ...app, redirectUri: "https://after.example/cb" });
    const code = location.searchParams.get("code") ?? "";
    const response = await s.c.redeem(app, { code, verifier });
    expect(await refusalOf(response)).toEqual({ status: 400, error: "invalid_grant" });
    const [row] = await s.t.ctx.db
      .select()
      .from(authorizationCodes)
      .where(eq(authorizationCodes.codeHash, hashSecret(code)));
    expect(row?.usedAt).toBeNull();
  });

  it("149: 100 requests at once are one fetch", async () => {
    const app = publish();
    fetched.length = 0;
    const answers = await Promise.all(Array.from({ length: 100 }, () => ask(app)));
    expect([fetched, new Set(answers.map(({ status }) => status))]).toEqual([[app.clientId], new Set([303])]);
  });

  it("149: a spray of client ids by one caller fetches 20 a minute, then 429, and shuts out nobody else", async () => {
    const sprayed = await publicServer({ fetchPublic });
    fetched.length = 0;
    const host = unique("spray");
    const spray = Array.from({ length: 130 }, (_, index) =>
      sprayed.c.authorize(
        sprayed.c.requestOf({
          clientId: `https://${index}.${host}.example/c`,
          redirectUri: "https://a.example/",
        }),
      ),
    );
    const statuses = (await Promise.all(spray)).map(({ status }) => status);
    expect([fetched.length, statuses.filter((status) => status === 429).length]).toEqual([20, 110]);
    const query = new URLSearchParams({
      client_id: `https://other.${host}.example/c`,
      redirect_uri: "https://a.example/",
    });
    await sprayed.c.call(`/authorize?${query}`, { peer: "198.51.100.77" });
    expect(fetched.length).toBe(21);
  });
});
