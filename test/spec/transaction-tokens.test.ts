import { createLocalJWKSet, decodeProtectedHeader, jwtVerify } from "jose";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { TOKEN_TYPES } from "@/lib/oauth/token-types";
import { stop } from "@/lib/services/kill-switch";
import { type App, type Connection, connect, type Person, refusalOf } from "@/test/support/client";
import { type TestContext, testContext, unique } from "@/test/support/context";
import { delegation, type TestAgent } from "@/test/support/delegation";
import { unchanged } from "@/test/support/digest";
import { publicServer } from "@/test/support/public-server";
import { claimsOf, ownSigner } from "@/test/support/signer";
import { partner, refusal } from "@/test/support/trusted-assertions";

const DOMAIN = "trust.example";
const ENV = { AUTHGENT_TXN_TOKEN_TRUST_DOMAIN: DOMAIN };

type Fields = Record<string, string | readonly string[] | undefined>;

let t: TestContext;
let c: Connection;
let d: ReturnType<typeof delegation>;
let agent: TestAgent;
let gateway: TestAgent;
let pricing: TestAgent;
let token: string;

beforeAll(async () => {
  t = await testContext({ env: ENV });
  c = connect(t);
  d = delegation(c);
});
beforeEach(async () => {
  agent = await d.createAgent(["trade", "read"]);
  gateway = await d.createAgent(["trade", "read", "write"]);
  pricing = await d.createAgent(["trade", "read", "write"]);
  token = await d.ownToken(agent);
});

const ask = (by: App, subject: string, fields: Fields = {}, on = d) =>
  on.exchange(by, subject, {
    requested_token_type: TOKEN_TYPES.txnToken,
    audience: DOMAIN,
    scope: "trade",
    ...fields,
  });
const start = async (by: App, subject: string, fields: Fields = {}): Promise<string> => {
  const response = await ask(by, subject, fields);
  expect(response.status).toBe(200);
  return (await response.json()).access_token;
};
/** Seconds are whole: what ends with another token may end one earlier, and never later. */
const isAtEnd = (exp: unknown, end: unknown): boolean => exp === end || exp === Number(end) - 1;
const OF_TXN = { subject_token_type: TOKEN_TYPES.txnToken };
const replace = (by: App, txnToken: string, fields: Fields = {}) =>
  ask(by, txnToken, { ...OF_TXN, ...fields });

/** A token of a person, which they allowed an app of theirs. */
async function personToken(person?: Person): Promise<string> {
  const app = await c.registerPublic({ scope: "trade" });
  return (await c.tokensFor(app, { scope: "trade" }, person ? { person } : {})).access_token;
}

describe("Txn-Token Response", () => {
  it("is no access token, has no refresh token, and lives for two minutes", async () => {
    const { access_token: issued, ...answer } = await (await ask(gateway, token)).json();
    expect(answer).toEqual({
      issued_token_type: TOKEN_TYPES.txnToken,
      token_type: "N_A",
      expires_in: 120,
      scope: "trade",
    });
    expect(decodeProtectedHeader(issued)).toEqual({
      typ: "txntoken+jwt",
      alg: "ES256",
      kid: expect.any(String),
    });
  });

  it("has the claims of the draft, signed with a published key", async () => {
    const context = { req_ip: "198.51.100.7", channel: "web" };
    const issued = await start(gateway, token, {
      request_details: '{"action":"BUY"}',
      request_context: JSON.stringify(context),
    });
    const keys = createLocalJWKSet(await t.ctx.keys.jwks());
    const { serverUrl } = t.ctx.settings;
    const { payload } = await jwtVerify(issued, keys, {
      typ: "txntoken+jwt",
      issuer: serverUrl,
      audience: DOMAIN,
      currentDate: t.ctx.now(),
    });
    expect(payload).toEqual({
      iss: serverUrl,
      aud: DOMAIN,
      txn: expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/),
      sub: `client:${agent.clientId}`,
      iat: expect.any(Number),
      exp: Number(payload.iat) + 120,
      scope: "trade",
      req_wl: `client:${gateway.clientId}`,
      tctx: { action: "BUY" },
      rctx: { channel: "web", req_ip: "127.0.0.1", authn: "urn:ietf:rfc:6749" },
    });
  });

  it("every transaction has an identifier of its own", async () => {
    const [one, other] = [await start(gateway, token), await start(gateway, token)];
    expect(claimsOf(one).txn).not.toBe(claimsOf(other).txn);
  });

  it("never outlives the subject token", async () => {
    const later = await testContext({ env: ENV });
    const { exp } = claimsOf(token);
    later.advance(Number(exp) - Math.floor(later.ctx.now().getTime() / 1000) - 30);
    const response = await ask(gateway, token, {}, delegation(connect(later)));
    expect(isAtEnd(claimsOf((await response.json()).access_token).exp, exp)).toBe(true);
  });

  it("is told in the audit trail", async () => {
    const { txn, sub } = claimsOf(await start(gateway, token));
    const event = await t.ctx.db.query.events.findFirst({
      where: (row, { eq }) => eq(row.subject, `transaction:${txn}`),
    });
    expect(event).toMatchObject({
      type: "token.txn_token_issued",
      actor: `client:${gateway.clientId}`,
      clientId: gateway.clientId,
      data: {
        txn,
        principal: sub,
        actors: [],
        parent: claimsOf(token).jti,
        scope: ["trade"],
        audience: DOMAIN,
        replacements: 0,
        policy: "builtin/4",
      },
    });
  });
});

