import { eq } from "drizzle-orm";
import { decodeJwt } from "jose";
import { beforeAll, describe, expect, it } from "vitest";
import { events } from "@/db/schema/events";
import { createResource } from "@/lib/services/resources";
import { basic, type Connection, connect, type Person } from "@/test/support/client";
import { type TestContext, testContext, twoInstances, unique } from "@/test/support/context";
import { delegation } from "@/test/support/delegation";
import { PAYMENT } from "@/test/support/details-types";
import { keyHolder } from "@/test/support/dpop";
import { bearer, stepUps } from "@/test/support/step-ups";

/** The issuer of local mode. */
const SERVER = "http://localhost:8000";

let t: TestContext;
let c: Connection;
let s: ReturnType<typeof stepUps>;
let owner: Person;
let approver: Person;

beforeAll(async () => {
  t = await testContext();
  c = connect(t);
  s = stepUps(c, SERVER);
  owner = await c.signIn();
  approver = await c.signIn("approver");
});

const eventsOf = async (type: string, subject: string) =>
  (await t.ctx.db.select().from(events).where(eq(events.subject, subject))).filter(
    (each) => each.type === type,
  );

/** A new agent of nobody's, and the headers that it proves itself with. */
async function newAgent(scopes: readonly string[] = ["files:read"]) {
  const agent = await s.createAgent(scopes);
  return { ...agent, proven: basic(agent) };
}

describe("POST /stepup (contract of earlier clients, §1.1)", () => {
  it("202 with the members that those clients read, and what ours needs beside", async () => {
    const agent = await newAgent();
    const response = await s.ask({
      agent_id: agent.clientId,
      resource: "https://files.example/mcp",
      delegation_chain: { actors: ["a"] },
      metadata: { ticket: 7 },
    });
    expect(response.status).toBe(202);
    const body = await response.json();
    expect(response.headers.get("location")).toBe(`${SERVER}/stepup/${body.id}`);
    expect(body).toEqual({
      id: expect.stringMatching(/^[\w-]{22}$/),
      agent_id: agent.clientId,
      action: "delete_files",
      scope: "files:delete",
      resource: "https://files.example/mcp",
      status: "pending",
      approved_by: null,
      approved_at: null,
      created_at: t.ctx.now().toISOString(),
      expires_at: new Date(t.ctx.now().getTime() + 300_000).toISOString(),
      approval_url: `${SERVER}/approve/${body.id}`,
      binding_code: expect.stringMatching(/^\d\d$/),
      interval: 5,
    });
  });

  it("what the SDK's challenge handler sends: an empty resource is none, the chain is a list by its other name", async () => {
    const agent = await newAgent();
    const body = await s.asked({
      agent_id: agent.clientId,
      action: "scope_escalation",
      scope: "db:delete",
      resource: "",
      delegation_chain_snapshot: [{ sub: "client:x" }],
    });
    expect(body).toMatchObject({ resource: null, scope: "db:delete", status: "pending" });
  });

  it.each(["ULID", "client_id", "client: and its client_id"])(
    "takes the agent's %s, and echoes it",
    async (as) => {
      const { id, clientId } = await newAgent();
      const agentId = { ULID: id, client_id: clientId }[as] ?? `client:${clientId}`;
      expect((await s.asked({ agent_id: agentId })).agent_id).toBe(agentId);
    },
  );

  it("an unknown agent is 404", async () => {
    const response = await s.ask({ agent_id: "agnt_nobody" });
    expect([response.status, (await response.json()).error]).toEqual([404, "not_found"]);
  });

  it.each([
    ["no agent_id", { agent_id: undefined }],
    ["no scope and no details", { scope: undefined }],
    ["an action of 256 characters", { action: "a".repeat(256) }],
    ["a scope of 1025 characters", { scope: "s".repeat(1025) }],
    ["a scope that is none", { scope: 'db:"delete' }],
    ["a chain that is a text", { delegation_chain: "a > b" }],
    ["a wait of no time", { expires_in: 0 }],
  ])("%s is 422", async (_, changes) => {
    const { clientId } = await newAgent();
    expect((await s.ask({ agent_id: clientId, ...changes })).status).toBe(422);
  });

  it.each(["admin:users", "approvals:decide", "openid"])(
    "nobody may ask for %s (D19, D30)",
    async (scope) => {
      const { clientId } = await newAgent();
      const response = await s.ask({ agent_id: clientId, scope });
      expect([response.status, (await response.json()).error]).toEqual([400, "invalid_scope"]);
    },
  );

  it("waits as long as it is told to, and no longer than the operator said", async () => {
    const { clientId } = await newAgent();
    const [short, long] = [
      await s.asked({ agent_id: clientId, expires_in: 60 }),
      await s.asked({ agent_id: clientId, expires_in: 3600 }),
    ];
    const secondsUntil = (at: unknown) => (new Date(String(at)).getTime() - t.ctx.now().getTime()) / 1000;
    expect([secondsUntil(short.expires_at), secondsUntil(long.expires_at)]).toEqual([60, 300]);
  });
});

