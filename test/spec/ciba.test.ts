import { decodeJwt } from "jose";
import * as oauth from "oauth4webapi";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { findApproval } from "@/lib/services/approvals";
import { listPersonTokens } from "@/lib/services/person-tokens";
import {
  type App,
  basic,
  type Connection,
  connect,
  newBrowser,
  type Person,
  refusalOf,
  tokensOf,
} from "@/test/support/client";
import { type TestContext, testContext } from "@/test/support/context";
import { delegation } from "@/test/support/delegation";
import { keyHolder } from "@/test/support/dpop";
import { listening } from "@/test/support/listening";
import { publicServer } from "@/test/support/public-server";
import { jsonOf, type Receiver, receiver } from "@/test/support/receivers";
import { bankOf, CIBA, waiting } from "@/test/support/waiting";

let t: TestContext;
let c: Connection;
let w: ReturnType<typeof waiting>;
let bank: string;
let person: Person;
let app: App;

const ENV = { AUTHGENT_TOKEN_RATE_LIMIT: "100000", AUTHGENT_REGISTER_RATE_LIMIT: "1000" };
const SCOPE = "balance:read payments:send";

beforeAll(async () => {
  t = await testContext({ env: ENV });
  c = connect(t);
  w = waiting(t, c);
  bank = await bankOf(t);
});

beforeEach(async () => {
  person = await c.signIn();
  app = await c.registerConfidential({ grant_types: [CIBA], scope: `openid email ${SCOPE}` });
});

type Fields = Record<string, string | readonly string[] | undefined>;

const ask = (fields: Fields = {}, by: App = app) =>
  c.form(
    "/bc-authorize",
    { login_hint: person.user.email, scope: "balance:read", resource: bank, ...fields },
    basic(by),
  );

const asked = async (fields: Fields = {}) => (await ask(fields)).json();

/** What a person agreed to, polled for. */
async function agreed(fields: Fields = {}) {
  const { auth_req_id } = await asked(fields);
  expect(await w.answer(w.approvalOf(auth_req_id), person)).toBe("approved");
  return tokensOf(await w.poll(app, auth_req_id));
}

const refused = (error: string) => ({ status: 400, error });