describe("agents (draft-araut-oauth-transaction-tokens-for-agents-02)", () => {
  it("the principal is sub, the app that holds their token is act, whoever asks is req_wl", async () => {
    const person = await personToken();
    const { sub, client_id } = claimsOf(person);
    const { act, sub: principal, req_wl } = claimsOf(await start(gateway, person));
    expect([principal, act, req_wl]).toEqual([
      sub,
      { sub: `client:${client_id}` },
      `client:${gateway.clientId}`,
    ]);
  });

  it("a delegated token keeps its chain", async () => {
    const person = await personToken();
    const { access_token: delegated } = await d.exchanged(agent, person, { audience: gateway.clientId });
    const { act, sub } = claimsOf(await start(gateway, delegated));
    expect([sub, act]).toEqual([claimsOf(person).sub, { sub: `client:${agent.clientId}` }]);
  });

  it("an agent that acts for itself is sub, and nobody is act", async () => {
    const { act, sub } = claimsOf(await start(agent, token));
    expect([sub, act]).toEqual([`client:${agent.clientId}`, undefined]);
  });
});

describe("Txn-Token Request", () => {
  const big = JSON.stringify({ a: "x".repeat(4096) });

  it.each<[string, Fields, string]>([
    ["no audience", { audience: undefined }, "invalid_request"],
    ["another trust domain", { audience: "other.example" }, "invalid_target"],
    ["the trust domain in other letters", { audience: "TRUST.example" }, "invalid_target"],
    ["a resource", { resource: "https://api.example" }, "invalid_request"],
    ["no scope", { scope: undefined }, "invalid_request"],
    ["an empty scope", { scope: "" }, "invalid_request"],
    ["a scope the subject token does not have", { scope: "write" }, "invalid_scope"],
    ["a scope it has, and one it does not", { scope: "trade write" }, "invalid_scope"],
    ["details that are no JSON", { request_details: "{" }, "invalid_request"],
    ["details that are no object", { request_details: "[]" }, "invalid_request"],
    ["a context that is no object", { request_context: '"a"' }, "invalid_request"],
    ["large details", { request_details: big }, "invalid_request"],
    ["a large context", { request_context: big }, "invalid_request"],
    ["a deep context", { request_context: '{"a":{"a":{"a":{"a":{"a":{}}}}}}' }, "invalid_request"],
    ["a refresh token", { subject_token_type: TOKEN_TYPES.refreshToken }, "invalid_request"],
    [
      "self-signed",
      { subject_token_type: "urn:ietf:params:oauth:token-type:self_signed" },
      "invalid_request",
    ],
    ["unsigned", { subject_token_type: "urn:ietf:params:oauth:token-type:unsigned_json" }, "invalid_request"],
  ])("%s", async (_, fields, error) => {
    const response = await unchanged(t, () => ask(gateway, token, fields));
    expect(await refusalOf(response)).toEqual({ status: 400, error });
  });

  it("a scope the client is not registered for", async () => {
    const reader = await d.createAgent(["read"]);
    const { error, error_code } = await (await ask(reader, token)).json();
    expect([error, error_code]).toEqual(["invalid_scope", "scope_escalation"]);
  });

  it("a client that may not use the subject token", async () => {
    const closed = await d.createAgent(["trade"], { may_act: [pricing.clientId] });
    const { error, error_code } = await (await ask(gateway, await d.ownToken(closed))).json();
    expect([error, error_code]).toEqual(["unauthorized_client", "may_act_violation"]);
  });

  it("a public client", async () => {
    const response = await ask(await c.registerPublic(), token);
    expect(await refusalOf(response)).toEqual({ status: 400, error: "unauthorized_client" });
  });

  it("without a trust domain the refusal names the setting", async () => {
    const without = delegation(connect(await testContext()));
    const { error, error_description } = await (await ask(gateway, token, {}, without)).json();
    expect([error, error_description]).toEqual([
      "invalid_request",
      "This server issues no transaction tokens. Ask the operator to set AUTHGENT_TXN_TOKEN_TRUST_DOMAIN.",
    ]);
  });
});