describe("GET /stepup/{id} (product decision D9)", () => {
  it("pending, then approved with the token, once", async () => {
    const agent = await newAgent();
    const { id } = await s.asked({ agent_id: agent.clientId, resource: "https://files.example/mcp" });
    expect(await s.seen(id, agent.proven)).toMatchObject({ id, status: "pending", approved_by: null });
    const approved = await s.approve(id, approver, { approved_by: "ceo@corp" });
    expect(approved.status).toBe(200);
    const members = await approved.json();
    expect(members).toMatchObject({ id, status: "approved", approved_by: `user:${approver.user.id}` });
    expect(members).not.toHaveProperty("step_up_token");

    const first = await s.seen(id, agent.proven);
    expect(first).toMatchObject({ status: "approved", approved_at: t.ctx.now().toISOString() });
    const claims = decodeJwt(String(first.step_up_token));
    expect(claims).toMatchObject({
      iss: SERVER,
      sub: `client:${agent.clientId}`,
      client_id: agent.clientId,
      aud: "https://files.example/mcp",
      scope: "files:delete",
      approval: { id, digest: expect.stringMatching(/^[\w-]{43}$/) },
    });
    expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBe(300);
    expect(await c.introspect(String(first.step_up_token))).toMatchObject({
      active: true,
      scope: "files:delete",
      approval: claims.approval,
    });

    const again = await s.seen(id, agent.proven);
    expect(again.status).toBe("approved");
    expect(again).not.toHaveProperty("step_up_token");
    expect(await eventsOf("approval.consumed", `approval:${id}`)).toMatchObject([
      { actor: `client:${agent.clientId}`, data: { kind: "step_up", jti: claims.jti } },
    ]);
    expect(await eventsOf("token.issued", `token:${claims.jti}`)).toMatchObject([
      { data: { grantType: "step_up", approval: id, scope: ["files:delete"], parent: null } },
    ]);
  });

  it("denied, with who and why", async () => {
    const agent = await newAgent();
    const { id } = await s.asked({ agent_id: agent.clientId });
    expect((await s.deny(id, approver, { reason: "Not on a Friday." })).status).toBe(200);
    expect(await s.seen(id, agent.proven)).toMatchObject({
      status: "denied",
      approved_by: null,
      approved_at: null,
      denied_by: `user:${approver.user.id}`,
      reason: "Not on a Friday.",
    });
  });

  it("expired, when nobody answered, and when nobody fetched the token in time", async () => {
    const mine = await testContext();
    const [other, agent] = [connect(mine), await newAgent()];
    const here = stepUps(other, SERVER);
    const unanswered = await here.asked({ agent_id: agent.clientId });
    const unfetched = await here.asked({ agent_id: agent.clientId, scope: "files:move" });
    await here.approve(unfetched.id, approver);
    mine.advance(301);
    expect((await here.seen(unanswered.id, agent.proven)).status).toBe("expired");
    const late = await here.seen(unfetched.id, agent.proven);
    expect(late.status).toBe("expired");
    expect(late).not.toHaveProperty("step_up_token");
  });

  it("withdrawn by its agent: nobody can answer it any more", async () => {
    const agent = await newAgent();
    const { id } = await s.asked({ agent_id: agent.clientId });
    const withdrawn = await c.call(`/stepup/${id}`, { method: "DELETE", headers: agent.proven });
    expect([withdrawn.status, (await withdrawn.json()).status]).toEqual([200, "cancelled"]);
    expect((await s.approve(id, approver)).status).toBe(409);
    expect((await c.call(`/stepup/${id}`, { method: "DELETE", headers: agent.proven })).status).toBe(409);
  });

  it("the owner may answer by the same call, and a second answer is 409", async () => {
    const agent = await s.agentOf(owner);
    const { id } = await s.asked({ agent_id: agent.clientId });
    expect((await s.approve(id, owner)).status).toBe(200);
    const second = await s.deny(id, approver);
    expect([second.status, (await second.json()).error]).toEqual([409, "conflict"]);
  });

  it("a yes without a body counts: earlier clients send none", async () => {
    const agent = await newAgent();
    const { id } = await s.asked({ agent_id: agent.clientId });
    const response = await c.call(`/stepup/${id}/approve`, {
      method: "POST",
      headers: s.bySession(approver),
    });
    expect(response.status).toBe(200);
  });

  it("number matching: the yes has to bring the digits that the agent shows", async () => {
    const agent = await newAgent();
    const { id, binding_code } = await s.asked({ agent_id: agent.clientId, number_matching: true });
    expect((await s.approve(id, approver)).status).toBe(422);
    expect((await s.approve(id, approver, { number: binding_code })).status).toBe(200);
  });
});

