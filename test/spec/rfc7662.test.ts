import { beforeAll, describe, expect, it } from "vitest";
import { listGrants, narrowGrant, stopGrant } from "@/lib/services/grants";
import {
  ADMIN_KEY,
  type App,
  basic,
  type Connection,
  connect,
  publicServer,
  refusalOf,
  tokensOf,
} from "@/test/support/client";
import { type TestContext, testContext, unique } from "@/test/support/context";

let t: TestContext;
let c: Connection;
let resource: string;
/** What runs the resource, and may therefore introspect tokens for it. */
let api: App;

beforeAll(async () => {
  const env = { ...publicServer, AUTHGENT_REGISTER_RATE_LIMIT: "1000", AUTHGENT_TOKEN_RATE_LIMIT: "10000" };
  t = await testContext({ env });
  c = connect(t);
  api = await c.registerConfidential();
  resource = await c.protect(`https://${unique()}.example/mcp`, {
    scopes: ["notes:read", "notes:write"],
    introspectionClients: [api.clientId],
  });
});

const ask = (token: string, who: App | Record<string, string>) =>
  c.form(
    "/introspect",
    { token },
    "clientId" in who && typeof who.clientId === "string"
      ? basic(who as App)
      : (who as Record<string, string>),
  );

describe("RFC 7662 Token Introspection", () => {
  it("§2.2: an active token tells what it is, for whom and until when", async () => {
    const person = await c.signIn();
    const app = await c.registerPublic();
    const { access_token } = await c.tokensFor(app, { resource, scope: "notes:read" }, { person });
    const response = await ask(access_token, api);
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(response.headers.get("access-control-allow-origin")).toBe(null);
    const { iat, exp, jti, auth_time, ...rest } = await response.json();
    expect(exp - iat).toBe(3600);
    expect(auth_time).toBe(iat);
    expect(jti).toMatch(/^[0-9a-f-]{36}$/);
    expect(rest).toEqual({
      active: true,
      iss: "https://auth.example.com",
      sub: `user:${person.user.id}`,
      aud: resource,
      client_id: app.clientId,
      scope: "notes:read",
      token_type: "Bearer",
      username: person.user.email,
      amr: ["pwd"],
      acr: "urn:authgent:acr:sign-in",
    });
  });

  const worthless: [string, (token: string) => string][] = [
    ["unknown", () => "nonsense"],
    ["an empty JWT", () => "e30.e30.e30"],
    [
      "of a changed payload",
      (token) => token.replace(/\.(.)/, (_, first) => `.${first === "e" ? "f" : "e"}`),
    ],
    ["of a changed signature", (token) => token.slice(0, -4) + (token.endsWith("AAAA") ? "BBBB" : "AAAA")],
    ["alg none", (token) => `${btoa('{"alg":"none","typ":"at+jwt"}')}.${token.split(".")[1]}.`],
  ];
  it.each(worthless)("§2.2: a token that is %s is exactly {active: false}", async (_what, change) => {
    const { access_token } = await c.tokensFor(await c.registerPublic(), { resource });
    const response = await ask(change(access_token), api);
    expect(response.status).toBe(200);
    expect(await response.text()).toBe('{"active":false}');
  });

  it("§2.2: an expired token is inactive from the second it ends", async () => {
    const own = await testContext({ env: publicServer });
    const at = connect(own);
    const { access_token } = await at.tokensFor(await at.registerPublic());
    own.advance(3599);
    expect((await at.introspect(access_token)).active).toBe(true);
    own.advance(1);
    expect(await at.introspect(access_token)).toEqual({ active: false });
  });

  it("§2.1: the caller has to prove itself; knowing a public client_id proves nothing", async () => {
    const app = await c.registerPublic();
    const anonymous = await c.form("/introspect", { token: "x" });
    expect(anonymous.headers.get("www-authenticate")).toMatch(/^Basic realm="auth.example.com"/);
    expect(await refusalOf(anonymous)).toEqual({ status: 401, error: "invalid_client" });
    const named = await c.form("/introspect", { token: "x", client_id: app.clientId });
    expect(await refusalOf(named)).toEqual({ status: 401, error: "invalid_client" });
    const bearer = await c.form("/introspect", { token: "x" }, { authorization: "Bearer guess" });
    expect(await refusalOf(bearer)).toEqual({ status: 401, error: "invalid_token" });
  });

  it("§2.1: a request without a token is invalid_request", async () => {
    expect(await refusalOf(await c.form("/introspect", {}, basic(api)))).toEqual({
      status: 400,
      error: "invalid_request",
    });
  });

  it("§4: a token for another resource is inactive to the caller, and active to its own client", async () => {
    const holder = await c.registerConfidential();
    const { access_token } = await c.tokensFor(holder, { resource: "https://auth.example.com" });
    expect(await (await ask(access_token, api)).json()).toEqual({ active: false });
    expect((await (await ask(access_token, holder)).json()).active).toBe(true);
    expect((await (await ask(access_token, { "x-admin-key": ADMIN_KEY })).json()).active).toBe(true);
  });

  it("§2.2: a refresh token is shown to the client that holds it and to nobody else", async () => {
    const holder = await c.registerConfidential();
    const { refresh_token } = await c.tokensFor(holder, { resource });
    const shown = await (await ask(refresh_token, holder)).json();
    expect([shown.active, shown.token_type, shown.client_id]).toEqual([
      true,
      "refresh_token",
      holder.clientId,
    ]);
    expect(await (await ask(refresh_token, api)).json()).toEqual({ active: false });
    await c.refresh(holder, refresh_token);
    expect(await (await ask(refresh_token, holder)).json()).toEqual({ active: false });
  });

  it("§4: a permission the person takes back is inactive with the next question, on every instance", async () => {
    const person = await c.signIn();
    const { access_token, refresh_token } = await c.tokensFor(
      await c.registerPublic(),
      { resource },
      { person },
    );
    const other = connect(await testContext({ env: publicServer }));
    expect((await other.introspect(access_token)).active).toBe(true);
    const [overview] = await listGrants(t.ctx, person.user.id);
    await stopGrant(t.ctx, { userId: person.user.id, grantId: overview?.grant.id ?? "" });
    expect(await other.introspect(access_token)).toEqual({ active: false });
    expect(await other.introspect(refresh_token)).toEqual({ active: false });
  });

  it("§2.2: of a permission that was narrowed, scope tells what is left", async () => {
    const person = await c.signIn();
    const { access_token } = await c.tokensFor(await c.registerPublic(), { resource }, { person });
    const [overview] = await listGrants(t.ctx, person.user.id);
    await narrowGrant(t.ctx, {
      userId: person.user.id,
      grantId: overview?.grant.id ?? "",
      keep: ["notes:read"],
    });
    expect((await (await ask(access_token, api)).json()).scope).toBe("notes:read");
  });

  it("in local mode anybody on this machine sees every access token, and no refresh token (D30)", async () => {
    const local = connect(await testContext());
    const service = await local.registerConfidential({ grant_types: ["client_credentials"] });
    const { access_token } = await tokensOf(await local.token(service, { grant_type: "client_credentials" }));
    expect((await (await local.form("/introspect", { token: access_token })).json()).active).toBe(true);
    const { refresh_token } = await local.tokensFor(await local.registerPublic());
    expect(await (await local.form("/introspect", { token: refresh_token })).json()).toEqual({
      active: false,
    });
  });
});
