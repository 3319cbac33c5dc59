import { eq } from "drizzle-orm";
import * as oauth from "oauth4webapi";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { events } from "@/db/schema/events";
import { GRANT_TYPES } from "@/lib/oauth/token-types";
import { createResource } from "@/lib/services/resources";
import { type App, type Connection, connect, type Person, refusalOf, tokensOf } from "@/test/support/client";
import { type TestContext, testContext, unique } from "@/test/support/context";
import { PAYMENT, param, pay } from "@/test/support/details-types";
import { devices } from "@/test/support/devices";
import { keyHolder } from "@/test/support/dpop";
import { listening } from "@/test/support/listening";
import { claimsOf } from "@/test/support/signer";
import { waiting } from "@/test/support/waiting";

let t: TestContext;
let c: Connection;
let d: ReturnType<typeof devices>;
let files: string;
let app: App;
let person: Person;

const READ = { scope: "files:read files:write" };

beforeAll(async () => {
  t = await testContext({
    env: { AUTHGENT_TOKEN_RATE_LIMIT: "100000", AUTHGENT_REGISTER_RATE_LIMIT: "100000" },
  });
  c = connect(t);
  d = devices(c);
  files = await c.protect(`https://${unique("files")}.example/mcp`, {
    scopes: ["files:read", "files:write"],
  });
});

beforeEach(async () => {
  app = await d.register();
  person = await c.signIn();
});

const asked = (fields: Record<string, string> = {}) => d.codes(app, { resource: files, ...READ, ...fields });