describe("Txn-Token as a subject_token", () => {
  let first: string;

  beforeEach(async () => {
    const fields = { request_details: '{"action":"BUY"}', request_context: '{"channel":"web"}' };
    first = await start(gateway, token, { scope: "trade read", ...fields });
  });

  it("txn, sub and aud stay, scope narrows, the end is no later, and the call chain is kept", async () => {
    t.advance(30);
    const { access_token: second, ...answer } = await (await replace(pricing, first)).json();
    t.advance(-30);
    const { iat, exp, ...claims } = claimsOf(second);
    const { iat: firstIat, exp: firstExp, ...firstClaims } = claimsOf(first);
    expect(claims).toEqual({
      ...firstClaims,
      scope: "trade",
      req_wl: `client:${pricing.clientId}`,
      call_chain: [`client:${gateway.clientId}`, `client:${pricing.clientId}`],
    });
    expect([Number(iat) - Number(firstIat) >= 30, answer.expires_in <= 90]).toEqual([true, true]);
    expect(isAtEnd(exp, firstExp)).toBe(true);
  });

  it("MAY enable additional asserted values: of the request, and only new ones", async () => {
    const second = await (await replace(pricing, first, { request_context: '{"step":2}' })).json();
    expect(claimsOf(second.access_token).rctx).toEqual({ ...(claimsOf(first).rctx as object), step: 2 });
  });

  it.each<[string, Fields, string]>([
    ["another scope", { scope: "write" }, "invalid_scope"],
    ["a wider scope", { scope: "trade read write" }, "invalid_scope"],
    ["other details", { request_details: '{"action":"SELL"}' }, "invalid_request"],
    ["more details", { request_details: '{"more":1}' }, "invalid_request"],
    ["another context", { request_context: '{"channel":"app"}' }, "invalid_request"],
    ["another address", { request_context: '{"req_ip":"127.0.0.2"}' }, "invalid_request"],
    ["another trust domain", { audience: "other.example" }, "invalid_target"],
  ])("%s", async (_, fields, error) => {
    const response = await unchanged(t, () => replace(pricing, first, fields));
    expect(await refusalOf(response)).toEqual({ status: 400, error });
  });

  it("a replacement cannot get back what an earlier one gave up", async () => {
    const { access_token: second } = await (await replace(pricing, first, { scope: "read" })).json();
    const response = await replace(gateway, second, { scope: "trade" });
    expect(await refusalOf(response)).toEqual({ status: 400, error: "invalid_scope" });
  });

  it("an expired one", async () => {
    const later = await testContext({ env: ENV });
    later.advance(121);
    const response = await ask(pricing, first, OF_TXN, delegation(connect(later)));
    expect(await refusalOf(response)).toEqual({ status: 400, error: "invalid_request" });
  });

  it("a sixth time", async () => {
    let last = first;
    for (let count = 1; count <= 5; count += 1)
      last = (await (await replace(pricing, last)).json()).access_token;
    expect(claimsOf(last).call_chain).toEqual([
      `client:${gateway.clientId}`,
      ...Array(5).fill(`client:${pricing.clientId}`),
    ]);
    expect(await refusalOf(await replace(pricing, last))).toEqual({ status: 400, error: "invalid_request" });
  });

  it.each<[string, Record<string, unknown>, Record<string, unknown>]>([
    ["of another type", { typ: "at+jwt" }, {}],
    ["of no type", { typ: undefined }, {}],
    ["of a key nobody knows", { kid: "unknown" }, {}],
    ["that brings its key along", { jwk: {} }, {}],
    ["of another issuer", {}, { iss: "https://evil.example" }],
    ["of another trust domain", {}, { aud: "other.example" }],
    ["for nobody", {}, { sub: undefined }],
    ["without an end", {}, { exp: undefined }],
  ])("one %s", async (_, header, claims) => {
    const signer = await ownSigner(t.ctx);
    const forged = signer.sign({ ...claimsOf(first), ...claims }, { typ: "txntoken+jwt", ...header });
    const response = await unchanged(t, () => replace(pricing, forged));
    expect(await refusalOf(response)).toEqual({ status: 400, error: "invalid_request" });
  });

  it("the forger's signature is what is refused: the same token, signed as it is, is replaced", async () => {
    const signer = await ownSigner(t.ctx);
    const same = signer.sign(claimsOf(first), { typ: "txntoken+jwt" });
    expect((await replace(pricing, same)).status).toBe(200);
    const parts = same.split(".");
    const unsigned = [...parts.slice(0, 2), "AAAA"].join(".");
    expect(await refusalOf(await replace(pricing, unsigned))).toEqual({
      status: 400,
      error: "invalid_request",
    });
  });

  it("one for an agent that was frozen, until it is thawed", async () => {
    const target = { kind: "agent", id: agent.id } as const;
    await stop(t.ctx, { target, action: "freeze", actor: "operator", address: "" });
    expect(await refusalOf(await replace(pricing, first))).toEqual({ status: 400, error: "invalid_request" });
    await stop(t.ctx, { target, action: "thaw", actor: "operator", address: "" });
    expect((await replace(pricing, first)).status).toBe(200);
  });

  it("one by an agent that was killed, for a person", async () => {
    const { access_token: delegated } = await d.exchanged(agent, await personToken(), {
      audience: gateway.clientId,
    });
    const issued = await start(gateway, delegated);
    expect((await replace(pricing, issued)).status).toBe(200);
    const target = { kind: "agent", id: agent.id } as const;
    await stop(t.ctx, { target, action: "kill", actor: "operator", address: "" });
    expect(await refusalOf(await replace(pricing, issued))).toEqual({
      status: 400,
      error: "invalid_request",
    });
  });

  it("one for a person who was stopped", async () => {
    const person = await c.signIn();
    const issued = await start(gateway, await personToken(person));
    expect((await replace(pricing, issued)).status).toBe(200);
    const target = { kind: "person", userId: person.user.id } as const;
    await stop(t.ctx, { target, action: "kill", actor: "operator", address: "" });
    expect(await refusalOf(await replace(pricing, issued))).toEqual({
      status: 400,
      error: "invalid_request",
    });
  });
});