describe("Prefer: wait (RFC 7240)", () => {
  it("§4.3: the answer comes when there is one, and says how long it would have waited (§3)", async () => {
    const agent = await newAgent();
    const { id } = await s.asked({ agent_id: agent.clientId });
    const waiting = s.look(id, { ...agent.proven, prefer: "respond-async, wait=20" });
    await expect.poll(() => t.ctx.waiting.size).toBe(1);
    await s.approve(id, approver);
    await t.settled();
    const response = await waiting;
    expect(response.headers.get("preference-applied")).toBe("wait=20");
    expect(await response.json()).toMatchObject({ status: "approved", step_up_token: expect.any(String) });
    expect(t.ctx.waiting.size).toBe(0);
  });

  it("§4.3: no longer than a minute, and pending when that is over", async () => {
    const agent = await newAgent();
    const { id } = await s.asked({ agent_id: agent.clientId });
    await s.deny(id, approver);
    const response = await s.look(id, { ...agent.proven, prefer: "wait=600" });
    expect(response.headers.get("preference-applied")).toBe("wait=60");
    const other = await s.asked({ agent_id: agent.clientId, scope: "files:move" });
    const askedAt = performance.now();
    const pending = await s.look(other.id, { ...agent.proven, prefer: "wait=1" });
    // The question itself is no news to who asked it.
    expect(performance.now() - askedAt).toBeGreaterThan(900);
    expect([pending.headers.get("preference-applied"), (await pending.json()).status]).toEqual([
      "wait=1",
      "pending",
    ]);
  });

  it("an answer given on another instance is heard of", async () => {
    const [one, two, close] = await twoInstances();
    try {
      const [here, there] = [stepUps(connect(one), SERVER), stepUps(connect(two), SERVER)];
      const agent = await newAgent();
      const { id } = await here.asked({ agent_id: agent.clientId });
      const waiting = here.seen(id, { ...basic(agent), prefer: "wait=20" });
      await expect.poll(() => one.ctx.waiting.size).toBe(1);
      await there.approve(id, approver);
      expect(await waiting).toMatchObject({ status: "approved", step_up_token: expect.any(String) });
    } finally {
      await close();
    }
  });
});