describe("RFC 8628 Device Authorization Grant", () => {
  it("§3.1, §3.2: a public client gets both codes by its name, and where the person is to type", async () => {
    const response = await d.send("/device/authorize", app, { resource: files, ...READ });
    expect([response.status, response.headers.get("cache-control")]).toEqual([200, "no-store"]);
    const codes = await response.json();
    expect(codes).toEqual({
      device_code: expect.stringMatching(/^dc_[\w-]{43}$/),
      user_code: expect.stringMatching(/^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$/),
      verification_uri: "http://localhost:8000/device",
      verification_uri_complete: `http://localhost:8000/device?user_code=${codes.user_code}`,
      expires_in: 600,
      interval: 5,
    });
  });

  it("§3.1: a client that is not registered for it is told which grant type it lacks", async () => {
    const other = await c.registerPublic();
    const response = await d.send("/device/authorize", other);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      error: "unauthorized_client",
      error_description: expect.stringContaining(GRANT_TYPES.deviceCode),
    });
  });

  it("§3.1: a resource nobody knows is refused, and so is a second one", async () => {
    expect(
      await refusalOf(await d.send("/device/authorize", app, { resource: ["https://a.example", files] })),
    ).toEqual({
      status: 400,
      error: "invalid_target",
    });
  });

  it("§3.3: the code is read without regard to case, dashes and spaces", async () => {
    const codes = await asked();
    const typed = codes.user_code.toLowerCase().replace("-", "  ");
    expect((await d.enter(person, typed)).headers.get("location")).toMatch(/^\/approve\/[\w-]{22}$/);
  });

  it("§3.3: what cannot be a code leads back to the page, and counts as no guess", async () => {
    for (let times = 0; times < 7; times += 1)
      expect((await d.enter(person, "12345678")).headers.get("location")).toBe("/device?error=unreadable");
    const codes = await asked();
    expect((await d.enter(person, codes.user_code)).headers.get("location")).toMatch(/^\/approve\//);
  });

  it("§3.3: whoever is not signed in signs in first", async () => {
    const response = await c.form("/device/verify", { user_code: "WDJB-MJHT" });
    expect([response.status, response.headers.get("location")]).toEqual([303, "/login?continue=%2Fdevice"]);
  });

  it("§3.4: the device gets tokens of the person, for what they ticked and nothing else", async () => {
    const codes = await asked();
    const answered = await d.allow(person, codes, ["files:read", "files:delete"]);
    expect(answered.status).toBe(303);
    const tokens = await tokensOf(await d.poll(app, codes));
    expect(tokens).toEqual({
      access_token: expect.any(String),
      token_type: "Bearer",
      expires_in: 3600,
      scope: "files:read",
      refresh_token: expect.stringMatching(/^rt_/),
      refresh_token_timeout: 86_400,
      authorization_expires_in: 86_400,
    });
    expect(claimsOf(tokens.access_token)).toMatchObject({
      sub: `user:${person.user.id}`,
      client_id: app.clientId,
      aud: files,
      scope: "files:read",
    });
    expect(await c.introspect(tokens.access_token)).toMatchObject({
      active: true,
      sub: `user:${person.user.id}`,
    });
  });

  it("§3.4: a code is good for tokens once", async () => {
    const codes = await asked();
    await d.allow(person, codes, ["files:read"]);
    await tokensOf(await d.poll(app, codes));
    t.advance(6);
    expect(await refusalOf(await d.poll(app, codes))).toEqual({ status: 400, error: "invalid_grant" });
  });

  it("§3.4: that it was redeemed is in the trail, and for which token", async () => {
    const codes = await asked();
    const id = await d.questionOf(person, codes);
    await d.decide(person, id, { scope: ["files:read"] });
    const { jti } = claimsOf((await tokensOf(await d.poll(app, codes))).access_token);
    expect(await waiting(t, c).eventsOf(id)).toEqual([
      "approval.approved",
      "approval.consumed",
      "approval.requested",
    ]);
    const [issued] = await t.ctx.db
      .select()
      .from(events)
      .where(eq(events.subject, `token:${jti}`));
    expect(issued?.data).toMatchObject({ approval: id, principal: `user:${person.user.id}` });
  });

  it("§3.4: the tokens refresh like those of a code, within a day", async () => {
    const codes = await asked();
    await d.allow(person, codes, ["files:read"]);
    const first = await tokensOf(await d.poll(app, codes));
    t.advance(80_000);
    const second = await tokensOf(await c.refresh(app, first.refresh_token));
    expect(second.authorization_expires_in).toBe(6400);
    t.advance(6401);
    expect(await refusalOf(await c.refresh(app, second.refresh_token))).toEqual({
      status: 400,
      error: "invalid_grant",
    });
  });

  it("§3.4: a person may choose that the device stays connected for 90 days", async () => {
    const codes = await asked();
    await d.allow(person, codes, ["files:read"], { keep: "long" });
    const tokens = await tokensOf(await d.poll(app, codes));
    expect([tokens.refresh_token_timeout, tokens.authorization_expires_in]).toEqual([2_592_000, 7_776_000]);
  });

  it("§3.4: openid brings an ID token of the person who typed the code", async () => {
    const codes = await d.codes(app, { scope: "openid email" });
    await d.allow(person, codes, ["openid", "email"]);
    const { id_token = "" } = await tokensOf(await d.poll(app, codes));
    expect(claimsOf(id_token)).toMatchObject({
      sub: `user:${person.user.id}`,
      aud: app.clientId,
      email: person.user.email,
    });
  });

  it("§3.5: authorization_pending until there is an answer", async () => {
    const codes = await asked();
    expect(await refusalOf(await d.poll(app, codes))).toEqual({
      status: 400,
      error: "authorization_pending",
    });
    await d.questionOf(person, codes);
    t.advance(5);
    expect(await refusalOf(await d.poll(app, codes))).toEqual({
      status: 400,
      error: "authorization_pending",
    });
  });

  it("§3.5: slow_down adds five seconds for this and all later polls", async () => {
    const codes = await asked();
    await d.poll(app, codes);
    t.advance(4);
    expect(await (await d.poll(app, codes)).json()).toMatchObject({
      error: "slow_down",
      error_description: "Wait 10 seconds between two polls.",
      interval: 10,
    });
    t.advance(9);
    expect(await refusalOf(await d.poll(app, codes))).toEqual({ status: 400, error: "slow_down" });
    t.advance(15);
    expect(await refusalOf(await d.poll(app, codes))).toEqual({
      status: 400,
      error: "authorization_pending",
    });
  });

  it("§3.5: access_denied when the person refused, again and again", async () => {
    const codes = await asked();
    const id = await d.questionOf(person, codes);
    await d.decide(person, id, { decision: "deny" });
    expect(await refusalOf(await d.poll(app, codes))).toEqual({ status: 400, error: "access_denied" });
    t.advance(6);
    expect(await refusalOf(await d.poll(app, codes))).toEqual({ status: 400, error: "access_denied" });
  });

  it("§3.5: expired_token when nobody answered in time, and when a yes was not fetched in time", async () => {
    const [late, unfetched] = [await asked(), await asked()];
    t.advance(590);
    await d.allow(person, unfetched, ["files:read"]);
    t.advance(11);
    expect(await refusalOf(await d.poll(app, late))).toEqual({ status: 400, error: "expired_token" });
    t.advance(300);
    expect(await refusalOf(await d.poll(app, unfetched))).toEqual({ status: 400, error: "expired_token" });
  });

  it("§3.5: Prefer: wait keeps a poll until the person has answered", async () => {
    const codes = await asked();
    const poll = d.poll(app, codes, {}, { prefer: "wait=30" });
    const id = await d.questionOf(person, codes);
    expect(t.ctx.waiting.size).toBe(1);
    await d.decide(person, id, { scope: ["files:read"] });
    await t.settled();
    expect((await tokensOf(await poll)).scope).toBe("files:read");
  });

  it("§3.5: Prefer: wait is not over because the code is new", async () => {
    const poll = d.poll(app, await asked(), {}, { prefer: "wait=1" });
    const startedAt = performance.now();
    expect(await refusalOf(await poll)).toEqual({ status: 400, error: "authorization_pending" });
    expect(performance.now() - startedAt).toBeGreaterThan(900);
  });

  it("§4: the metadata names the endpoint and the grant type", async () => {
    const metadata = await (await c.call("/.well-known/oauth-authorization-server")).json();
    expect(metadata.device_authorization_endpoint).toBe("http://localhost:8000/device/authorize");
    expect(metadata.grant_types_supported).toContain("urn:ietf:params:oauth:grant-type:device_code");
  });

  it("§5.6: a client without an address to send people to registers for it, and for refreshing", async () => {
    const response = await c.json("/register", {
      client_name: "Terminal",
      token_endpoint_auth_method: "none",
      grant_types: [GRANT_TYPES.deviceCode],
    });
    expect(response.status).toBe(201);
    expect(await response.json()).toMatchObject({
      grant_types: [GRANT_TYPES.deviceCode, "refresh_token"],
      redirect_uris: [],
      response_types: [],
    });
  });
});