describe("a backchannel authentication request (CIBA Core §7)", () => {
  it("§7.3: is acknowledged with a handle, its end and the interval", async () => {
    const response = await ask({ binding_message: "Till 4" });
    expect(response.status).toBe(200);
    expect(response.headers.get("cache-control")).toBe("no-store");
    const body = await response.json();
    expect(body).toEqual({
      auth_req_id: expect.stringMatching(/^[\w-]{22}\.[\w-]{43}$/),
      expires_in: 300,
      interval: 5,
      binding_code: expect.stringMatching(/^\d{2}$/),
    });
    expect(await findApproval(t.ctx, w.approvalOf(body.auth_req_id))).toMatchObject({
      kind: "ciba",
      status: "pending",
      userId: person.user.id,
      act: { subject: `user:${person.user.id}`, scope: ["balance:read"], said: { reason: "Till 4" } },
    });
  });

  it("§7.1: requested_expiry ends it earlier, and never later", async () => {
    expect((await asked({ requested_expiry: "60" })).expires_in).toBe(60);
    expect((await asked({ requested_expiry: "6000" })).expires_in).toBe(300);
    expect(await refusalOf(await ask({ requested_expiry: "-1" }))).toEqual(refused("invalid_request"));
  });

  it("§7.1: the client authenticates", async () => {
    const response = await c.form("/bc-authorize", {
      client_id: app.clientId,
      login_hint: person.user.email,
    });
    expect(response.status).toBe(401);
    const stranger = await c.registerPublic();
    const unproven = await c.form("/bc-authorize", { client_id: stranger.clientId, scope: "balance:read" });
    expect(await refusalOf(unproven)).toEqual(refused("unauthorized_client"));
  });

  it("§13: a client that is not registered for it may not ask", async () => {
    const other = await c.registerConfidential();
    expect(await refusalOf(await ask({}, other))).toEqual(refused("unauthorized_client"));
  });

  it("§4: nobody registers for it without a secret", async () => {
    const metadata = { token_endpoint_auth_method: "none", grant_types: [CIBA] };
    await expect(c.register(metadata)).rejects.toThrow("invalid_client_metadata");
  });

  it("§7.1: exactly one hint names the person", async () => {
    expect(await refusalOf(await ask({ login_hint: undefined }))).toEqual(refused("invalid_request"));
    expect(await refusalOf(await ask({ id_token_hint: "x" }))).toEqual(refused("invalid_request"));
    const token = await ask({ login_hint: undefined, login_hint_token: "x" });
    expect(await token.json()).toMatchObject({
      error: "invalid_request",
      error_description: "login_hint_token is not supported. Send login_hint instead.",
    });
  });

  it("§7.1: login_hint is an address or an id", async () => {
    expect((await ask({ login_hint: person.user.email.toUpperCase() })).status).toBe(200);
    expect((await ask({ login_hint: person.user.id })).status).toBe(200);
    expect((await ask({ login_hint: `user:${person.user.id}` })).status).toBe(200);
  });

  it("§13: unknown_user_id for nobody", async () => {
    expect(await refusalOf(await ask({ login_hint: "nobody@example.com" }))).toEqual(
      refused("unknown_user_id"),
    );
  });

  it("§7.1: id_token_hint is an ID token of ours", async () => {
    const signing = await c.registerConfidential({ grant_types: ["authorization_code", CIBA] });
    const { id_token } = await c.tokensFor(signing, { scope: "openid" }, { person });
    const fields = { login_hint: undefined, id_token_hint: id_token };
    expect((await ask({ ...fields, scope: "balance:read" }, signing)).status).toBe(200);
    expect(await refusalOf(await ask(fields))).toEqual(refused("invalid_request"));
    expect(await refusalOf(await ask({ ...fields, id_token_hint: "x.y.z" }, signing))).toEqual(
      refused("invalid_request"),
    );
  });

  it("§7.1: id_token_hint may be what an earlier answer gave", async () => {
    const { id_token } = await agreed({ scope: "openid" });
    const { auth_req_id } = await asked({ login_hint: undefined, id_token_hint: id_token });
    const approval = await findApproval(t.ctx, w.approvalOf(auth_req_id));
    expect(approval?.userId).toBe(person.user.id);
  });

  it("§13: invalid_binding_message for what no screen could show", async () => {
    for (const binding_message of ["a".repeat(201), "a\u202eb"])
      expect(await refusalOf(await ask({ binding_message }))).toEqual(refused("invalid_binding_message"));
  });

  it("§13: invalid_scope for none, and for what nobody knows", async () => {
    expect(await refusalOf(await ask({ scope: undefined }))).toEqual(refused("invalid_scope"));
    expect(await refusalOf(await ask({ scope: "vault:open" }))).toEqual(refused("invalid_scope"));
  });

  it.each([
    ["two people", { quorum: 2 }],
    ["somebody else", { fourEyes: true }],
    ["certain people", { approvers: ["group:treasury"] }],
  ])("§13: invalid_scope for what takes %s: one person is asked", async (_, rule) => {
    const resource = await bankOf(t, rule);
    expect(await refusalOf(await ask({ resource, scope: SCOPE }))).toEqual(refused("invalid_scope"));
    expect((await ask({ resource })).status).toBe(200);
  });

  it("§7.1: acr_values that nobody here can meet are refused", async () => {
    expect(await refusalOf(await ask({ acr_values: "gold" }))).toEqual(
      refused("unmet_authentication_requirements"),
    );
  });

  it("§7.1.1: signed requests are not taken for plain ones", async () => {
    expect(await refusalOf(await ask({ request: "x" }))).toEqual(refused("invalid_request"));
  });

  it("security case 167: nobody is asked without end", async () => {
    for (let index = 0; index < 5; index += 1) expect((await ask()).status).toBe(200);
    expect((await ask()).status).toBe(429);
  });

  it("an agent may ask too", async () => {
    const agent = await delegation(c).createAgent(["balance:read"]);
    expect((await ask({}, agent)).status).toBe(200);
    expect(await refusalOf(await ask({ scope: "payments:send" }, agent))).toEqual(refused("invalid_scope"));
  });
});

