import { sql } from "drizzle-orm";
import { beforeAll, describe, expect, it } from "vitest";
import { rowsOf } from "@/db/client";
import { findAgent, findAgentByClientRecently } from "@/lib/services/agent-lookup";
import { pruneClients } from "@/lib/services/clients";
import { stop } from "@/lib/services/kill-switch";
import { type App, type Connection, connect, type Person } from "@/test/support/client";
import { type TestContext, testContext, unique } from "@/test/support/context";
import { unchanged } from "@/test/support/digest";
import { type PublicServer, publicServer } from "@/test/support/public-server";

const ORIGIN = "https://auth.example.com";
const TOKEN = "an-initial-access-token-of-the-tests";

/** Somebody's own machine. */
let t: TestContext;
let c: Connection;
/** A server on the internet, where `search:read` is known. */
let s: PublicServer;
let ada: Headers;
let admin: Headers;

type Headers = Record<string, string>;
type Wire = Record<string, unknown> & { id: string; client_id: string; client_secret: string };

beforeAll(async () => {
  t = await testContext({ env: { AUTHGENT_TOKEN_RATE_LIMIT: "100000" } });
  c = connect(t);
  s = await publicServer({ env: { AUTHGENT_REGISTRATION_TOKEN: TOKEN } });
  await s.createResource(["search:read", "search:write"]);
  ada = sessionOf(await s.c.signIn());
  admin = sessionOf(await s.c.signIn("admin"));
});

const sessionOf = (person: Person): Headers => ({ ...s.c.cookies({ person }), origin: ORIGIN });

async function create(body: Record<string, unknown> = {}, headers: Headers = {}, at = c): Promise<Wire> {
  const response = await at.json("/agents", { name: unique("agent "), ...body }, headers);
  if (response.status !== 201) throw new Error(`not created: ${await response.text()}`);
  return response.json();
}
const createThere = (body: Record<string, unknown> = {}, headers: Headers = s.operator) =>
  create(body, headers, s.c);

const appOf = ({ client_id: clientId, client_secret: secret }: Wire): App => ({
  clientId,
  secret,
  redirectUri: "",
});
const tokenFor = async (agent: Wire, fields: Record<string, string> = {}) =>
  c.token(appOf(agent), { grant_type: "client_credentials", ...fields });

/** Of an agent of the public server, as its operator is told. */
const shown = async ({ id }: { id: string }) =>
  (await s.c.call(`/agents/${id}`, { headers: s.operator })).json();
const patch = (id: string, body: unknown, headers: Headers = s.operator) =>
  s.c.json(`/agents/${id}`, body, headers, "PATCH");
const remove = (id: string, headers: Headers = s.operator) =>
  s.c.call(`/agents/${id}`, { method: "DELETE", headers });
const reactivate = (id: string, headers: Headers = s.operator) =>
  s.c.json(`/agents/${id}/reactivate`, {}, headers);

/** What a refusal says, and that nothing changed by it. */
const refused = async (at: TestContext, act: () => Promise<Response>) => {
  const response = await unchanged(at, act);
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  const { status, error, errors } = await response.json();
  return { status, error, fields: errors?.map(({ field }: { field: string }) => field) };
};
const invalid = (...fields: string[]) => ({ status: 422, error: "validation_failed", fields });

/** What the audit trail tells of an agent, by name: with a clock that stands still there is no other order. */
const eventsOf = async (id: string) =>
  rowsOf<{ type: string; actor: string }>(
    s.t.ctx.db.execute(sql`select type, actor from events where subject = ${`agent:${id}`} order by type`),
  );

