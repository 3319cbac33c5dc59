import { beforeAll, describe, expect, it } from "vitest";
import { changeClient } from "@/lib/services/client-changes";
import { type Connection, connect, publicServer, refusalOf, tokensOf } from "@/test/support/client";
import { type TestContext, testContext, unique } from "@/test/support/context";

const LOOPBACK = "http://127.0.0.1/callback";

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

describe("RFC 7591 Dynamic Client Registration", () => {
  it("§3.2.1: the answer holds the identifier, the secret once, and every value as registered", async () => {
    const before = Math.floor(Date.now() / 1000);
    const response = await register({
      client_name: "Notes",
      redirect_uris: ["https://notes.example/callback"],
      client_uri: "https://notes.example",
      scope: "notes:read",
      vendor_extension: { ignored: true },
    });
    expect(response.status).toBe(201);
    expect(response.headers.get("cache-control")).toBe("no-store");
    const { client_id, client_secret, client_id_issued_at, ...said } = await response.json();
    const { registration_access_token, registration_client_uri, ...rest } = said;
    expect(client_id).toMatch(/^dyn_[\w-]{22}$/);
    expect(client_secret).toMatch(/^sec_[\w-]{43}$/);
    expect(client_id_issued_at).toBeGreaterThanOrEqual(before - 60);
    expect(registration_access_token).toMatch(/^reg_[\w-]{43}$/);
    expect(registration_client_uri).toBe(`http://localhost:8000/register/${client_id}`);
    expect(rest).toEqual({
      client_secret_expires_at: 0,
      client_name: "Notes",
      redirect_uris: ["https://notes.example/callback"],
      token_endpoint_auth_method: "client_secret_basic",
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      scope: "notes:read",
      application_type: "web",
      client_uri: "https://notes.example",
    });
  });

  it("§2: token_endpoint_auth_method none means no secret (client quirk Q13)", async () => {
    const answer = await registered({ redirect_uris: [LOOPBACK], token_endpoint_auth_method: "none" });
    expect("client_secret" in answer).toBe(false);
    expect("client_secret_expires_at" in answer).toBe(false);
    expect(answer.token_endpoint_auth_method).toBe("none");
  });

  it("§2: without a method the default is client_secret_basic, and it is said (client quirk Q13)", async () => {
    const answer = await registered({ redirect_uris: [LOOPBACK] });
    expect(answer.token_endpoint_auth_method).toBe("client_secret_basic");
    expect(answer.client_secret).toMatch(/^sec_/);
  });

  it("§2: a client never chooses its identifier or its secret", async () => {
    const chosen = { client_id: "dyn_mine", client_secret: "sec_mine" };
    const answer = await registered({ redirect_uris: [LOOPBACK], ...chosen });
    expect(answer.client_id).not.toBe("dyn_mine");
    expect(answer.client_secret).not.toBe("sec_mine");
  });

  const refused: [string, Record<string, unknown>, string][] = [
    ["javascript:", { redirect_uris: ["javascript:alert(1)"] }, "invalid_redirect_uri"],
    ["http to another host", { redirect_uris: ["http://app.example/cb"] }, "invalid_redirect_uri"],
    ["a fragment", { redirect_uris: ["https://app.example/cb#x"] }, "invalid_redirect_uri"],
    ["a wildcard", { redirect_uris: ["https://app.example/*"] }, "invalid_redirect_uri"],
    ["a relative address", { redirect_uris: ["/callback"] }, "invalid_redirect_uri"],
    ["no address for a code", { grant_types: ["authorization_code"] }, "invalid_redirect_uri"],
    ["addresses that are no list", { redirect_uris: "https://app.example/cb" }, "invalid_redirect_uri"],
    [
      "a method we do not have",
      { redirect_uris: [LOOPBACK], token_endpoint_auth_method: "tls_client_auth" },
      "invalid_client_metadata",
    ],
    [
      "jwks and jwks_uri",
      { redirect_uris: [LOOPBACK], jwks: { keys: [] }, jwks_uri: "https://app.example/jwks" },
      "invalid_client_metadata",
    ],
    [
      "response types without code",
      { redirect_uris: [LOOPBACK], response_types: ["token"] },
      "invalid_client_metadata",
    ],
    [
      "a name with a bidi override",
      { redirect_uris: [LOOPBACK], client_name: "a\u202eb" },
      "invalid_client_metadata",
    ],
  ];
  it.each(refused)("§3.2.2: %s is refused", async (_what, metadata, error) => {
    const response = await register(metadata);
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(await refusalOf(response)).toEqual({ status: 400, error });
  });

  it("§3.1: a body that is no JSON object is refused", async () => {
    for (const body of [[], "x", 7, null]) {
      expect(await refusalOf(await register(body))).toEqual({
        status: 400,
        error: "invalid_client_metadata",
      });
    }
    const form = await c.form("/register", { redirect_uris: LOOPBACK });
    expect(await refusalOf(form)).toEqual({ status: 415, error: "unsupported_media_type" });
  });
});

