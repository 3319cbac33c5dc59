import { and, eq } from "drizzle-orm";
import { decodeJwt } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { events } from "@/db/schema/events";
import { shownOf } from "@/lib/services/approval-shown";
import { findStepUp } from "@/lib/services/step-ups";
import { basic, connect, type Person } from "@/test/support/client";
import { type TestContext, twoInstances } from "@/test/support/context";
import { delegation, type TestAgent } from "@/test/support/delegation";
import { operate, PUBLIC_ENV, type PublicServer } from "@/test/support/public-server";
import { bearer, stepUps } from "@/test/support/step-ups";

const SERVER = "https://auth.example.com";

let s: PublicServer;
let other: TestContext;
let close: () => Promise<void>;
let here: ReturnType<typeof stepUps>;
let there: ReturnType<typeof stepUps>;
let resource: string;
let owner: Person;
let approver: Person;

beforeAll(async () => {
  const instances = await twoInstances({ env: PUBLIC_ENV });
  [, other, close] = instances;
  s = operate(instances[0]);
  here = stepUps(s.c, SERVER, s.operator);
  there = stepUps(connect(other), SERVER, s.operator);
  resource = await s.createResource(["files:read", "files:delete"]);
  owner = await s.c.signIn();
  approver = await s.c.signIn("approver");
});
afterAll(() => close());

/** A new agent of the owner's, its own token, and a question that waits. */
async function waiting(more: Record<string, unknown> = {}) {
  const agent = await here.agentOf(owner);
  const { id } = await here.asked({ agent_id: agent.clientId, resource, ...more }, basic(agent));
  return { agent, id };
}

const ownToken = (agent: TestAgent) => delegation(s.c).ownToken(agent);

const refusal = async (response: Response) => [response.status, (await response.json()).error];

describe("153, 154: what an agent and a person write is text, and reads as it is stored", () => {
  const HOSTILE = [
    ["a right-to-left override", "pay \u202e05\u202c EUR"],
    ["an isolate", "\u2066admin\u2069"],
    ["a zero-width space", "trans\u200bfer"],
    ["two lines", "transfer\nApprove"],
    ["a pile of marks", `a${"\u0301".repeat(20)}`],
  ];

  it.each(HOSTILE)("%s is refused in action, binding_message, reason and answers", async (_, text) => {
    const { agent, id } = await waiting();
    const ask = (body: Record<string, unknown>) =>
      here.ask({ agent_id: agent.clientId, resource, ...body }, basic(agent));
    expect((await ask({ action: text })).status).toBe(422);
    expect((await ask({ binding_message: text })).status).toBe(422);
    expect((await ask({ reason: text })).status).toBe(422);
    expect((await here.question(id, approver, String(text))).status).toBe(422);
    expect((await here.reply(id, String(text), basic(agent))).status).toBe(422);
    expect((await here.deny(id, approver, { reason: text })).status).toBe(422);
  });

  it("what is nested in chain and metadata is shown without what reorders, and cut", async () => {
    const metadata = { note: "\u202eABC <script>alert(1)</script>", long: "x".repeat(5000) };
    const { id } = await waiting({ metadata, delegation_chain: ["\u2066a"] });
    const approval = await findStepUp(s.t.ctx, id);
    if (!approval) throw new Error("just asked");
    const { said } = await shownOf(s.t.ctx, approval);
    expect(said.metadata).not.toMatch(/[\u202e\u2066]/u);
    expect(said.metadata?.length).toBeLessThanOrEqual(2001);
    expect(said.chain).toBe('["a"]');
  });

  it("markup is text: it comes back as it was sent", async () => {
    const { agent, id } = await waiting({ action: "<img src=x onerror=alert(1)>" });
    expect((await here.seen(id, basic(agent))).action).toBe("<img src=x onerror=alert(1)>");
  });
});