describe("POST /agents (contract §1.5)", () => {
  it("in local mode needs no credential: 201 with every member, the agent's client and its secret", async () => {
    const body = {
      name: "Search agent",
      description: "Looks things up",
      owner: "research",
      allowed_scopes: ["search:read"],
      capabilities: ["search"],
      allowed_exchange_targets: ["https://db.example/v1"],
      metadata: { team: { floor: 3 } },
      agent_type: "autonomous",
      agent_model: "m-1",
      agent_version: "1.2",
      agent_provider: "example.com",
    };
    const response = await c.json("/agents", body);
    expect(response.status).toBe(201);
    const { id, uuid, client_id, client_secret, ...rest } = await response.json();
    expect(response.headers.get("location")).toBe(`http://localhost:8000/agents/${id}`);
    expect(id).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}$/);
    expect(uuid).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    expect(client_id).toMatch(/^agnt_[\w-]{22}$/);
    expect(client_secret).toMatch(/^sec_[\w-]{43}$/);
    const now = t.ctx.now().toISOString();
    expect(rest).toEqual({
      ...body,
      oauth_client_id: client_id,
      parent_agent: null,
      may_act: [],
      status: "active",
      token_endpoint_auth_method: "client_secret_post",
      attestation_level: "none",
      created_at: now,
      updated_at: now,
    });
  });

  it("a name is enough: lists are empty, texts null", async () => {
    const agent = await create({ description: null, owner: "" });
    const { description, owner, allowed_scopes, capabilities, metadata, agent_type } = agent;
    expect({ description, owner, allowed_scopes, capabilities, metadata, agent_type }).toEqual({
      ...{ description: null, owner: null, agent_type: null },
      ...{ allowed_scopes: [], capabilities: [], metadata: {} },
    });
  });

  it("the client gets a token at once, with the secret in the body or by Basic (D21)", async () => {
    const agent = await create({ allowed_scopes: ["a", "b"] });
    const inBody = { client_id: agent.client_id, client_secret: agent.client_secret };
    const response = await c.form("/token", { grant_type: "client_credentials", scope: "b", ...inBody });
    expect([response.status, (await response.json()).scope]).toEqual([200, "b"]);
    expect((await (await tokenFor(agent)).json()).scope).toBe("a b");
  });

  it("its scopes are a limit: beyond them is invalid_scope, and without any it has none", async () => {
    const [some, none] = [await create({ allowed_scopes: ["a"] }), await create()];
    expect((await (await tokenFor(some, { scope: "c" })).json()).error).toBe("invalid_scope");
    expect((await (await tokenFor(none, { scope: "a" })).json()).error).toBe("invalid_scope");
    expect((await (await tokenFor(none)).json()).scope).toBe("");
  });

  it("makes the agent and its client together, with an event each", async () => {
    const { id, client_id } = await createThere();
    expect(await eventsOf(id)).toEqual([{ type: "agent.created", actor: "operator" }]);
    const of = await rowsOf(
      s.t.ctx.db.execute(sql`select type from events where subject = ${`client:${client_id}`}`),
    );
    expect(of).toEqual([{ type: "client.created" }]);
    const { kind, status, grant_types, redirect_uris } = await (
      await s.c.call(`/clients/one?client_id=${client_id}`, { headers: s.operator })
    ).json();
    expect({ kind, status, grant_types, redirect_uris }).toEqual({
      kind: "agent",
      status: "active",
      grant_types: [
        "client_credentials",
        "urn:ietf:params:oauth:grant-type:token-exchange",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "urn:openid:params:grant-type:ciba",
      ],
      redirect_uris: [],
    });
  });

  it("is never pruned, however long it is unused", async () => {
    const own = await testContext();
    const agent = await create({}, {}, connect(own));
    own.advance(400 * 86_400);
    await pruneClients(own.ctx);
    expect((await findAgent(own.ctx, agent.id))?.status).toBe("active");
  });

  it("D30: admin scopes are never self-granted; the answer says what was registered", async () => {
    const { allowed_scopes } = await create({ allowed_scopes: ["a", "admin:all"] });
    expect(allowed_scopes).toEqual(["a"]);
  });

  it.each([
    ["no name", { name: undefined }, ["name"]],
    ["an empty name", { name: " " }, ["name"]],
    ["a name of 256 characters", { name: "x".repeat(256) }, ["name"]],
    ["a name that reads backwards", { name: "ab\u202ecd" }, ["name"]],
    ["a description with a line break", { description: "a\nb" }, ["description"]],
    ["a scope with a space", { allowed_scopes: ["a b"] }, ["allowed_scopes.0"]],
    ["a target with a space", { allowed_exchange_targets: ["a b"] }, ["allowed_exchange_targets.0"]],
    ["a capability that is no text", { capabilities: [7] }, ["capabilities.0"]],
    ["an actor nobody registered", { may_act: ["agnt_nobody"] }, ["may_act.0"]],
    ["metadata that is a list", { metadata: [] }, ["metadata"]],
    ["metadata of 9 KB", { metadata: { a: "x".repeat(9000) } }, ["metadata"]],
    ["metadata with half a character", { metadata: { a: ["\ud800"] } }, ["metadata"]],
    ["metadata 11 levels deep", { metadata: { a: [[[[[[[[[[1]]]]]]]]]] } }, ["metadata"]],
    ["a parent nobody registered", { parent_agent: "agnt_nobody" }, ["parent_agent"]],
    ["an unknown member", { color: "red" }, ["body"]],
  ])("%s is 422 with the field named", async (_what, change, fields) => {
    const send = () => c.json("/agents", { name: "Agent", ...change });
    expect(await refused(t, send)).toEqual(invalid(...fields));
  });

  it("10 levels of metadata and 8 KB are stored as they are", async () => {
    const metadata = { a: [[[[[[[[[1]]]]]]]]], b: "ü".repeat(4000) };
    expect((await create({ metadata })).metadata).toEqual(metadata);
  });

  it("evidence is judged by the attestation provider, and its level is stored", async () => {
    const asked: unknown[] = [];
    const own = await testContext();
    own.ctx.attestation = {
      attest: async (request) => {
        asked.push(request);
        return { valid: request.evidence.quote === "good", level: "hardware" };
      },
    };
    const at = connect(own);
    const good = await create({ name: "Ada's", attestation: { quote: "good" } }, {}, at);
    expect(good.attestation_level).toBe("hardware");
    expect(asked).toEqual([{ name: "Ada's", evidence: { quote: "good" } }]);
    const bad = () => at.json("/agents", { name: "Eve's", attestation: { quote: "bad" } });
    expect(await refused(own, bad)).toEqual(invalid("attestation"));
  });
});

