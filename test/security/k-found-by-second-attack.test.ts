import { and, eq, sql } from "drizzle-orm";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { events } from "@/db/schema/events";
import { accessTokens } from "@/db/schema/tokens";
import { type App, basic, connect, newBrowser, type Person, refusalOf } from "@/test/support/client";
import { testContext, unique } from "@/test/support/context";
import { jtiOf } from "@/test/support/delegated";
import { delegation, type TestAgent } from "@/test/support/delegation";
import { type PublicServer, publicServer } from "@/test/support/public-server";
import { claimsOf, ownSigner } from "@/test/support/signer";

const ORIGIN = "https://auth.example.com";
const SERVICE = { grant_type: "client_credentials" };

let s: PublicServer;
beforeAll(async () => {
  s = await publicServer({ env: { AUTHGENT_SCOPES_SUPPORTED: "read" } });
});

let peers = 0;
/** An address that nothing else counts for. */
const newPeer = () => `2001:db8:${(++peers).toString(16)}::1`;

const order = (
  action: string,
  target: Record<string, string>,
  headers: Record<string, string> = s.operator,
) => s.c.json("/kill-switch", { action, target }, headers);

/** A token of one agent, and what another made of it. */
async function chainOfTwo() {
  const d = delegation(s.c, s.operator);
  const parent = await d.createAgent(["read"]);
  const child = await d.createAgent(["read"], { parent_agent: parent.id });
  const [root = "", passedOn = ""] = await d.chain(await d.ownToken(parent, { scope: "read" }), [child]);
  return { parent, child, root, passedOn };
}

describe("a token that is held back (RFC 7009 §2.1)", () => {
  const revoke = async (token: string, by: App) => (await s.c.form("/revoke", { token }, basic(by))).status;

  it.each<[string, (of: { child: TestAgent; passedOn: string }) => Record<string, string>]>([
    ["chain", ({ passedOn }) => ({ chain: passedOn })],
    ["agent", ({ child }) => ({ agent: child.id })],
    ["client", ({ child }) => ({ client: child.clientId })],
  ])("of a frozen %s: who delegated it revokes it, and no thaw brings it back", async (_, target) => {
    const { parent, child, passedOn } = await chainOfTwo();
    expect((await order("freeze", target({ child, passedOn }))).status).toBe(200);
    expect(await revoke(passedOn, parent)).toBe(200);
    expect((await order("thaw", target({ child, passedOn }))).status).toBe(200);
    expect(await s.isActive(passedOn)).toBe(false);
  });

  it("of a frozen chain: its own client revokes it, with its event, once", async () => {
    const { parent, child, root, passedOn } = await chainOfTwo();
    await order("freeze", { chain: root });
    expect([await revoke(passedOn, child), await revoke(passedOn, child)]).toEqual([200, 200]);
    await order("thaw", { chain: root });
    expect([await s.isActive(root), await s.isActive(passedOn)]).toEqual([true, false]);
    const told = await s.t.ctx.db
      .select({ actor: events.actor })
      .from(events)
      .where(and(eq(events.type, "token.revoked"), eq(events.subject, `token:${jtiOf(passedOn)}`)));
    expect(told).toEqual([{ actor: `client:${child.clientId}` }]);
    expect(await revoke(root, parent)).toBe(200);
  });

  it("is not a stranger's to revoke", async () => {
    const { child, root } = await chainOfTwo();
    await order("freeze", { chain: root });
    expect([await revoke(root, await s.createService()), await revoke(root, child)]).toEqual([200, 200]);
    await order("thaw", { chain: root });
    expect(await s.isActive(root)).toBe(true);
  });

  it("has nothing left to revoke once it expired", async () => {
    const later = await publicServer();
    const service = await later.createService();
    const { access_token } = await (await later.c.token(service, SERVICE)).json();
    later.t.advance(86_000);
    expect((await later.c.form("/revoke", { token: access_token }, basic(service))).status).toBe(200);
    const rows = await later.t.ctx.db
      .select({ revokedAt: accessTokens.revokedAt })
      .from(accessTokens)
      .where(eq(accessTokens.jti, jtiOf(access_token)));
    expect(rows).toEqual([{ revokedAt: null }]);
  });
});