describe("the token request (CIBA Core §10.1)", () => {
  it("§10.1.1: gives a token of the person, and no refresh token", async () => {
    const tokens = await agreed();
    expect(tokens).toEqual({
      access_token: expect.any(String),
      token_type: "Bearer",
      expires_in: 900,
      scope: "balance:read",
    });
    expect(decodeJwt(tokens.access_token)).toMatchObject({
      sub: `user:${person.user.id}`,
      client_id: app.clientId,
      aud: bank,
      amr: ["pwd"],
      approval: { id: expect.any(String), digest: expect.any(String) },
    });
    expect(await c.introspect(tokens.access_token)).toMatchObject({
      active: true,
      sub: `user:${person.user.id}`,
    });
  });

  it("§10.1.1: with openid an ID token", async () => {
    const { id_token = "", scope } = await agreed({ scope: "openid email balance:read" });
    expect(scope.split(" ").sort()).toEqual(["balance:read", "email", "openid"]);
    expect(decodeJwt(id_token)).toMatchObject({
      iss: "http://localhost:8000",
      aud: app.clientId,
      sub: `user:${person.user.id}`,
      email: person.user.email,
      at_hash: expect.any(String),
    });
  });

  it("is seen by its person at My agents, who ends it at once; nobody else does", async () => {
    const { access_token } = await agreed();
    const { jti = "" } = decodeJwt(access_token);
    expect(await listPersonTokens(t.ctx, person.user.id)).toEqual([
      { jti, agent: "Test app", audience: bank, scope: ["balance:read"], expiresAt: expect.any(Date) },
    ]);
    const press = (by: Person) =>
      c.post(`/me/tokens/${jti}/stop`, "account", {}, { person: by, browser: newBrowser() });
    const stranger = await c.signIn();
    expect((await press(stranger)).headers.get("location")).toBe("/me?done=already-stopped");
    expect(await c.introspect(access_token)).toMatchObject({ active: true });
    expect((await press(person)).headers.get("location")).toBe("/me?done=stopped");
    expect(await c.introspect(access_token)).toEqual({ active: false });
    expect(await listPersonTokens(t.ctx, person.user.id)).toEqual([]);
    expect((await press(person)).headers.get("location")).toBe("/me?done=already-stopped");
  });

  it("lives five minutes where a person approves it each time", async () => {
    expect(await agreed({ scope: SCOPE })).toMatchObject({ scope: SCOPE, expires_in: 300 });
  });

  it("§11: authorization_pending, then slow_down by five seconds", async () => {
    const { auth_req_id } = await asked();
    expect(await refusalOf(await w.poll(app, auth_req_id))).toEqual(refused("authorization_pending"));
    expect(await (await w.poll(app, auth_req_id)).json()).toMatchObject({ error: "slow_down", interval: 10 });
  });

  it("§11: access_denied with the person's reason", async () => {
    const { auth_req_id } = await asked();
    await w.answer(w.approvalOf(auth_req_id), person, "denied", "I did not ask for this");
    expect(await (await w.poll(app, auth_req_id)).json()).toMatchObject({
      error: "access_denied",
      error_description: "The person refused: I did not ask for this",
    });
  });

  it("§11: expired_token when nobody answered", async () => {
    const { auth_req_id } = await asked();
    t.advance(301);
    expect(await refusalOf(await w.poll(app, auth_req_id))).toEqual(refused("expired_token"));
  });

  it("§10.1: an auth_req_id is of its client, and of one use", async () => {
    const { auth_req_id } = await asked();
    await w.answer(w.approvalOf(auth_req_id), person);
    const other = await c.registerConfidential({ grant_types: [CIBA] });
    expect(await refusalOf(await w.poll(other, auth_req_id))).toEqual(refused("invalid_grant"));
    await tokensOf(await w.poll(app, auth_req_id));
    t.advance(6);
    expect(await refusalOf(await w.poll(app, auth_req_id))).toEqual(refused("invalid_grant"));
  });

  it("is answered by nobody but the person who was named", async () => {
    const { auth_req_id } = await asked();
    expect(await w.answer(w.approvalOf(auth_req_id), await c.signIn("admin"))).toBe("not_yours");
  });

  it("RFC 9470 §5: a sign-in that is not as asked gives nothing", async () => {
    const { auth_req_id } = await asked({ acr_values: "phr" });
    await w.answer(w.approvalOf(auth_req_id), person);
    expect(await refusalOf(await w.poll(app, auth_req_id))).toEqual(
      refused("unmet_authentication_requirements"),
    );
  });

  it("RFC 9449 §5: a key that asked is the key that polls, and the token is bound to it", async () => {
    const holder = await keyHolder({ t, c });
    const fields = { login_hint: person.user.email, scope: "balance:read", resource: bank };
    const headers = { ...basic(app), dpop: await holder.proof({ path: "/bc-authorize" }) };
    const { auth_req_id } = await (await c.form("/bc-authorize", fields, headers)).json();
    await w.answer(w.approvalOf(auth_req_id), person);
    expect(await refusalOf(await w.poll(app, auth_req_id))).toEqual(refused("invalid_dpop_proof"));
    const { access_token, token_type } = await tokensOf(
      await holder.token(app, { grant_type: CIBA, auth_req_id }),
    );
    expect([token_type, decodeJwt(access_token).cnf]).toEqual(["DPoP", { jkt: holder.jkt }]);
  });
});