describe("160: who does not prove to be a person answers nothing", () => {
  it("nobody: 401", async () => {
    const { id } = await waiting();
    for (const verb of ["approve", "deny"]) {
      const response = await s.c.json(`/stepup/${id}/${verb}`, { approved_by: "ceo@corp" });
      expect(await refusal(response)).toEqual([401, "invalid_token"]);
    }
  });

  it("an agent's own token: 403, also that of the agent that asks; its secret: 401", async () => {
    const { agent, id } = await waiting();
    const kin = await here.agentOf(owner);
    for (const each of [agent, kin]) {
      const response = await s.c.json(`/stepup/${id}/approve`, {}, bearer(await ownToken(each)));
      expect(await refusal(response)).toEqual([403, "forbidden"]);
    }
    expect((await s.c.json(`/stepup/${id}/approve`, {}, basic(agent))).status).toBe(401);
  });

  it("a person's token without approvals:decide: 403 with the scope; a session from another site: 403", async () => {
    const { id } = await waiting();
    const app = await s.createApp();
    const { access_token } = await s.c.tokensFor(app, { scope: "account:read" }, { person: owner });
    const response = await s.c.json(`/stepup/${id}/approve`, {}, bearer(access_token));
    expect(response.headers.get("www-authenticate")).toContain('scope="approvals:decide"');
    expect(await refusal(response)).toEqual([403, "insufficient_scope"]);
    const crossSite = { ...here.bySession(owner), origin: "https://evil.example" };
    expect((await s.c.json(`/stepup/${id}/approve`, {}, crossSite)).status).toBe(403);
  });

  it("the step-up token of another question is no person's either", async () => {
    const first = await waiting({ resource: undefined, scope: "account:read" });
    await here.approve(first.id, owner);
    const { step_up_token } = await here.seen(first.id, basic(first.agent));
    const { id } = await waiting();
    const response = await s.c.json(`/stepup/${id}/approve`, {}, bearer(String(step_up_token)));
    expect(await refusal(response)).toEqual([403, "forbidden"]);
  });

  it("an app's token of the person, which an operator let decide, does", async () => {
    const { id } = await waiting();
    const app = await s.createApp({ scope: "approvals:decide" });
    const { access_token } = await s.c.tokensFor(app, { scope: "approvals:decide" }, { person: owner });
    const response = await s.c.json(`/stepup/${id}/approve`, {}, bearer(access_token));
    expect([response.status, (await response.json()).approved_by]).toEqual([200, `user:${owner.user.id}`]);
  });
});

describe("161: a person who is neither owner nor approver", () => {
  it("neither answers nor asks: it is not there", async () => {
    const { id } = await waiting();
    const stranger = await s.c.signIn();
    expect(await refusal(await here.approve(id, stranger))).toEqual([404, "not_found"]);
    expect(await refusal(await here.deny(id, stranger))).toEqual([404, "not_found"]);
    expect(await refusal(await here.question(id, stranger, "What is it?"))).toEqual([404, "not_found"]);
    expect((await here.seen(id)).status).toBe("pending");
  });
});

describe("165: the step-up of another agent", () => {
  it("is not there for it: not to see, not to withdraw, not to answer for", async () => {
    const { id } = await waiting();
    const agent = await here.agentOf(owner);
    const proofs = [basic(agent), bearer(await ownToken(agent))];
    for (const headers of proofs) {
      expect(await refusal(await here.look(id, headers))).toEqual([404, "not_found"]);
      const withdrawn = await s.c.call(`/stepup/${id}`, { method: "DELETE", headers });
      expect(await refusal(withdrawn)).toEqual([404, "not_found"]);
      expect(await refusal(await here.reply(id, "Yes.", headers))).toEqual([404, "not_found"]);
    }
  });

  it("shows its status to who proves nothing, and nothing else; never its token", async () => {
    const { id, agent } = await waiting();
    expect(await here.seen(id)).toEqual({ id, status: "pending" });
    await here.approve(id, owner);
    expect(await here.seen(id)).toEqual({ id, status: "approved" });
    expect(await here.seen(id, here.bySession(owner))).toEqual({ id, status: "approved" });
    expect(await here.seen(id, basic(agent))).toHaveProperty("step_up_token");
  });

  it("has an id of 128 random bits", async () => {
    const { id } = await waiting();
    expect(Buffer.from(id, "base64url")).toHaveLength(16);
  });

  it("cannot be asked for in its name, nor by nobody", async () => {
    const [agent, victim] = [await here.agentOf(owner), await here.agentOf(owner)];
    const body = { agent_id: victim.clientId, resource };
    expect(await refusal(await here.ask(body, basic(agent)))).toEqual([403, "forbidden"]);
    expect(await refusal(await here.ask(body, bearer(await ownToken(agent))))).toEqual([403, "forbidden"]);
    expect(await refusal(await here.ask(body))).toEqual([401, "invalid_token"]);
    expect(await refusal(await here.ask(body, bearer("none")))).toEqual([401, "invalid_token"]);
  });
});

describe("a resource with the token that an agent brought it", () => {
  it("asks for nothing elsewhere", async () => {
    const agent = await here.createAgent(["files:read"]);
    const token = await delegation(s.c).ownToken(agent, { resource });
    const asking = (where: string | undefined) =>
      here.ask({ agent_id: agent.clientId, scope: "files:delete", resource: where }, bearer(token));
    const elsewhere = await s.createResource(["files:delete"]);
    expect(await refusal(await asking(elsewhere))).toEqual([400, "invalid_target"]);
    expect((await asking(resource)).status).toBe(202);
  });

  it("neither gets nor disturbs what was approved for another one", async () => {
    const elsewhere = await s.createResource(["files:delete"]);
    const { agent, id } = await waiting({ resource: elsewhere });
    const token = bearer(await delegation(s.c).ownToken(agent, { resource }));
    await here.question(id, owner, "Why?");
    expect(await refusal(await here.reply(id, "Never mind.", token))).toEqual([400, "invalid_target"]);
    const withdrawn = await s.c.call(`/stepup/${id}`, { method: "DELETE", headers: token });
    expect(await refusal(withdrawn)).toEqual([400, "invalid_target"]);
    await here.approve(id, owner);
    expect(await refusal(await here.look(id, token))).toEqual([400, "invalid_target"]);
    expect(await here.seen(id, basic(agent))).toHaveProperty("step_up_token");
  });
});