describe("/tokens/inspect", () => {
  const inspect = async (token: string, headers: Record<string, string>) => {
    const { valid, error } = await (await s.c.json("/tokens/inspect", { token }, headers)).json();
    return { valid, error };
  };
  const NOT_SHOWN = {
    valid: false,
    error: "Only the client and the resource of a token of this server may ask whether it counts.",
  };

  it("tells a stranger the same of every token: live, revoked, frozen, expired or made up", async () => {
    const service = await s.createService();
    const own = async (): Promise<string> => (await (await s.c.token(service, SERVICE)).json()).access_token;
    const [live, revoked, frozen] = [await own(), await own(), await own()];
    await s.c.form("/revoke", { token: revoked }, basic(service));
    await order("freeze", { chain: frozen });
    const expired = await s.t.ctx.keys.sign("at+jwt", { ...claimsOf(live), exp: 1_600_000_000 });
    const madeUp = await (await ownSigner(s.t.ctx)).sign(claimsOf(live), { kid: "not-a-key-of-this-server" });
    const stranger = basic(await s.createService());
    for (const token of [live, revoked, frozen, expired, madeUp])
      expect(await inspect(token, stranger)).toEqual(NOT_SHOWN);
    expect(await inspect(live, basic(service))).toEqual({ valid: true, error: null });
    expect(await inspect(expired, basic(service))).toEqual({
      valid: false,
      error: "Get a new access token: this one has expired",
    });
    expect((await inspect(revoked, s.operator)).error).toMatch(/^The token was revoked/);
    expect((await inspect(madeUp, s.operator)).error).not.toBe(NOT_SHOWN.error);
  });
});