describe("POST /agents outside local mode (product decision D1)", () => {
  const send = (headers: Headers, body: Record<string, unknown> = {}) =>
    s.c.json("/agents", { name: "Agent", ...body }, headers);

  it("without a credential is 401 with a challenge", async () => {
    const response = await send({});
    expect([response.status, response.headers.get("www-authenticate")]).toEqual([401, "Bearer"]);
  });

  it.each<[string, () => Headers, string]>([
    ["the operator's key", () => s.operator, "operator"],
    ["the registration token", () => ({ authorization: `Bearer ${TOKEN}` }), "registration token"],
  ])("takes %s", async (_what, headers, actor) => {
    const { id } = await createThere({}, headers());
    expect(await eventsOf(id)).toEqual([{ type: "agent.created", actor }]);
  });

  it("takes a person who is signed in: the agent is theirs", async () => {
    const person = await s.c.signIn();
    const { id } = await createThere({}, sessionOf(person));
    expect(await eventsOf(id)).toEqual([{ type: "agent.created", actor: `user:${person.user.id}` }]);
    expect((await findAgent(s.t.ctx, id))?.ownerId).toBe(person.user.id);
  });

  it("of a session only from our own origin, and not long after the sign-in", async () => {
    const { origin: _, ...elsewhere } = ada;
    expect(await refused(s.t, () => send(elsewhere))).toMatchObject({ status: 403, error: "forbidden" });
    const own = await publicServer();
    const person = await own.c.signIn();
    own.t.advance(1801);
    const late = () => own.c.json("/agents", { name: "A" }, { ...own.c.cookies({ person }), origin: ORIGIN });
    expect(await refused(own.t, late)).toMatchObject({ status: 403, error: "forbidden" });
  });

  it.each([
    ["admin", 403],
    ["off", 403],
    ["token", 201],
  ])("under the policy %s a member is answered %i", async (policy, status) => {
    const own = await publicServer({
      env: { AUTHGENT_REGISTRATION_POLICY: policy, AUTHGENT_REGISTRATION_TOKEN: TOKEN },
    });
    const headers = { ...own.c.cookies({ person: await own.c.signIn() }), origin: ORIGIN };
    expect((await own.c.json("/agents", { name: "A" }, headers)).status).toBe(status);
    expect((await own.c.json("/agents", { name: "A" }, own.operator)).status).toBe(201);
  });

  it("a wrong token, and the right one under another policy, is 401", async () => {
    // From an address of its own: wrong keys are counted there, for every test of this database.
    const register = (at: PublicServer, token: string) =>
      at.c.call("/agents", {
        method: "POST",
        body: JSON.stringify({ name: "A" }),
        headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
        peer: "198.51.100.77",
      });
    const wrong = () => register(s, `${TOKEN}x`);
    expect(await refused(s.t, wrong)).toMatchObject({ status: 401, error: "invalid_token" });
    const own = await publicServer({
      env: { AUTHGENT_REGISTRATION_POLICY: "admin", AUTHGENT_REGISTRATION_TOKEN: TOKEN },
    });
    expect((await register(own, TOKEN)).status).toBe(401);
  });

  it("a scope that no resource knows is 422, whoever asks", async () => {
    const body = { allowed_scopes: ["search:read", "nobody:knows"] };
    for (const headers of [ada, admin, s.operator]) {
      expect(await refused(s.t, () => send(headers, body))).toEqual(invalid("allowed_scopes.1"));
    }
  });
});