describe("the ping (CIBA Core §10.2)", () => {
  let hook: Receiver;
  let pinged: App;

  beforeEach(async () => {
    hook = await receiver();
    pinged = await c.registerConfidential({
      grant_types: [CIBA],
      scope: SCOPE,
      backchannel_token_delivery_mode: "ping",
      backchannel_client_notification_endpoint: hook.url,
    });
    return () => hook.close();
  });

  const askToBePinged = async () =>
    (await ask({ client_notification_token: "8d67dc78-7faa" }, pinged)).json();

  it.each(["approved", "denied"] as const)(
    "tells the client that it was %s, and not what",
    async (decision) => {
      const { auth_req_id } = await askToBePinged();
      await w.answer(w.approvalOf(auth_req_id), person, decision);
      await t.settled();
      await hook.until(1);
      const [ping] = hook.received;
      expect(ping?.headers.authorization).toBe("Bearer 8d67dc78-7faa");
      expect(ping && jsonOf(ping)).toEqual({ auth_req_id });
      if (decision === "approved") await tokensOf(await w.poll(pinged, auth_req_id));
    },
  );

  it("is tried again where the client did not take it", async () => {
    hook.answers(503);
    const { auth_req_id } = await askToBePinged();
    await w.answer(w.approvalOf(auth_req_id), person);
    await t.settled();
    await hook.until(1);
    hook.answers(204);
    t.advance(4);
    await t.ctx.courier.deliver();
    await hook.until(2);
    expect(hook.received.map((one) => jsonOf(one))).toEqual([{ auth_req_id }, { auth_req_id }]);
  });

  it("is not sent to a client that has been there already", async () => {
    hook.answers(503);
    const { auth_req_id } = await askToBePinged();
    await w.answer(w.approvalOf(auth_req_id), person);
    await t.settled();
    await tokensOf(await w.poll(pinged, auth_req_id));
    const before = hook.received.length;
    t.advance(10);
    await t.ctx.courier.deliver();
    await t.settled();
    expect(hook.received).toHaveLength(before);
  });

  it("§7.1: needs a token to know us by", async () => {
    expect(await refusalOf(await ask({}, pinged))).toEqual(refused("invalid_request"));
  });

  it("§4: an endpoint is needed, and reached by TLS", async () => {
    const ping = { grant_types: [CIBA], backchannel_token_delivery_mode: "ping" };
    await expect(c.registerConfidential(ping)).rejects.toThrow("invalid_client_metadata");
    const open = { ...ping, backchannel_client_notification_endpoint: "http://client.example/cb" };
    await expect(c.registerConfidential(open)).rejects.toThrow("invalid_client_metadata");
    const push = { ...ping, backchannel_token_delivery_mode: "push" };
    await expect(c.registerConfidential(push)).rejects.toThrow("invalid_client_metadata");
  });
});