describe("D26: what a party is refused leaves a row", () => {
  let member: Person;
  let agent: TestAgent;
  const headersOf = (person: Person) => ({
    ...s.c.cookies({ person, browser: newBrowser() }),
    origin: ORIGIN,
  });
  const denialsOf = (actor: string) =>
    s.t.ctx.db
      .select({ type: events.type, clientId: events.clientId, data: events.data })
      .from(events)
      .where(and(eq(events.actor, actor), sql`${events.type} like '%denied'`))
      .orderBy(events.id);

  beforeAll(async () => {
    agent = await delegation(s.c, s.operator).createAgent(["read"]);
  });
  beforeEach(async () => {
    member = await s.c.signIn();
  });

  it.each<[string, number, () => Promise<Response>, Record<string, string>]>([
    [
      "a member kills somebody else's agent",
      403,
      () => order("kill", { agent: agent.id }, headersOf(member)),
      {
        ...{ route: "/kill-switch", method: "POST", error: "forbidden" },
        reason: "Only an admin may do this, and for an agent the one who owns it.",
      },
    ],
    [
      "a member changes somebody else's agent",
      404,
      () => s.c.json(`/agents/${agent.id}`, { name: "Mine" }, headersOf(member), "PATCH"),
      {
        ...{ route: "/agents/{id}", method: "PATCH", error: "not_found" },
        reason: "There is no agent with this id.",
      },
    ],
    [
      "a member lists the people",
      403,
      () => s.c.call("/users", { headers: headersOf(member) }),
      { route: "/users", method: "GET", error: "forbidden", reason: "Only an admin may do this." },
    ],
  ])("%s: %i", async (_, status, act, data) => {
    expect((await act()).status).toBe(status);
    expect(await denialsOf(`user:${member.user.id}`)).toEqual([
      { type: "request.denied", clientId: null, data },
    ]);
  });

  it("a client asks for the receipts of a foreign token: 400", async () => {
    const { access_token } = await (await s.c.token(await s.createService(), SERVICE)).json();
    const { clientId, ...stranger } = await s.createService();
    const response = await s.c.form("/receipts", { token: access_token }, basic({ clientId, ...stranger }));
    expect(await refusalOf(response)).toEqual({ status: 400, error: "invalid_request" });
    const data = {
      ...{ route: "/receipts", method: "POST", error: "invalid_request" },
      reason: "Send an access token of this server that you may look at.",
    };
    expect(await denialsOf(`client:${clientId}`)).toEqual([{ type: "request.denied", clientId, data }]);
  });

  it("a frozen client with the right secret, and not one with a wrong one", async () => {
    const service = await s.createService();
    await order("freeze", { client: service.clientId });
    expect((await s.c.token({ ...service, secret: "wrong" }, SERVICE)).status).toBe(401);
    expect((await s.c.token(service, SERVICE)).status).toBe(400);
    const { clientId } = service;
    const data = {
      ...{ route: "/token", method: "POST", error: "unauthorized_client" },
      reason: "This client is frozen: nothing is issued to it until it is thawed.",
    };
    expect(await denialsOf(`client:${clientId}`)).toEqual([{ type: "request.denied", clientId, data }]);
  });

  it("a refused token request is told once", async () => {
    const service = await s.createService();
    expect((await s.c.token(service, { grant_type: "none" })).status).toBe(400);
    expect((await denialsOf(`client:${service.clientId}`)).map(({ type }) => type)).toEqual([
      "token_request.denied",
    ]);
  });

  it("nobody in particular leaves none: without a session, by a public client's name, where one must sign in", async () => {
    const count = async () =>
      (await s.t.ctx.db.select({ id: events.id }).from(events).where(eq(events.type, "request.denied")))
        .length;
    const { clientId } = await s.createApp();
    const before = await count();
    const statuses = [
      (await s.c.json("/register", { redirect_uris: [] })).status,
      (await s.c.form("/revoke", { client_id: clientId })).status,
      (await s.c.call("/users", { headers: { "x-admin-key": "wrong" }, peer: newPeer() })).status,
      (await s.c.call("/users", { method: "DELETE", headers: headersOf(member) })).status,
    ];
    expect(statuses).toEqual([400, 400, 401, 405]);
    expect(await count()).toBe(before);
  });

  describe("where the audit trail takes no row", () => {
    afterEach(() => s.t.ctx.db.execute(sql`drop function if exists refuse_denials cascade`));

    it("the refusal stays what it is, and the log says so", async () => {
      const service = await s.createService();
      await s.t.ctx.db.execute(sql`
        create function refuse_denials() returns trigger language plpgsql as
        $$ begin raise exception 'the audit trail is full'; end; $$`);
      await s.t.ctx.db.execute(sql`
        create trigger refuse_denials before insert on events for each row
        when (new.type in ('request.denied', 'token_request.denied')) execute function refuse_denials()`);
      const before = s.t.lines.length;
      expect((await s.c.call("/users", { headers: headersOf(member) })).status).toBe(403);
      expect((await s.c.token(service, { grant_type: "none" })).status).toBe(400);
      expect(s.t.lines.slice(before).filter((line) => line.includes("denial not recorded"))).toHaveLength(2);
    });
  });

  it.each<[string, (token: string) => Record<string, string>]>([
    ["scope", (scope) => ({ scope })],
    ["a resource's query", (token) => ({ resource: `https://x.example/?access_token=${token}` })],
    ["the scope that a row is cut in", (token) => ({ scope: `${"x".repeat(230)} ${token}` })],
  ])("a credential sent as %s is in no row", async (_, fields) => {
    const { access_token } = await (await s.c.token(await s.createService(), SERVICE)).json();
    const [head = "", payload = "", signature = ""] = access_token.split(".");
    const service = await s.createService();
    expect((await s.c.token(service, { ...SERVICE, ...fields(access_token) })).status).toBe(400);
    const told = JSON.stringify(await denialsOf(`client:${service.clientId}`));
    expect(told).toContain("token_request.denied");
    expect([head.slice(0, 20), payload, signature].filter((part) => told.includes(part))).toEqual([]);
  });

  it("an opaque access_token in a query is in no row either", async () => {
    const service = await s.createService();
    const resource = "https://x.example/?a=b&access_token=0paque-and-secret&c=d";
    expect((await s.c.token(service, { ...SERVICE, resource })).status).toBe(400);
    const [denial] = await denialsOf(`client:${service.clientId}`);
    expect(JSON.stringify(denial)).not.toContain("0paque");
  });

  it.each<[string, (service: App) => Promise<Response>]>([
    ["58 KB of a scope", (service) => s.c.token(service, { ...SERVICE, scope: "x".repeat(58_000) })],
    ["half a character", () => s.c.json("/users", { [`${"x".repeat(285)}😀`]: "\ud83d" }, headersOf(member))],
  ])("what a row repeats is short, and text that can be stored: %s", async (_, act) => {
    const service = await s.createService();
    await s.t.ctx.db.execute(sql`update users set role = 'admin' where id = ${member.user.id}`);
    await act(service);
    const rows = [
      ...(await denialsOf(`client:${service.clientId}`)),
      ...(await denialsOf(`user:${member.user.id}`)),
    ];
    expect(rows).toHaveLength(1);
    expect(String(rows[0]?.data.reason).length).toBeLessThanOrEqual(300);
  });
});