describe("product decision D19: scopes that take a role", () => {
  const scopes = () => [
    { name: unique("pay:"), description: "Pay", risk: "high", minimum_role: "approver" },
    { name: unique("see:"), description: "See", risk: "low", minimum_role: "member" },
  ];

  async function priced() {
    const [pay, see] = scopes();
    if (!pay || !see) throw new Error("there are two");
    const resource = `https://${unique()}.example/v1`;
    const response = await s.c.json("/resources", { resource, name: "Bank", scopes: [pay, see] }, s.operator);
    expect(response.status).toBe(201);
    return { id: (await response.json()).id, resource, pay: pay.name, see: see.name };
  }
  const ask = async (agent: Wire, resource: string) => {
    const response = await s.c.token(appOf(agent), { grant_type: "client_credentials", resource });
    return (await response.json()).scope;
  };

  it("are refused to a member's agent, and had by one that an admin or the operator registered", async () => {
    const { resource, pay, see } = await priced();
    const body = { name: "Agent", allowed_scopes: [see, pay] };
    expect(await refused(s.t, () => s.c.json("/agents", body, ada))).toEqual(invalid("allowed_scopes.1"));
    for (const headers of [admin, s.operator]) {
      const agent = await createThere({ allowed_scopes: [see, pay] }, headers);
      expect(await ask(agent, resource)).toBe(`${pay} ${see}`);
    }
  });

  it("are given to a member's agent by nobody: an admin registers another", async () => {
    const { pay } = await priced();
    const { id } = await createThere({}, ada);
    const change = () => patch(id, { allowed_scopes: [pay] }, admin);
    expect(await refused(s.t, change)).toEqual(invalid("allowed_scopes.0"));
  });

  it("a scope that takes a role later is lost by members' agents with the next token", async () => {
    const { id, resource, see, pay } = await priced();
    const agent = await createThere({ allowed_scopes: [see] }, ada);
    expect(await ask(agent, resource)).toBe(see);
    const scopes = [see, pay].map((name) => ({ name, description: "Do", minimum_role: "admin" }));
    expect((await s.c.json(`/resources/${id}`, { scopes }, s.operator, "PATCH")).status).toBe(200);
    s.t.advance(2);
    expect(await ask(agent, resource)).toBe("");
  });
});