describe("167: nobody is worn down into a yes", () => {
  it("five questions of an agent wait; the sixth is 429 and says when to come back", async () => {
    const agent = await here.agentOf(owner);
    const ask = () => here.ask({ agent_id: agent.clientId, resource }, basic(agent));
    for (let count = 0; count < 5; count += 1) expect((await ask()).status).toBe(202);
    const sixth = await ask();
    expect(sixth.headers.get("retry-after")).toBe("30");
    expect(await refusal(sixth)).toEqual([429, "too_many_requests"]);
  });

  it("whoever was refused five times asks nobody; from the third question on the number is asked for", async () => {
    const agent = await here.agentOf(owner);
    const ask = () => here.ask({ agent_id: agent.clientId, resource }, basic(agent));
    const yeses = [];
    for (let count = 0; count < 5; count += 1) {
      const { id } = await (await ask()).json();
      if (count >= 2) yeses.push((await here.approve(id, owner)).status);
      await here.deny(id, owner);
    }
    expect(yeses).toEqual([422, 422, 422]);
    expect((await ask()).status).toBe(429);
  });

  it("three wrong numbers are a no", async () => {
    const { agent, id } = await waiting({ number_matching: true });
    for (let count = 0; count < 3; count += 1) await here.approve(id, owner, { number: "00" });
    expect(await here.seen(id, basic(agent))).toMatchObject({ status: "denied" });
  });
});

describe("a yes is used once", () => {
  it("50 requests at a time on two instances get one token", async () => {
    const { agent, id } = await waiting();
    await here.approve(id, owner);
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) => (index % 2 ? here : there).seen(id, basic(agent))),
    );
    const tokens = answers.flatMap(({ step_up_token }) => step_up_token ?? []);
    expect(tokens).toHaveLength(1);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set(["approved"]));
  });

  it("20 answers at a time on two instances are one", async () => {
    const { id } = await waiting();
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        index % 2 ? here.approve(id, owner) : there.deny(id, approver),
      ),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(19);
  });

  it("the token says no more than what was approved, whatever the agent is registered for", async () => {
    const { agent, id } = await waiting();
    await here.approve(id, owner);
    const { step_up_token } = await here.seen(id, basic(agent));
    expect(decodeJwt(String(step_up_token))).toMatchObject({ aud: resource, scope: "files:delete" });
    expect(await s.introspect(String(step_up_token))).toMatchObject({ active: true, scope: "files:delete" });
  });

  it("a frozen agent neither asks nor gets what was approved", async () => {
    const { agent, id } = await waiting();
    await here.approve(id, owner);
    const order = { action: "freeze", target: { agent: agent.clientId } };
    expect((await s.c.json("/kill-switch", order, s.operator)).status).toBe(200);
    expect((await here.look(id, basic(agent))).status).toBe(400);
    expect((await here.ask({ agent_id: agent.clientId, resource }, basic(agent))).status).toBe(400);
  });
});

describe("an agent that is stopped for good", () => {
  it("has its question taken back: nobody is asked any more, and the trail says by whom", async () => {
    const { agent, id } = await waiting();
    const order = { action: "kill", target: { agent: agent.clientId } };
    expect((await s.c.json("/kill-switch", order, s.operator)).status).toBe(200);
    expect(await refusal(await here.approve(id, owner))).toEqual([409, "conflict"]);
    expect(await here.seen(id)).toMatchObject({ status: "cancelled" });
    const [told] = await s.t.ctx.db
      .select()
      .from(events)
      .where(and(eq(events.subject, `approval:${id}`), eq(events.type, "approval.cancelled")));
    expect(told).toMatchObject({ actor: "operator", clientId: agent.clientId });
  });

  it("gets nothing for a yes that it had not used", async () => {
    const { agent, id } = await waiting();
    await here.approve(id, owner);
    const order = { action: "kill", target: { agent: agent.clientId } };
    await s.c.json("/kill-switch", order, s.operator);
    expect(await here.seen(id)).toMatchObject({ status: "cancelled" });
  });
});

describe("what no resource knows", () => {
  it("is asked of nobody", async () => {
    const agent = await here.agentOf(owner);
    const response = await here.ask(
      { agent_id: agent.clientId, resource, scope: "files:burn" },
      basic(agent),
    );
    expect(await refusal(response)).toEqual([400, "invalid_scope"]);
  });
});