describe("what else a device code is held to", () => {
  it("RFC 9449 §5: asked for with a key, it is polled with that key, and so are its tokens bound", async () => {
    const [key, other] = [await keyHolder({ t, c }), await keyHolder({ t, c })];
    const codes = await (await key.form("/device/authorize", app, { resource: files, ...READ })).json();
    await d.allow(person, codes, ["files:read"]);
    const fields = { grant_type: GRANT_TYPES.deviceCode, device_code: codes.device_code };
    expect(await refusalOf(await d.poll(app, codes))).toEqual({ status: 400, error: "invalid_dpop_proof" });
    expect(await refusalOf(await other.token(app, fields))).toEqual({ status: 400, error: "invalid_grant" });
    const tokens = await tokensOf(await key.token(app, fields));
    expect(tokens.token_type).toBe("DPoP");
    expect(claimsOf(tokens.access_token)).toMatchObject({ cnf: { jkt: key.jkt } });
  });

  it("RFC 8707 §2.2: it is for the resource that was asked for", async () => {
    const codes = await asked();
    await d.allow(person, codes, ["files:read"]);
    expect(await refusalOf(await d.poll(app, codes, { resource: "https://other.example" }))).toEqual({
      status: 400,
      error: "invalid_target",
    });
  });

  it("RFC 9396 §7: what is asked for in detail is in the tokens as far as the person ticked it", async () => {
    const resource = `https://${unique("bank")}.example`;
    await createResource(
      t.ctx,
      {
        ...{ resource, name: "Bank", scopes: [], aliases: [], introspectionClients: [] },
        ...{ authorizationDetailsTypes: [PAYMENT], dpopBoundAccessTokensRequired: false },
      },
      "test",
    );
    const codes = await d.codes(app, { resource, authorization_details: param(pay(40), pay(99)) });
    await d.allow(person, codes, [], { detail: ["0"] });
    const tokens = await tokensOf(await d.poll(app, codes));
    expect([tokens.scope, tokens.authorization_details]).toEqual(["", [pay(40)]]);
    const refreshed = await tokensOf(await c.refresh(app, tokens.refresh_token));
    expect(refreshed.authorization_details).toEqual([pay(40)]);
    const unknown = await d.send("/device/authorize", app, {
      resource,
      authorization_details: '[{"type":"x"}]',
    });
    expect(await refusalOf(unknown)).toEqual({ status: 400, error: "invalid_authorization_details" });
  });

  it("a person who takes their yes back before the device fetched it gives nothing", async () => {
    const codes = await asked();
    await d.allow(person, codes, ["files:read"]);
    const [grant] = (await t.ctx.db.query.grants.findMany()).filter(
      ({ userId }) => userId === person.user.id,
    );
    const stopped = await c.post(`/me/grants/${grant?.id}/stop`, "account", {}, { person, browser: "" });
    expect(stopped.headers.get("location")).toBe("/me?done=stopped");
    expect(await refusalOf(await d.poll(app, codes))).toEqual({ status: 400, error: "invalid_grant" });
  });

  it("an answer with nothing ticked is none", async () => {
    const codes = await asked();
    const id = await d.questionOf(person, codes);
    const answered = await d.decide(person, id, { scope: [] });
    expect(answered.headers.get("location")).toBe(`/approve/${id}?nothing-ticked`);
    expect(await refusalOf(await d.poll(app, codes))).toEqual({
      status: 400,
      error: "authorization_pending",
    });
  });

  it("D19: a person's role bounds what they give", async () => {
    const resource = `https://${unique("admin")}.example`;
    const scope = (name: string, minimumRole?: "admin") => ({
      ...{ name, description: name, risk: "low" as const },
      ...(minimumRole && { minimumRole }),
    });
    await createResource(
      t.ctx,
      {
        ...{ resource, name: "Both", scopes: [scope("read"), scope("manage", "admin")], aliases: [] },
        ...{ introspectionClients: [], authorizationDetailsTypes: [], dpopBoundAccessTokensRequired: false },
      },
      "test",
    );
    const codes = await d.codes(app, { resource, scope: "read manage" });
    await d.allow(person, codes, ["read", "manage"]);
    expect((await tokensOf(await d.poll(app, codes))).scope).toBe("read");
  });
});