describe("the registration of a client that is pinged (CIBA Core §4)", () => {
  const MODE = "backchannel_token_delivery_mode";
  const ENDPOINT = "backchannel_client_notification_endpoint";
  const ping = { grant_types: [CIBA], [MODE]: "ping", [ENDPOINT]: "https://client.example/ping" };

  it("§4: is told as it is, and replaced as a whole (RFC 7592 §2.1, §2.2)", async () => {
    const {
      client_id,
      registration_client_uri: uri,
      ...made
    } = await (await c.json("/register", ping)).json();
    expect(made).toMatchObject(ping);
    const { pathname } = new URL(uri);
    const headers = { authorization: `Bearer ${made.registration_access_token}` };
    expect(await (await c.call(pathname, { headers })).json()).toMatchObject(ping);
    const polling = await c.json(pathname, { client_id, grant_types: [CIBA] }, headers, "PUT");
    expect(await polling.json()).toMatchObject({ [MODE]: "poll" });
    const now = await (await c.call(pathname, { headers })).json();
    expect([now[MODE], now[ENDPOINT]]).toEqual(["poll", undefined]);
  });

  it("§4: nothing of it is told of a client that asks nobody", async () => {
    const answer = await c.json("/register", { ...ping, grant_types: ["client_credentials"] });
    expect(await answer.json()).not.toHaveProperty(MODE);
  });

  it("§4: is told to the operator who registers it", async () => {
    const server = await publicServer();
    const response = await server.c.json("/clients", { client_name: "Bank", ...ping }, server.operator);
    expect(response.status).toBe(201);
    expect(await response.json()).toMatchObject(ping);
  });
});

describe("with a strict client (oauth4webapi), over real HTTP", () => {
  let server: Awaited<ReturnType<typeof listening>>;
  const insecure = { [oauth.allowInsecureRequests]: true } as const;

  beforeAll(async () => {
    server = await listening({ env: ENV });
  });
  afterAll(() => server.close());

  it("§4, §7, §10: finds the endpoint, asks, polls and gets the token", async () => {
    const [here, url] = [connect(server.t), new URL(server.url)];
    const [reader, asks] = [await here.signIn(), waiting(server.t, here)];
    const registered = await here.registerConfidential({ grant_types: [CIBA], scope: "openid notes:read" });
    const discovery = await oauth.discoveryRequest(url, { algorithm: "oauth2", ...insecure });
    const as = await oauth.processDiscoveryResponse(url, discovery);
    expect(as).toMatchObject({
      backchannel_authentication_endpoint: `${server.url}/bc-authorize`,
      backchannel_token_delivery_modes_supported: ["poll", "ping"],
      backchannel_user_code_parameter_supported: false,
    });
    const client: oauth.Client = { client_id: registered.clientId };
    const auth = oauth.ClientSecretBasic(registered.secret ?? "");
    const params = { login_hint: reader.user.email, scope: "openid notes:read" };
    const response = await oauth.backchannelAuthenticationRequest(as, client, auth, params, insecure);
    const { auth_req_id } = await oauth.processBackchannelAuthenticationResponse(as, client, response);
    await asks.answer(asks.approvalOf(auth_req_id), reader);
    const poll = await oauth.backchannelAuthenticationGrantRequest(as, client, auth, auth_req_id, insecure);
    const tokens = await oauth.processBackchannelAuthenticationGrantResponse(as, client, poll);
    expect(oauth.getValidatedIdTokenClaims(tokens)?.sub).toBe(`user:${reader.user.id}`);
  });
});