describe("GET /agents (contract §1.1)", () => {
  let l: PublicServer;
  let made: string[];
  /** Somebody whose agents these are: other files of this worker make agents too, and the operator sees all. */
  let theirs: Headers;
  const label = unique("label ");
  const list = async (query: string, headers: Headers = theirs) =>
    (await l.c.call(`/agents${query}`, { headers })).json();
  const idsOf = ({ items }: { items: Wire[] }) => items.map(({ id }) => id);

  beforeAll(async () => {
    l = await publicServer();
    theirs = { ...l.c.cookies({ person: await l.c.signIn() }), origin: ORIGIN };
    made = [];
    for (const index of [0, 1, 2, 3, 4]) {
      l.t.advance(1);
      const owner = `${label} ${index % 2}`;
      made.unshift((await create({ owner, agent_type: "x" }, theirs, l.c)).id);
    }
  });

  it("lists newest first, with the whole number and the page", async () => {
    const page = await list("");
    expect(idsOf(page)).toEqual(made);
    expect(page).toMatchObject({ total: 5, offset: 0, limit: 20 });
    const second = await list("?offset=1&limit=2");
    expect(second).toMatchObject({ total: 5, offset: 1, limit: 2, next_cursor: made[2] });
    expect(idsOf(second)).toEqual(made.slice(1, 3));
  });

  it("next_cursor goes on where the page ended, whatever is added meanwhile", async () => {
    const own = await testContext({ env: { AUTHGENT_ADMIN_API_KEY: "the-operators-key-of-this-test" } });
    const at = connect(own);
    const headers = { "x-admin-key": "the-operators-key-of-this-test" };
    const owner = unique("pages ");
    const ids: string[] = [];
    for (let index = 0; index < 5; index++) {
      own.advance(1);
      ids.unshift((await create({ owner }, {}, at)).id);
    }
    const page = async (more: string) =>
      (await at.call(`/agents?owner=${encodeURIComponent(owner)}&limit=2${more}`, { headers })).json();
    const first = await page("");
    own.advance(1);
    await create({ owner }, {}, at);
    const second = await page(`&cursor=${first.next_cursor}`);
    const third = await page(`&cursor=${second.next_cursor}`);
    expect([...idsOf(first), ...idsOf(second), ...idsOf(third)]).toEqual(ids);
    expect(third).toMatchObject({ total: 6, next_cursor: null });
  });

  it("filters by the owner's label and by status", async () => {
    const labelled = await list(`?owner=${encodeURIComponent(`${label} 1`)}`);
    expect(idsOf(labelled)).toEqual([made[1], made[3]]);
    expect(labelled.total).toBe(2);
    const [stopped] = made;
    await l.c.call(`/agents/${stopped}`, { method: "DELETE", headers: l.operator });
    const of = async (status: string) =>
      idsOf(await list(`?status=${status}&limit=100`)).includes(`${stopped}`);
    expect([await of("active"), await of("frozen"), await of("inactive")]).toEqual([false, false, true]);
  });

  it.each([
    ["limit=0", "limit"],
    ["limit=101", "limit"],
    ["offset=-1", "offset"],
    ["offset=x", "offset"],
    ["status=gone", "status"],
    ["cursor=abc", "cursor"],
    ["owner=%00", "owner"],
  ])("%s is 422 with the field named", async (query, field) => {
    const send = () => l.c.call(`/agents?${query}`, { headers: l.operator });
    expect(await refused(l.t, send)).toEqual(invalid(field));
  });

  it("a member sees their own only; an admin sees all", async () => {
    const person = await l.c.signIn();
    const headers = { ...l.c.cookies({ person }), origin: ORIGIN };
    expect(await list("", headers)).toMatchObject({ items: [], total: 0 });
    const mine = await create({}, headers, l.c);
    const own = await list("", headers);
    expect([idsOf(own), own.total]).toEqual([[mine.id], 1]);
    const admin = l.c.cookies({ person: await l.c.signIn("admin") });
    const others = await list(`?owner=${encodeURIComponent(`${label} 1`)}`, admin);
    expect(idsOf(others)).toEqual([made[1], made[3]]);
  });

  it("needs a person or the operator's key in local mode too (D1)", async () => {
    const { id } = await create();
    const statuses = await Promise.all([
      c.call("/agents"),
      c.call(`/agents/${id}`),
      c.json(`/agents/${id}`, { name: "Mine" }, {}, "PATCH"),
      c.call(`/agents/${id}`, { method: "DELETE" }),
      c.json(`/agents/${id}/reactivate`, {}),
    ]);
    expect(statuses.map(({ status }) => status)).toEqual([401, 401, 401, 401, 401]);
  });
});

