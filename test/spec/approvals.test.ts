import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { AskedAct } from "@/db/schema/approvals";
import type { Role } from "@/db/schema/resources";
import { requestAct } from "@/lib/services/acts";
import { createAgent } from "@/lib/services/agents";
import { decideAct } from "@/lib/services/approval-decisions";
import { expireLapsed } from "@/lib/services/approval-ends";
import { pollApproval } from "@/lib/services/approval-polls";
import { consumeApproval, findApproval } from "@/lib/services/approvals";
import { findClient } from "@/lib/services/clients";
import { listWaitingFor } from "@/lib/services/deciders";
import { createSession, findSession, type SignedIn } from "@/lib/services/sessions";
import { createLocalUser } from "@/lib/services/users";
import { type TestContext, testContext, unique } from "@/test/support/context";

let t: TestContext;
let owner: SignedIn;

async function signedIn(role: Role): Promise<SignedIn> {
  const { ctx } = t;
  const email = `${unique()}@example.com`;
  const { id } = await createLocalUser(
    ctx,
    { email, name: email, role, password: unique("password-") },
    "operator",
  );
  const by = await findSession(
    ctx,
    await createSession(ctx, { userId: id, provider: "local", amr: ["pwd"] }),
  );
  if (!by) throw new Error("just signed in");
  return by;
}

async function agentOf(userId: string) {
  const manager = { actor: `user:${userId}`, userId, isOperator: false, address: "127.0.0.1" };
  const { agent } = await createAgent(t.ctx, { name: unique("bot-"), scope: ["files:read"] }, manager);
  const client = await findClient(t.ctx, agent.clientId);
  if (!client) throw new Error("just registered");
  return client;
}

const act = (clientId: string, changes: Partial<AskedAct> = {}): AskedAct => ({
  subject: `client:${clientId}`,
  actors: [],
  resource: "https://files.example/mcp",
  scope: ["files:delete"],
  chain: [{ sub: `client:${clientId}`, name: "bot", scope: ["files:delete"] }],
  said: { reason: "the old ones" },
  address: "127.0.0.1",
  ...changes,
});

async function ask(changes: Partial<AskedAct> = {}) {
  const client = await agentOf(owner.user.id);
  return requestAct(t.ctx, { kind: "step_up", client, act: act(client.clientId, changes) });
}

beforeAll(async () => {
  t = await testContext();
});

beforeEach(async () => {
  owner = await signedIn("member");
});

describe("who may answer what an agent asks (product decision D30)", () => {
  it("the owner of the agent", async () => {
    const { id } = await ask();
    expect(await decideAct(t.ctx, { id, by: owner, decision: "approved" })).toMatchObject({
      outcome: "approved",
      approval: { status: "approved", decidedBy: `user:${owner.user.id}` },
    });
  });

  it("the person on whose behalf it acts", async () => {
    const person = await signedIn("member");
    const { id } = await ask({ subject: `user:${person.user.id}` });
    expect(await decideAct(t.ctx, { id, by: person, decision: "denied" })).toMatchObject({
      outcome: "denied",
    });
  });

  it.each(["approver", "admin"] as const)("every %s", async (role) => {
    const { id } = await ask();
    const by = await signedIn(role);
    expect(await decideAct(t.ctx, { id, by, decision: "approved" })).toMatchObject({ outcome: "approved" });
  });

  it("no other member, who does not see it either", async () => {
    const { id } = await ask();
    const by = await signedIn("member");
    expect(await decideAct(t.ctx, { id, by, decision: "approved" })).toEqual({ outcome: "not_yours" });
    expect(await listWaitingFor(t.ctx, by.user)).toEqual([]);
    expect((await listWaitingFor(t.ctx, owner.user)).map((each) => each.id)).toEqual([id]);
  });
});

