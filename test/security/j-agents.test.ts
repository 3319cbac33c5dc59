import { sql } from "drizzle-orm";
import { beforeAll, describe, expect, it } from "vitest";
import { rowsOf } from "@/db/client";
import { findAgent } from "@/lib/services/agent-lookup";
import { descendantClientIds } from "@/lib/services/agent-tree";
import { type App, type Person, refusalOf } from "@/test/support/client";
import { twoInstances, unique } from "@/test/support/context";
import { dumpOf, unchanged } from "@/test/support/digest";
import { operate, PUBLIC_ENV, type PublicServer, publicServer } from "@/test/support/public-server";

const ORIGIN = "https://auth.example.com";

type Headers = Record<string, string>;
type Agent = { id: string; uuid: string; client_id: string; client_secret: string };

let s: PublicServer;
let ada: Headers;
let eve: Headers;
/** Ada's. */
let agent: Agent;

const sessionOf = (person: Person): Headers => ({ ...s.c.cookies({ person }), origin: ORIGIN });

async function create(body: Record<string, unknown>, headers: Headers, at = s): Promise<Agent> {
  const response = await at.c.json("/agents", { name: unique("agent "), ...body }, headers);
  if (response.status !== 201) throw new Error(`not created: ${await response.text()}`);
  return response.json();
}
const appOf = ({ client_id: clientId, client_secret: secret }: Agent): App => ({
  clientId,
  secret,
  redirectUri: "",
});
const send = (method: string, path: string, headers: Headers, body?: unknown) =>
  s.c.call(path, {
    method,
    headers: { "content-type": "application/json", ...headers },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });

beforeAll(async () => {
  s = await publicServer();
  ada = sessionOf(await s.c.signIn());
  eve = sessionOf(await s.c.signIn());
  agent = await create({ owner: "Ada's" }, ada);
});