describe("GET and PATCH /agents/{id}", () => {
  it("an agent is known by its ULID, its UUID and its client_id", async () => {
    const { client_secret: _, ...agent } = await createThere();
    for (const id of [agent.id, agent.uuid, agent.client_id]) {
      expect(await shown({ id: String(id) })).toEqual(agent);
    }
  });

  it("changes what it names and nothing else; the client takes name and scopes over", async () => {
    const actor = await createThere();
    const { client_secret: _, ...agent } = await createThere({ allowed_scopes: ["search:read"] });
    s.t.advance(5);
    const changes = {
      name: "Renamed",
      description: "Other",
      owner: "b",
      allowed_scopes: ["search:write"],
      capabilities: ["x"],
      allowed_exchange_targets: ["https://a.example"],
      may_act: [actor.client_id],
      metadata: { k: 1 },
      agent_type: "t",
      agent_model: "m",
      agent_version: "v",
      agent_provider: "p",
    };
    const response = await patch(agent.id, changes);
    const changed = { ...agent, ...changes, updated_at: s.t.ctx.now().toISOString() };
    expect([response.status, await response.json()]).toEqual([200, changed]);
    expect(await shown(agent)).toEqual(changed);
    const client = await s.c.call(`/clients/one?client_id=${agent.client_id}`, { headers: s.operator });
    expect(await client.json()).toMatchObject({ client_name: "Renamed", scope: "search:write" });
    await patch(agent.id, { description: null, capabilities: [] });
    expect(await shown(agent)).toMatchObject({ description: null, capabilities: [], name: "Renamed" });
    expect(await eventsOf(agent.id)).toEqual([
      { type: "agent.created", actor: "operator" },
      { type: "agent.updated", actor: "operator" },
      { type: "agent.updated", actor: "operator" },
    ]);
  });

  it("its owner changes it; what it has been given already is not asked for again", async () => {
    const { id } = await createThere({ allowed_scopes: ["search:read"] }, ada);
    expect((await patch(id, { allowed_scopes: ["search:read", "search:write"] }, ada)).status).toBe(200);
    const unknown = () => patch(id, { allowed_scopes: ["nobody:knows"] }, ada);
    expect(await refused(s.t, unknown)).toEqual(invalid("allowed_scopes.0"));
  });

  it.each([
    ["nothing to change", {}, ["body"]],
    ["an empty name", { name: "" }, ["name"]],
    ["a status of the client's", { status: "disabled" }, ["status"]],
    ["frozen, which the kill switch does", { status: "frozen" }, ["status"]],
    ["another parent", { name: "A", parent_agent: "agnt_x" }, ["body"]],
    ["an actor nobody registered", { may_act: ["agnt_nobody"] }, ["may_act.0"]],
  ])("%s is 422 with the field named", async (_what, changes, fields) => {
    const { id } = await createThere();
    expect(await refused(s.t, () => patch(id, changes))).toEqual(invalid(...fields));
  });

  it("an agent that is not there is 404", async () => {
    for (const id of ["none", "agnt_none", "00000000-0000-4000-8000-000000000000"]) {
      const get = () => s.c.call(`/agents/${id}`, { headers: s.operator });
      expect(await refused(s.t, get)).toMatchObject({ status: 404, error: "not_found" });
    }
  });
});