describe("an answer", () => {
  it("stands: the first one counts, once", async () => {
    const { id } = await ask();
    await decideAct(t.ctx, { id, by: owner, decision: "denied", reason: "not these" });
    const second = await decideAct(t.ctx, { id, by: await signedIn("admin"), decision: "approved" });
    expect(second).toMatchObject({
      outcome: "too_late",
      approval: { status: "denied", reason: "not these" },
    });
  });

  it("is used once", async () => {
    const { id } = await ask();
    await decideAct(t.ctx, { id, by: owner, decision: "approved" });
    const uses = await Promise.all(Array.from({ length: 20 }, () => consumeApproval(t.ctx, id)));
    expect(uses.filter(Boolean)).toHaveLength(1);
  });

  it("is used within five minutes, or never", async () => {
    const { id } = await ask();
    await decideAct(t.ctx, { id, by: owner, decision: "approved" });
    t.advance(301);
    expect(await consumeApproval(t.ctx, id)).toBe(false);
  });

  it("comes too late once the time is over, also before anybody wrote that down", async () => {
    const { id } = await ask();
    t.advance(301);
    expect(await decideAct(t.ctx, { id, by: await signedIn("admin"), decision: "approved" })).toMatchObject({
      outcome: "too_late",
    });
    await expireLapsed(t.ctx);
    expect((await findApproval(t.ctx, id))?.status).toBe("expired");
  });
});

describe("polling", () => {
  it("waits for the answer, which comes when it is given", async () => {
    const { id, clientId } = await ask();
    const waiting = pollApproval(t.ctx, { id, clientId, jkt: undefined, wait: 20 });
    await new Promise((resolve) => setTimeout(resolve, 50));
    await decideAct(t.ctx, { id, by: owner, decision: "approved" });
    await t.settled();
    expect(await waiting).toMatchObject({ status: "approved" });
    expect(t.ctx.waiting.size).toBe(0);
  });

  it("may go on at once after it has waited", async () => {
    const { id, clientId } = await ask();
    const poll = { id, clientId, jkt: undefined, wait: 0.1 };
    expect(await pollApproval(t.ctx, poll)).toEqual({ status: "pending" });
    expect(await pollApproval(t.ctx, poll)).toEqual({ status: "pending" });
  });

  it("faster than the interval slows down, for good", async () => {
    const { id, clientId } = await ask();
    const poll = () => pollApproval(t.ctx, { id, clientId, jkt: undefined });
    expect(await poll()).toEqual({ status: "pending" });
    expect(await poll()).toEqual({ status: "too_fast", interval: 10 });
    t.advance(6);
    expect(await poll()).toEqual({ status: "too_fast", interval: 15 });
    t.advance(16);
    expect(await poll()).toEqual({ status: "pending" });
  });

  it("does not tell another client that there is a question", async () => {
    const { id } = await ask();
    const other = await agentOf(owner.user.id);
    expect(await pollApproval(t.ctx, { id, clientId: other.clientId, jkt: undefined })).toEqual({
      status: "unknown",
    });
  });
});

describe("an agent that asks too much (security case 167)", () => {
  it("has five questions waiting at most", async () => {
    const client = await agentOf(owner.user.id);
    const request = () => requestAct(t.ctx, { kind: "step_up", client, act: act(client.clientId) });
    for (let index = 0; index < 5; index += 1) await request();
    await expect(request()).rejects.toMatchObject({ code: "too_many_requests" });
  });

  it("has five at most also when it asks for many at once", async () => {
    const client = await agentOf(owner.user.id);
    const request = () => requestAct(t.ctx, { kind: "step_up", client, act: act(client.clientId) });
    const asked = await Promise.allSettled(Array.from({ length: 20 }, request));
    expect(asked.filter(({ status }) => status === "fulfilled")).toHaveLength(5);
  });

  it("is to be matched by number after two refusals, and asks nobody after five", async () => {
    const client = await agentOf(owner.user.id);
    const request = () => requestAct(t.ctx, { kind: "step_up", client, act: act(client.clientId) });
    const refused = [];
    for (let index = 0; index < 5; index += 1) {
      const asked = await request();
      refused.push(asked.matchNumber);
      await decideAct(t.ctx, { id: asked.id, by: owner, decision: "denied" });
    }
    expect(refused).toEqual([false, false, true, true, true]);
    await expect(request()).rejects.toMatchObject({ code: "too_many_requests" });
  });
});