describe("Transaction Tokens Are Not OAuth 2.0 Access Tokens", () => {
  let issued: string;

  beforeEach(async () => {
    issued = await start(gateway, token);
  });

  it("none is made of one, nor a grant for another domain", async () => {
    for (const type of [TOKEN_TYPES.txnToken, TOKEN_TYPES.accessToken, TOKEN_TYPES.jwt]) {
      for (const requested of [TOKEN_TYPES.accessToken, TOKEN_TYPES.jwt, undefined]) {
        const fields = { subject_token_type: type, requested_token_type: requested, audience: undefined };
        const response = await unchanged(t, () => ask(pricing, issued, fields));
        expect(await refusalOf(response)).toEqual({ status: 400, error: "invalid_request" });
      }
    }
  });

  it("nor is one an actor token", async () => {
    const actor = { actor_token: issued, actor_token_type: TOKEN_TYPES.accessToken };
    expect(await refusalOf(await ask(gateway, token, actor))).toEqual({
      status: 400,
      error: "invalid_request",
    });
  });

  it("introspection knows none", async () => {
    expect(await c.introspect(issued)).toEqual({ active: false });
  });

  it("a resource lets nobody in with one", async () => {
    const response = await c.json("/mcp", {}, { authorization: `Bearer ${issued}` });
    expect(response.status).toBe(401);
  });

  it("nor does a pre-check say it could be exchanged", async () => {
    const body = {
      subject_token: issued,
      subject_token_type: TOKEN_TYPES.txnToken,
      client_id: pricing.clientId,
    };
    expect(await (await c.json("/token/check", body)).json()).toMatchObject({ allowed: false });
  });

  it("and no client authenticates with one", async () => {
    const response = await c.form("/token", {
      grant_type: "client_credentials",
      client_id: gateway.clientId,
      client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
      client_assertion: issued,
    });
    expect(await refusalOf(response)).toEqual({ status: 401, error: "invalid_client" });
  });
});

describe("Unknown subject_token scope", () => {
  it("an ID token says no scope: refused, and nobody becomes known", async () => {
    const s = await publicServer({ env: ENV });
    const by = delegation(s.c, s.operator);
    const idp = await partner(s, ["id_token"]);
    await s.createResource(["trade"]);
    const service = await by.createAgent(["trade"]);
    const fields = { subject_token_type: TOKEN_TYPES.idToken };
    const idToken = await idp.assertion();
    expect(await unchanged(s.t, async () => refusal(await ask(service, idToken, fields, by)))).toEqual({
      status: 400,
      error: "invalid_scope",
    });
    await idp.close();
  });

  it("with the scope that the operator gives its issuer's people, one transaction begins with it", async () => {
    const s = await publicServer({ env: ENV });
    const by = delegation(s.c, s.operator);
    const idp = await partner(s, ["id_token"], { scope: "trade" });
    await s.createResource(["trade"]);
    const service = await by.createAgent(["trade"]);
    const fields = { subject_token_type: TOKEN_TYPES.idToken };
    const idToken = await idp.assertion({ sub: unique("alice-") });
    const { access_token: issued } = await (await ask(service, idToken, fields, by)).json();
    const { sub, act } = claimsOf(issued);
    expect([typeof sub === "string" && sub.startsWith("user:"), act]).toEqual([
      true,
      { sub: `client:${service.clientId}` },
    ]);
    expect(await refusal(await ask(service, idToken, fields, by))).toEqual({
      status: 400,
      error: "invalid_request",
    });
    await idp.close();
  });
});