describe("an agent that acts for a person", () => {
  it("gets a token for the same person and chain, which dies with the one it asked with", async () => {
    const { exchanged } = delegation(c);
    const app = await c.registerPublic();
    const person = await c.signIn();
    const agent = await newAgent(["account:read"]);
    const { access_token } = await c.tokensFor(app, { scope: "account:read" }, { person });
    const held = await exchanged(agent, access_token, { audience: SERVER });
    const { id } = await s.asked({ agent_id: agent.clientId }, bearer(held.access_token));
    // The person on whose behalf it acts may answer.
    expect((await s.approve(id, person)).status).toBe(200);
    const { step_up_token } = await s.seen(id, bearer(held.access_token));
    expect(decodeJwt(String(step_up_token))).toMatchObject({
      sub: `user:${person.user.id}`,
      client_id: agent.clientId,
      act: { sub: `client:${agent.clientId}` },
      human_root: true,
      scope: "files:delete",
      auth_time: expect.any(Number),
    });
    expect(await c.introspect(String(step_up_token))).toMatchObject({ active: true, scope: "files:delete" });
    await c.form("/revoke", { token: access_token, client_id: app.clientId });
    expect(await c.introspect(String(step_up_token))).toEqual({ active: false });
  });

  it("gets none once that token was revoked, and the yes stays unused", async () => {
    const agent = await newAgent();
    const token = await s.ownToken(agent);
    const { id } = await s.asked({ agent_id: agent.clientId }, bearer(token));
    await s.approve(id, approver);
    await c.form("/revoke", { token }, basic(agent));
    const seen = await s.seen(id, agent.proven);
    expect(seen.status).toBe("approved");
    expect(seen).not.toHaveProperty("step_up_token");
    expect(await eventsOf("approval.consumed", `approval:${id}`)).toEqual([]);
  });

  it("a token that is bound to a key leads to one that is bound to the same key (RFC 9449 §6)", async () => {
    const agent = await newAgent();
    const holder = await keyHolder({ t, c });
    const held = await (await holder.form("/token", agent, { grant_type: "client_credentials" })).json();
    const proven = async (path: string, method: string) => ({
      authorization: `DPoP ${held.access_token}`,
      dpop: await holder.proof({ path, method, accessToken: held.access_token }),
    });
    const { id } = await s.asked({ agent_id: agent.clientId }, await proven("/stepup", "POST"));
    await s.approve(id, approver);
    // Its client alone does not hold the key.
    expect(await s.seen(id, agent.proven)).not.toHaveProperty("step_up_token");
    const { step_up_token } = await s.seen(id, await proven(`/stepup/${id}`, "GET"));
    expect(decodeJwt(String(step_up_token)).cnf).toEqual({ jkt: holder.jkt });
  });

  it("what an exchange makes of its token proves its chain from the approval on", async () => {
    const { exchanged } = delegation(c);
    const [agent, next] = [await newAgent(), await newAgent(["files:delete"])];
    const { id } = await s.asked({ agent_id: agent.clientId });
    await s.approve(id, approver);
    const { step_up_token } = await s.seen(id, agent.proven);
    const passed = await exchanged(next, String(step_up_token), { audience: SERVER });
    expect(passed.scope).toBe("files:delete");
    const bundle = await (await c.form("/receipts", { token: passed.access_token })).json();
    expect(bundle.receipts.length).toBeGreaterThan(0);
    expect(decodeJwt(bundle.receipts[0])).toMatchObject({ approval: id, origin: { approval: id } });
  });
});