describe("D1: a request that is not of this machine, at a server in local mode", () => {
  const BEYOND: [string, Record<string, string>, string][] = [
    ["from another machine", {}, "203.0.113.9"],
    ["by another name", { host: "authgent.attacker.example" }, "127.0.0.1"],
    ["through a proxy", { "x-forwarded-for": "203.0.113.9" }, "127.0.0.1"],
    ["from a foreign page", { origin: "https://attacker.example" }, "127.0.0.1"],
  ];

  it.each(BEYOND)("%s gets no token for what nobody registered", async (_, headers, peer) => {
    const c = connect(await testContext());
    const service = await c.register({ grant_types: ["client_credentials"], redirect_uris: [] });
    const fields = { ...SERVICE, resource: `https://${unique()}.example` };
    const here = await c.form("/token", fields, basic(service));
    const beyond = await c.form("/token", fields, { ...basic(service), ...headers }, peer);
    expect([here.status, await refusalOf(beyond)]).toEqual([200, { status: 400, error: "invalid_target" }]);
  });

  it.each(BEYOND)("%s gives an agent no scope that nobody knows", async (_, headers, peer) => {
    const c = connect(await testContext({ env: { AUTHGENT_ADMIN_API_KEY: "the-key-of-this-test-alone" } }));
    const create = (more: Record<string, string>, from: string) =>
      c.call("/agents", {
        method: "POST",
        body: JSON.stringify({ name: unique("agent-"), allowed_scopes: ["unheard:of"] }),
        headers: {
          "content-type": "application/json",
          "x-admin-key": "the-key-of-this-test-alone",
          ...more,
        },
        peer: from,
      });
    expect([(await create({}, "127.0.0.1")).status, (await create(headers, peer)).status]).toEqual([
      201, 422,
    ]);
  });
});

describe("limits", () => {
  it("agents are registered by anybody as often as clients are", async () => {
    const c = connect(await testContext({ env: { AUTHGENT_REGISTER_RATE_LIMIT: "3" } }));
    const statuses = [];
    for (let n = 0; n < 4; n++) statuses.push((await c.json("/agents", { name: unique("agent-") })).status);
    expect(statuses).toEqual([201, 201, 201, 429]);
    expect((await c.json("/register", {})).status).toBe(429);
  });

  it("a member registers no more than that either; the operator as many as they like", async () => {
    const small = await publicServer({ env: { AUTHGENT_REGISTER_RATE_LIMIT: "3" } });
    const member = { ...small.c.cookies({ person: await small.c.signIn() }), origin: ORIGIN };
    const register = async (headers: Record<string, string>) =>
      (await small.c.json("/agents", { name: unique("agent-") }, headers)).status;
    const statuses = [];
    for (const headers of [...new Array(4).fill(member), ...new Array(4).fill(small.operator)])
      statuses.push(await register(headers));
    expect(statuses).toEqual([201, 201, 201, 429, 201, 201, 201, 201]);
  });

  it("a client asks for ten times the tokens of one address, from however many, and nobody else asks for it", async () => {
    const small = await publicServer({ env: { AUTHGENT_TOKEN_RATE_LIMIT: "1" } });
    const service = await small.createService();
    const ask = async (headers: Record<string, string>, fields: Record<string, string> = {}) =>
      (await small.c.form("/token", { ...SERVICE, ...fields }, headers, newPeer())).status;
    for (let n = 0; n < 10; n++) await ask({}, { client_id: service.clientId });
    const statuses = [];
    for (let n = 0; n < 11; n++) statuses.push(await ask(basic(service)));
    expect(statuses).toEqual([...new Array(10).fill(200), 429]);
    expect(await ask(basic(await small.createService()))).toBe(200);
  });
});