describe("Parents and children", () => {
  const child = (parent: Wire, more: Record<string, unknown> = {}, headers: Headers = s.operator) =>
    createThere({ parent_agent: parent.id, ...more }, headers);

  it("a child is made by its parent's id or client_id, and tells it", async () => {
    const parent = await createThere();
    const made = [await child(parent), await createThere({ parent_agent: parent.client_id })];
    expect(made.map(({ parent_agent }) => parent_agent)).toEqual([parent.id, parent.id]);
  });

  it("a child may have what its parent may, and no more: at creation and afterwards", async () => {
    const parent = await createThere({ allowed_scopes: ["search:read"] });
    const body = { name: "C", parent_agent: parent.id, allowed_scopes: ["search:read", "search:write"] };
    expect(await refused(s.t, () => s.c.json("/agents", body, s.operator))).toEqual(
      invalid("allowed_scopes.1"),
    );
    const { id } = await child(parent, { allowed_scopes: ["search:read"] });
    const widen = () => patch(id, { allowed_scopes: ["search:write"] });
    expect(await refused(s.t, widen)).toEqual(invalid("allowed_scopes.0"));
  });

  it("what a parent loses, its descendants lose", async () => {
    const scopes = { allowed_scopes: ["search:read", "search:write"] };
    const parent = await createThere(scopes);
    const below = await child(parent, scopes);
    const last = await child(below, { allowed_scopes: ["search:write"] });
    await patch(parent.id, { allowed_scopes: ["search:read"] });
    expect([(await shown(below)).allowed_scopes, (await shown(last)).allowed_scopes]).toEqual([
      ["search:read"],
      [],
    ]);
  });

  it("only who manages an agent gives it children; strangers among themselves in local mode", async () => {
    const [parent, own] = [await createThere(), await createThere({}, ada)];
    const foreign = () => s.c.json("/agents", { name: "C", parent_agent: parent.id }, ada);
    expect(await refused(s.t, foreign)).toEqual(invalid("parent_agent"));
    expect((await child(own, {}, ada)).parent_agent).toBe(own.id);
    const anonymous = await create();
    expect((await create({ parent_agent: anonymous.id })).parent_agent).toBe(anonymous.id);
  });

  it("a parent that is not active gets no children: 409", async () => {
    const parent = await createThere();
    await remove(parent.id);
    const body = { name: "C", parent_agent: parent.id };
    expect(await refused(s.t, () => s.c.json("/agents", body, s.operator))).toMatchObject({
      status: 409,
      error: "conflict",
    });
  });
});

describe("DELETE /agents/{id} and what it ends", () => {
  it("answers the agent as inactive; it stays in the registry, and again it is the same", async () => {
    const { client_secret: _, ...agent } = await createThere();
    for (const _time of ["once", "again"]) {
      const response = await remove(agent.id);
      expect([response.status, await response.json()]).toEqual([200, { ...agent, status: "inactive" }]);
    }
    expect(await shown(agent)).toEqual({ ...agent, status: "inactive" });
    expect(await eventsOf(agent.id)).toEqual([
      { type: "agent.created", actor: "operator" },
      { type: "agent.deactivated", actor: "operator" },
    ]);
  });

  it("ends what it and all its descendants hold, and gives them nothing more", async () => {
    const root = await createThere();
    const middle = await createThere({ parent_agent: root.id });
    const leaf = await createThere({ parent_agent: middle.id });
    const other = await createThere();
    const tokenOf = async (agent: Wire) =>
      (await (await s.c.token(appOf(agent), { grant_type: "client_credentials" })).json()).access_token;
    const agents = [root, middle, leaf, other];
    const tokens = await Promise.all(agents.map(tokenOf));
    await remove(root.id);
    expect(await Promise.all(tokens.map(s.isActive))).toEqual([false, false, false, true]);
    const statuses = await Promise.all(
      agents.map(
        async (agent) => (await s.c.token(appOf(agent), { grant_type: "client_credentials" })).status,
      ),
    );
    expect(statuses).toEqual([401, 401, 401, 200]);
  });

  it("PATCH to inactive does the same, and to active starts it again", async () => {
    const { id } = await createThere();
    expect((await (await patch(id, { status: "inactive" })).json()).status).toBe("inactive");
    expect(await (await patch(id, { status: "active", name: "Back" })).json()).toMatchObject({
      status: "active",
      name: "Back",
    });
    expect((await eventsOf(id)).map(({ type }) => type)).toEqual([
      "agent.created",
      "agent.deactivated",
      "agent.reactivated",
      "agent.updated",
    ]);
  });
});