describe("authorization_details (RFC 9396)", () => {
  it("§7: the token says them as they were approved", async () => {
    const resource = `https://${unique("pay")}.example`;
    await createResource(
      t.ctx,
      {
        ...{ resource, name: "Bank", aliases: [], scopes: [], introspectionClients: [] },
        ...{ authorizationDetailsTypes: [PAYMENT], dpopBoundAccessTokensRequired: false },
      },
      "test",
    );
    const agent = await newAgent();
    const details = [{ type: "payment", amount: { value: 250, currency: "EUR" }, creditor: "ACME" }];
    const { id, ...body } = await s.asked({
      ...{ agent_id: agent.clientId, scope: "", resource, authorization_details: details },
    });
    expect(body.authorization_details).toEqual(details);
    await s.approve(id, approver);
    const { step_up_token } = await s.seen(id, agent.proven);
    expect(decodeJwt(String(step_up_token))).toMatchObject({ authorization_details: details, scope: "" });
  });
});

describe("clarification before a decision", () => {
  it("the approver asks, the agent sees and answers, both is kept", async () => {
    const agent = await newAgent();
    const { id } = await s.asked({ agent_id: agent.clientId });
    const asked = await s.question(id, approver, "Why three recipients?");
    expect([asked.status, await asked.json()]).toEqual([201, { round: 1 }]);
    expect((await s.seen(id, agent.proven)).clarification).toEqual({
      round: 1,
      question: "Why three recipients?",
    });
    expect((await s.question(id, approver, "And?")).status).toBe(409);
    const answered = await s.reply(id, "One for each branch.", agent.proven);
    expect([answered.status, await answered.json()]).toEqual([201, { round: 1 }]);
    expect(await s.seen(id, agent.proven)).not.toHaveProperty("clarification");
    expect((await s.reply(id, "Again.", agent.proven)).status).toBe(409);
    const kept = await t.ctx.db
      .select()
      .from(events)
      .where(eq(events.subject, `approval:${id}`));
    expect(new Map(kept.map(({ type, data }) => [type, data.text]))).toEqual(
      new Map([
        ["approval.requested", undefined],
        ["approval.question_asked", "Why three recipients?"],
        ["approval.question_answered", "One for each branch."],
      ]),
    );
  });

  it("three questions at most, and none after the decision", async () => {
    const agent = await newAgent();
    const { id } = await s.asked({ agent_id: agent.clientId });
    for (const round of [1, 2, 3]) {
      expect((await s.question(id, approver, `Question ${round}?`)).status).toBe(201);
      expect((await s.reply(id, "Yes.", agent.proven)).status).toBe(201);
    }
    expect((await s.question(id, approver, "Question 4?")).status).toBe(409);
    await s.deny(id, approver);
    expect((await s.reply(id, "Please.", agent.proven)).status).toBe(409);
  });

  it("wakes the agent that waits", async () => {
    const agent = await newAgent();
    const { id } = await s.asked({ agent_id: agent.clientId });
    const waiting = s.seen(id, { ...agent.proven, prefer: "wait=20" });
    await expect.poll(() => t.ctx.waiting.size).toBe(1);
    await s.question(id, approver, "Why?");
    await t.settled();
    expect(await waiting).toMatchObject({ status: "pending", clarification: { round: 1, question: "Why?" } });
  });

  it("strangers neither ask nor answer", async () => {
    const agent = await newAgent();
    const { id } = await s.asked({ agent_id: agent.clientId });
    expect((await s.question(id, await c.signIn(), "Who are you?")).status).toBe(404);
    await s.question(id, approver, "Why?");
    const other = await newAgent();
    expect((await s.reply(id, "Because.", other.proven)).status).toBe(404);
  });

  it.each(["two\nlines", "\u202egnp", "", "x".repeat(501)])(
    "%j is no text to show a person",
    async (text) => {
      const agent = await newAgent();
      const { id } = await s.asked({ agent_id: agent.clientId });
      expect((await s.question(id, approver, text)).status).toBe(422);
    },
  );
});