describe("clients of an earlier system (contract §1.1)", () => {
  it("register an agent, and ask and poll by its name alone", async () => {
    const agent = await (await c.json("/agents", { name: "cli", allowed_scopes: ["files:read"] })).json();
    const known = { clientId: agent.client_id, redirectUri: "" };
    const codes = await d.codes(known, { scope: "files:read" });
    const fields = { device_code: codes.device_code };
    const pending = await d.send("/device/token", known, fields);
    expect(pending.status).toBe(400);
    expect(await pending.json()).toMatchObject({ error: "authorization_pending" });
    const done = await d.asJson(person, "/device/complete", {
      user_code: codes.user_code,
      action: "approve",
    });
    expect([done.status, await done.json()]).toEqual([200, { status: "approved" }]);
    t.advance(6);
    const tokens = await tokensOf(await d.send("/device/token", known, fields));
    expect(claimsOf(tokens.access_token)).toMatchObject({
      sub: `user:${person.user.id}`,
      scope: "files:read",
    });
  });

  it("answer by /device/approve and /device/deny, once", async () => {
    const [yes, no] = [await asked(), await asked()];
    const approve = () => d.asJson(person, "/device/approve", { user_code: yes.user_code });
    expect(await (await approve()).json()).toEqual({ status: "approved" });
    expect(await refusalOf(await approve())).toEqual({ status: 409, error: "conflict" });
    const denied = await d.asJson(person, "/device/deny", { user_code: no.user_code });
    expect(await denied.json()).toEqual({ status: "denied" });
    expect(await refusalOf(await d.poll(app, no))).toEqual({ status: 400, error: "access_denied" });
  });

  it("may narrow what is asked", async () => {
    const codes = await asked();
    await d.asJson(person, "/device/approve", { user_code: codes.user_code, scope: ["files:read"] });
    expect((await tokensOf(await d.poll(app, codes))).scope).toBe("files:read");
  });
});

describe("oauth4webapi as the device", () => {
  let server: Awaited<ReturnType<typeof listening>>;
  const insecure = { [oauth.allowInsecureRequests]: true };

  beforeAll(async () => {
    server = await listening();
  });
  afterAll(() => server.close());

  it("§3: discovers the endpoint, asks, waits and gets its tokens", async () => {
    const issuer = new URL(server.url);
    const found = await oauth.discoveryRequest(issuer, { algorithm: "oauth2", ...insecure });
    const as = await oauth.processDiscoveryResponse(issuer, found);
    const there = connect(server.t);
    const own = devices(there, server.url);
    const { clientId } = await own.register();
    const client = { client_id: clientId };
    const request = new URLSearchParams({ scope: "mcp:tools", resource: `${server.url}/mcp` });
    const asking = await oauth.deviceAuthorizationRequest(as, client, oauth.None(), request, insecure);
    const codes = await oauth.processDeviceAuthorizationResponse(as, client, asking);
    const poll = async () => {
      const response = await oauth.deviceCodeGrantRequest(
        as,
        client,
        oauth.None(),
        codes.device_code,
        insecure,
      );
      return oauth.processDeviceCodeResponse(as, client, response);
    };
    await expect(poll()).rejects.toMatchObject({ error: "authorization_pending" });
    const ada = await there.signIn();
    await own.asJson(ada, "/device/approve", { user_code: codes.user_code });
    server.t.advance(5);
    expect(await poll()).toMatchObject({ token_type: "bearer", scope: "mcp:tools" });
  });
});