describe("POST /agents/{id}/reactivate", () => {
  it("starts this agent alone; tokens of before stay dead, new ones count", async () => {
    const own = await publicServer();
    const make = (body = {}) => create(body, own.operator, own.c);
    const ask = async (agent: Wire) =>
      (await (await own.c.token(appOf(agent), { grant_type: "client_credentials" })).json()).access_token;
    const parent = await make();
    const below = await make({ parent_agent: parent.id });
    const before = await ask(parent);
    await own.c.call(`/agents/${parent.id}`, { method: "DELETE", headers: own.operator });
    const response = await own.c.json(`/agents/${parent.id}/reactivate`, {}, own.operator);
    expect([response.status, (await response.json()).status]).toEqual([200, "active"]);
    own.t.advance(1);
    const after = await ask(parent);
    expect([await own.isActive(before), await own.isActive(after)]).toEqual([false, true]);
    const child = await own.c.call(`/agents/${below.id}`, { headers: own.operator });
    expect((await child.json()).status).toBe("inactive");
  });

  it("an active agent stays as it is, without an event", async () => {
    const { id } = await createThere();
    expect((await reactivate(id)).status).toBe(200);
    expect((await eventsOf(id)).map(({ type }) => type)).toEqual(["agent.created"]);
  });

  it("a child whose parent is not active is 409, and nothing of a PATCH with it is done", async () => {
    const parent = await createThere();
    const below = await createThere({ parent_agent: parent.id });
    await remove(parent.id);
    const conflict = { status: 409, error: "conflict" };
    expect(await refused(s.t, () => reactivate(below.id))).toMatchObject(conflict);
    const both = () => patch(below.id, { status: "active", name: "Back" });
    expect(await refused(s.t, both)).toMatchObject(conflict);
  });

  it("thaws a frozen agent; one whose parent is frozen is 409", async () => {
    const parent = await createThere();
    const below = await createThere({ parent_agent: parent.id });
    const by = { actor: "operator", address: "127.0.0.1" };
    await stop(s.t.ctx, { target: { kind: "agent", id: parent.id }, action: "freeze", ...by });
    expect((await shown(below)).status).toBe("frozen");
    expect(await refused(s.t, () => reactivate(below.id))).toMatchObject({ status: 409, error: "conflict" });
    expect((await (await reactivate(parent.id)).json()).status).toBe("active");
    expect((await shown(below)).status).toBe("active");
  });

  it("one whose owner is frozen is 409, deactivated or not, until the owner is thawed", async () => {
    const person = await s.c.signIn();
    const [one, other] = [await createThere({}, sessionOf(person)), await createThere({}, sessionOf(person))];
    await remove(one.id);
    const by = { actor: "operator", address: "127.0.0.1" };
    const target = { kind: "person", userId: person.user.id } as const;
    await stop(s.t.ctx, { target, action: "freeze", ...by });
    for (const { id } of [one, other]) {
      const conflict = { status: 409, error: "conflict" };
      expect(await refused(s.t, () => reactivate(id))).toMatchObject(conflict);
      expect(await refused(s.t, () => patch(id, { status: "active", name: "Back" }))).toMatchObject(conflict);
    }
    await stop(s.t.ctx, { target, action: "thaw", ...by });
    expect((await (await reactivate(one.id)).json()).status).toBe("active");
    expect((await shown(other)).status).toBe("active");
  });
});

describe("findAgentByClientRecently", () => {
  it("knows an agent by its client, a change at once here and within a second elsewhere", async () => {
    const { id, client_id } = await createThere();
    const nameOf = async () => (await findAgentByClientRecently(s.t.ctx, client_id))?.name;
    await nameOf();
    await patch(id, { name: "Renamed here" });
    expect(await nameOf()).toBe("Renamed here");
    expect(await findAgentByClientRecently(s.t.ctx, "app_none")).toBe(undefined);
  });
});