describe("RFC 7591: clients in wide use (client quirks Q10 to Q13)", () => {
  it("Q10: Cursor registers its three addresses at once", async () => {
    const uris = [
      "cursor://anysphere.cursor-mcp/oauth/callback",
      "https://www.cursor.com/agents/mcp/oauth/callback",
      "http://localhost:8787/callback",
    ];
    const answer = await registered({ redirect_uris: uris, token_endpoint_auth_method: "none" });
    expect(answer.redirect_uris).toEqual(uris);
    expect(answer.application_type).toBe("native");
  });

  it("Q10: an app's own scheme is matched exactly", async () => {
    const uri = "cursor://anysphere.cursor-mcp/oauth/callback";
    const app = await c.registerPublic({ redirect_uris: [uri] });
    expect((await c.authorize(c.requestOf(app))).status).toBe(303);
    expect((await c.authorize(c.requestOf(app, { redirect_uri: `${uri}/` }))).status).toBe(400);
  });

  it.each([
    ["omitted", undefined],
    ["wrongly web", "web"],
  ])("Q11: application_type %s with a loopback address is native", async (_what, application_type) => {
    const answer = await registered({ redirect_uris: [LOOPBACK], application_type });
    expect(answer.application_type).toBe("native");
  });

  it("Q12: without scope a client may ask for whatever the resource offers", async () => {
    const app = await c.registerPublic();
    const resource = await c.protect(`https://${unique()}.example/mcp`, { scopes: ["a:read", "a:write"] });
    expect((await c.tokensFor(app, { resource })).scope).toBe("a:read a:write");
  });

  it("Q12: a scope nobody knows is dropped and not refused", async () => {
    const remote = await connectWith(publicServer);
    const known = unique("known:");
    await remote.protect(`https://${unique()}.example/mcp`, { scopes: [known] });
    const body = { redirect_uris: [LOOPBACK], scope: `${known} ${unique("unknown:")}` };
    expect((await registered(body, {}, remote)).scope).toBe(known);
  });

  it("Q13: the secret works by Basic and by body for a client of either method", async () => {
    for (const method of ["client_secret_basic", "client_secret_post"]) {
      const metadata = { grant_types: ["client_credentials"], token_endpoint_auth_method: method };
      const { client_id, client_secret } = await registered(metadata);
      const app = { clientId: client_id, secret: client_secret, redirectUri: "" };
      const byHeader = await c.token(app, { grant_type: "client_credentials" });
      const byBody = await c.form("/token", { grant_type: "client_credentials", client_id, client_secret });
      expect([byHeader.status, byBody.status]).toEqual([200, 200]);
    }
  });
});

describe("client quirk Q16: a client that was disabled", () => {
  it("gets 401 invalid_client at /token and a page at /authorize", async () => {
    const app = await c.registerPublic();
    const { refresh_token, access_token } = await c.tokensFor(app);
    await changeClient(t.ctx, app.clientId, { status: "disabled" }, "operator");
    expect(await refusalOf(await c.refresh(app, refresh_token))).toEqual({
      status: 401,
      error: "invalid_client",
    });
    expect((await c.authorize(c.requestOf(app))).status).toBe(400);
    expect(await c.introspect(access_token)).toEqual({ active: false });
    await changeClient(t.ctx, app.clientId, { status: "active" }, "operator");
    expect(await tokensOf(await c.refresh(app, refresh_token))).toHaveProperty("access_token");
  });
});