describe("62: the secret of an agent", () => {
  it("is in no answer after its creation, not in the log, and not in the database", async () => {
    const { id, client_id, client_secret } = agent;
    const texts = [];
    for (const [method, path, headers, body] of [
      ["GET", `/agents/${id}`, ada, undefined],
      ["PATCH", `/agents/${id}`, ada, { description: "Mine" }],
      ["DELETE", `/agents/${id}`, ada, undefined],
      ["POST", `/agents/${id}/reactivate`, ada, {}],
      ["GET", "/agents?limit=100", s.operator, undefined],
      ["GET", `/clients/one?client_id=${client_id}`, s.operator, undefined],
    ] as const) {
      const response = await send(method, path, headers, body);
      expect(response.status).toBe(200);
      texts.push(await response.text());
    }
    for (const text of [...texts, ...s.t.lines, await dumpOf(s.t.ctx)]) {
      expect(text.includes(client_secret)).toBe(false);
    }
    expect(texts.filter((text) => /"client_secret"|"sec_|hash/.test(text))).toEqual([]);
  });
});

describe("177: somebody else's agent", () => {
  it.each<[string, string, string, unknown]>([
    ["GET", "", "read", undefined],
    ["PATCH", "", "changed", { name: "Eve's" }],
    ["PATCH", "", "stopped by PATCH", { status: "inactive" }],
    ["PATCH", "", "changed with what is no agent", { color: "red" }],
    ["DELETE", "", "stopped", undefined],
    ["POST", "/reactivate", "started", {}],
  ])(
    "%s %s: it is not there to be %s, by any of its ids, as one that never was",
    async (method, path, _what, body) => {
      const unknown = await send(method, `/agents/01ARZ3NDEKTSV4RRFFQ69G5FAV${path}`, eve, body);
      const words = await unknown.text();
      for (const id of [agent.id, agent.uuid, agent.client_id]) {
        const response = await unchanged(s.t, () => send(method, `/agents/${id}${path}`, eve, body));
        expect([response.status, await response.text()]).toEqual([404, words]);
      }
      expect(unknown.status).toBe(404);
    },
  );

  it("is in no list of theirs, by filter or cursor", async () => {
    for (const query of [
      "",
      "?owner=Ada%27s",
      "?status=active",
      "?cursor=7ZZZZZZZZZZZZZZZZZZZZZZZZZ",
      "?offset=0",
    ]) {
      const { items, total } = await (await send("GET", `/agents${query}`, eve)).json();
      expect([items, total]).toEqual([[], 0]);
    }
  });

  it("becomes no parent of theirs, and tells them nothing", async () => {
    const refusals = [];
    for (const parent of [agent.id, agent.client_id, "01ARZ3NDEKTSV4RRFFQ69G5FAV"]) {
      const body = { name: "Child", parent_agent: parent };
      const response = await unchanged(s.t, () => send("POST", "/agents", eve, body));
      refusals.push([response.status, (await response.json()).detail]);
    }
    const refusal = [422, "parent_agent: must be the id or client_id of an agent of yours"];
    expect(refusals).toEqual([refusal, refusal, refusal]);
  });

  it("is not theirs by the label owner", async () => {
    const { id } = await create({ owner: "Eve" }, ada);
    expect((await send("GET", `/agents/${id}`, eve)).status).toBe(404);
  });

  it("an approver is no admin", async () => {
    const approver = sessionOf(await s.c.signIn("approver"));
    expect((await send("GET", `/agents/${agent.id}`, approver)).status).toBe(404);
  });
});

describe("178: members that are not the caller's to set", () => {
  it.each([
    "id",
    "uuid",
    "client_id",
    "oauth_client_id",
    "client_secret",
    "secret_hash",
    "owner_id",
    "ownerId",
    "parent_id",
    "created_by",
    "attestation_level",
    "trust_level",
    "version",
    "kind",
    "grant_types",
    "__proto__",
    "constructor",
  ])("%s is 422 in POST and in PATCH, D21", async (name) => {
    const body = `{"name":"Agent","${name}":"x"}`;
    for (const [method, path] of [
      ["POST", "/agents"],
      ["PATCH", `/agents/${agent.id}`],
    ] as const) {
      const response = await unchanged(s.t, () => send(method, path, ada, body));
      expect(await refusalOf(response)).toEqual({ status: 422, error: "validation_failed" });
    }
  });

  it.each(["status", "parent_agent"])("%s cannot be chosen where it would count", async (name) => {
    const [method, path] = name === "status" ? ["POST", "/agents"] : ["PATCH", `/agents/${agent.id}`];
    const response = await unchanged(s.t, () => send(method, path, ada, { name: "Agent", [name]: "active" }));
    expect(await refusalOf(response)).toEqual({ status: 422, error: "validation_failed" });
  });

  it("metadata stays what it is: nothing of it is in a token", async () => {
    const metadata = { sub: "user:root", scope: "admin:all", act: { sub: "client:x" }, exp: 9_999_999_999 };
    const made = await create({ metadata }, ada);
    const { access_token } = await (
      await s.c.token(appOf(made), { grant_type: "client_credentials" })
    ).json();
    const { sub, scope, act, exp } = await s.introspect(access_token);
    const hour = Math.floor(s.t.ctx.now().getTime() / 1000) + 3600;
    expect([sub, scope, act, Number(exp) <= hour]).toEqual([`client:${made.client_id}`, "", undefined, true]);
  });
});

describe("an agent's client is the agent's", () => {
  it("is neither disabled nor enabled past the registry: 409", async () => {
    const made = await create({}, ada);
    const disable = () => s.setClientStatus(appOf(made), "disabled");
    expect(await refusalOf(await unchanged(s.t, disable))).toEqual({ status: 409, error: "conflict" });
    await send("DELETE", `/agents/${made.id}`, ada);
    const enable = () => s.setClientStatus(appOf(made), "active");
    expect(await refusalOf(await unchanged(s.t, enable))).toEqual({ status: 409, error: "conflict" });
  });

  it("a token of the agent manages nothing, its own agent included", async () => {
    const made = await create({}, s.operator);
    const { access_token } = await (
      await s.c.token(appOf(made), { grant_type: "client_credentials" })
    ).json();
    const bearer = { authorization: `Bearer ${access_token}` };
    for (const [method, path] of [
      ["GET", `/agents/${made.id}`],
      ["PATCH", `/agents/${made.id}`],
      ["DELETE", `/agents/${made.id}`],
      ["POST", "/agents"],
    ] as const) {
      const response = await unchanged(s.t, () =>
        send(method, path, bearer, method === "GET" || method === "DELETE" ? undefined : { name: "A" }),
      );
      expect(await refusalOf(response)).toEqual({ status: 401, error: "invalid_token" });
    }
  });

  it("changes with a session come from our own origin", async () => {
    for (const origin of ["https://evil.example", "null"]) {
      for (const [method, path, body] of [
        ["POST", "/agents", { name: "A" }],
        ["PATCH", `/agents/${agent.id}`, { name: "A" }],
        ["DELETE", `/agents/${agent.id}`, undefined],
        ["POST", `/agents/${agent.id}/reactivate`, {}],
      ] as const) {
        const response = await unchanged(s.t, () => send(method, path, { ...ada, origin }, body));
        expect(await refusalOf(response)).toEqual({ status: 403, error: "forbidden" });
      }
    }
  });
});

describe("105: what descends from an agent that is stopped", () => {
  it("of children being made while their parent is stopped on another instance none runs afterwards", async () => {
    const [first, second, close] = await twoInstances({ env: PUBLIC_ENV });
    const [here, there] = [operate(first), operate(second)];
    for (let round = 0; round < 5; round++) {
      const root = await create({}, here.operator, here);
      const middle = await create({ parent_agent: root.id }, here.operator, here);
      const make = (parent: Agent, at: PublicServer) =>
        at.c.json("/agents", { name: "Child", parent_agent: parent.id }, at.operator);
      const answers = await Promise.all([
        ...Array.from({ length: 4 }, (_, index) => make(middle, index % 2 ? here : there)),
        there.c.call(`/agents/${root.id}`, { method: "DELETE", headers: there.operator }),
        ...Array.from({ length: 4 }, (_, index) => make(index % 2 ? root : middle, index % 2 ? here : there)),
        here.c.call(`/agents/${middle.id}`, { method: "DELETE", headers: here.operator }),
      ]);
      // Made before, refused after; the second of two stops may find the work done.
      const strange = answers
        .map(({ status }) => status)
        .filter((status) => ![200, 201, 409].includes(status));
      expect(strange).toEqual([]);
      const tree = await descendantClientIds(first.ctx, root.id);
      const alive = await rowsOf(
        first.ctx.db.execute(
          sql`select client_id from clients where status <> 'disabled' and client_id in ${tree}`,
        ),
      );
      expect(alive).toEqual([]);
    }
    await close();
  });

  it("its owner, its root and itself stopped and started at once: each is answered, and none waits for another", async () => {
    const [first, second, close] = await twoInstances({ env: PUBLIC_ENV });
    const [here, there] = [operate(first), operate(second)];
    const give = (at: PublicServer, action: string, target: Record<string, string>) =>
      at.c.json("/kill-switch", { action, target }, at.operator);
    for (let round = 0; round < 5; round++) {
      const person = await here.c.signIn();
      const theirs = { ...here.c.cookies({ person }), origin: ORIGIN };
      const low = await create({}, theirs, here);
      const root = await create({}, here.operator, here);
      const middle = await create({ parent_agent: root.id }, here.operator, here);
      // Theirs stand at two depths, the deeper one the older: the order of neither id nor depth below them is the tree's.
      await first.ctx.db.execute(sql`update agents set parent_id = ${middle.id} where id = ${low.id}`);
      await first.ctx.db.execute(
        sql`update agents set owner_id = ${person.user.id} where id in ${[low.id, root.id]}`,
      );
      const answers = await Promise.all([
        give(here, "freeze", { person: person.user.id }),
        give(there, "freeze", { agent: root.id }),
        give(there, "kill", { agent: low.id }),
        here.c.json(`/agents/${low.id}/reactivate`, {}, here.operator),
        there.c.json("/agents", { name: "Child", parent_agent: low.id }, theirs),
        give(there, "freeze", { agent: middle.id }),
      ]);
      expect(answers.map(({ status }) => status).filter((status) => status >= 500)).toEqual([]);
      const states = await rowsOf(
        first.ctx.db.execute(sql`select distinct status from clients
          where client_id in ${await descendantClientIds(first.ctx, root.id)} and status = 'active'`),
      );
      expect(states).toEqual([]);
    }
    await close();
  });

  it("a child is not started while its parent is being stopped", async () => {
    const [first, second, close] = await twoInstances({ env: PUBLIC_ENV });
    const [here, there] = [operate(first), operate(second)];
    for (let round = 0; round < 5; round++) {
      const root = await create({}, here.operator, here);
      const child = await create({ parent_agent: root.id }, here.operator, here);
      await here.c.call(`/agents/${child.id}`, { method: "DELETE", headers: here.operator });
      await Promise.all([
        there.c.call(`/agents/${root.id}`, { method: "DELETE", headers: there.operator }),
        here.c.json(`/agents/${child.id}/reactivate`, {}, here.operator),
      ]);
      expect((await findAgent(first.ctx, child.id))?.status).toBe("disabled");
    }
    await close();
  });
});
