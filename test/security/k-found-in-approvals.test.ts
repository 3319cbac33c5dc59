import { beforeAll, describe, expect, it } from "vitest";
import { GRANT_TYPES } from "@/lib/oauth/token-types";
import { shownOf } from "@/lib/services/approval-shown";
import { type ActApproval, findApproval, isAct } from "@/lib/services/approvals";
import { actsOf } from "@/test/support/acts";
import {
  type App,
  approvalOf,
  basic,
  connect,
  newBrowser,
  type Person,
  pkce,
  refusalOf,
  tokensOf,
} from "@/test/support/client";
import { testContext, unique } from "@/test/support/context";
import { delegation } from "@/test/support/delegation";
import { devices } from "@/test/support/devices";
import { operatorService } from "@/test/support/operator-service";
import { passkeysOf, type Visitor } from "@/test/support/passkeys";
import { type PublicServer, publicServer } from "@/test/support/public-server";
import { bearer, stepUps } from "@/test/support/step-ups";
import { bankOf, waiting } from "@/test/support/waiting";

let s: PublicServer;
let a: ReturnType<typeof actsOf>;
let su: ReturnType<typeof stepUps>;
let w: ReturnType<typeof waiting>;
let files: string;

beforeAll(async () => {
  s = await publicServer();
  a = actsOf(s);
  su = stepUps(s.c, "https://auth.example.com", s.operator);
  w = waiting(s.t, s.c);
  files = await s.createResource(["files:read", "files:delete"]);
});

/** Asks a person by CIBA, as an agent. */
const askPerson = (agent: App, fields: Record<string, string>, headers: Record<string, string> = {}) =>
  s.c.form(
    "/bc-authorize",
    { resource: files, scope: "files:read", ...fields },
    { ...basic(agent), ...headers },
  );

describe("in local mode", () => {
  it("whoever only knows a step-up's id gets no token of it (product decision D9)", async () => {
    const c = connect(await testContext());
    const here = stepUps(c, "http://localhost:8000");
    const agent = await here.createAgent(["files:read"]);
    const { id } = await here.asked({ agent_id: agent.clientId });
    await here.approve(id, await c.signIn("approver"));
    const seen = await here.seen(id);
    expect(seen.status).toBe("approved");
    expect(seen).not.toHaveProperty("step_up_token");
    expect((await here.seen(id, basic(agent))).step_up_token).toEqual(expect.any(String));
  });
});

describe("nobody is worn down into a yes (security case 167)", () => {
  it("by an agent that takes its question back and asks anew", async () => {
    const agent = await su.agentOf(await s.c.signIn());
    const withdraw = (id: string) => s.c.call(`/stepup/${id}`, { method: "DELETE", headers: basic(agent) });
    const ask = () => su.ask({ agent_id: agent.clientId, resource: files }, basic(agent));
    for (let asked = 0; asked < 5; asked += 1) await withdraw((await (await ask()).json()).id);
    expect(await refusalOf(await ask())).toEqual({ status: 429, error: "too_many_requests" });
    s.t.advance(301);
    expect((await ask()).status).toBe(202);
  });

  it("by an agent whose questions have a second each", async () => {
    const [agent, person] = [await su.createAgent(["files:read"]), await s.c.signIn()];
    const ask = () => askPerson(agent, { login_hint: person.user.email, requested_expiry: "1" });
    for (let asked = 0; asked < 5; asked += 1) {
      expect((await ask()).status).toBe(200);
      s.t.advance(2);
    }
    expect(await refusalOf(await ask())).toEqual({ status: 429, error: "too_many_requests" });
  });

  it("by many agents of their own, each of which asks a little", async () => {
    const owner = await a.visit();
    const askFive = async () => {
      const bot = await a.agentOf(owner);
      for (const action of ["a", "b", "c", "d", "e"]) await a.ask(bot, { act: { action } });
    };
    for (let agents = 0; agents < 10; agents += 1) await askFive();
    await expect(askFive()).rejects.toMatchObject({ code: "too_many_requests" });
  });
});

describe("what a program calls itself", () => {
  const headers = { "user-agent": `curl\u0085${"A".repeat(9000)}` };
  const shown = async (id: string) => {
    const approval = await findApproval(s.t.ctx, id);
    if (!approval || !isAct(approval)) throw new Error("just asked");
    return (await shownOf(s.t.ctx, approval)).from.userAgent;
  };

  it("is one short line where an agent asks a certain person", async () => {
    const [agent, person] = [await su.createAgent(["files:read"]), await s.c.signIn()];
    const { auth_req_id } = await (await askPerson(agent, { login_hint: person.user.id }, headers)).json();
    expect(await shown(w.approvalOf(auth_req_id))).toMatch(/^curl ?A{190,196}…$/);
  });

  it("is one short line on the page of a device", async () => {
    const d = devices(s.c, a.origin);
    const app = await s.createApp({
      grant_types: [GRANT_TYPES.deviceCode],
      redirect_uris: [],
    });
    const codes = await d.codes(app, { resource: files, scope: "files:read" }, headers);
    const id = await d.questionOf(await s.c.signIn(), codes);
    expect(await shown(id)).toMatch(/^curl ?A{190,196}…$/);
  });
});

describe("153, 154: what an agent asks for in detail", () => {
  it("makes no title longer than a line, in letters that join without end either", async () => {
    const payment = {
      type: "payment",
      words: "Pay {payee}",
      schema: {
        type: "object",
        properties: { payee: { type: "string", title: "Payee" } },
        required: ["payee"],
      },
    };
    const act = await a.resource({}, { authorization_details_types: [payment] });
    const authorizationDetails = [{ type: "payment", payee: "\u1100".repeat(4000) }];
    const approval = await a.ask(await a.agentOf(await a.visit()), {
      act: { ...act, scope: [], authorizationDetails },
    });
    expect((await shownOf(s.t.ctx, approval)).verb.length).toBeLessThanOrEqual(160 * 8);
  });
});

describe("a request for what nobody has to approve, and the rest later", () => {
  it("waits like any other where the policy leaves that to a person, too", async () => {
    const service = await operatorService({ effect: "step_up", version: "7" });
    const env = {
      AUTHGENT_POLICY_PROVIDER: "http",
      AUTHGENT_POLICY_URL: service.url,
      AUTHGENT_PROVIDER_SECRET: "0123456789abcdefghij",
      AUTHGENT_HITL_SCOPES: "pay",
    };
    const c = connect(await testContext({ env }));
    const agent = await delegation(c).createAgent(["notes:read", "pay"]);
    const fields = { grant_type: "client_credentials", scope: "notes:read pay", completion_mode: "narrowed" };
    expect(await refusalOf(await c.token(agent, fields))).toEqual({
      status: 400,
      error: "interaction_required",
    });
    await service.close();
  });
});

describe("what a person approves each time, and the consent of an app", () => {
  const SCOPE = "balance:read payments:send";
  /** A code that an app of the operator's is sent without a question, redeemed: the scope of its token. */
  const silently = async (app: App, person: Person, params: Record<string, string>) => {
    const { verifier, challenge } = pkce();
    const request = s.c.requestOf(app, { ...params, code_challenge: challenge });
    const answered = await s.c.authorize(request, { person, browser: newBrowser() });
    const code = new URL(answered.headers.get("location") ?? "", a.origin).searchParams.get("code");
    if (!code) throw new Error("somebody was asked");
    return (await tokensOf(await s.c.redeem(app, { code, verifier }))).scope;
  };

  it("does not come along, unasked, with what they let the app do for good", async () => {
    const [bank, person] = [await bankOf(s.t), await s.c.signIn()];
    const app = await s.createApp({ scope: SCOPE });
    const { scope } = await s.c.tokensFor(app, { resource: bank, scope: SCOPE }, { person });
    expect(scope).toBe(SCOPE);
    expect(await silently(app, person, { resource: bank, scope: "balance:read" })).toBe("balance:read");
  });

  it("lives five minutes in the token of a code, and what is refreshed has the rest as long as ever", async () => {
    const app = await s.createApp({ scope: SCOPE });
    const first = await s.c.tokensFor(app, { resource: await bankOf(s.t), scope: SCOPE });
    expect([first.scope, first.expires_in]).toEqual([SCOPE, 300]);
    const next = await tokensOf(await s.c.refresh(app, first.refresh_token));
    expect([next.scope, next.expires_in]).toEqual(["balance:read", 3600]);
  });

  /** What becomes of an old session's answer on the page. */
  const answered = async (bank: string, visitor: Visitor, age: number) => {
    const asked = await s.c.authorize(
      s.c.requestOf(await s.createApp({ scope: SCOPE }), { resource: bank, scope: SCOPE }),
      visitor,
    );
    s.t.advance(age);
    const location = (await s.c.consent(approvalOf(asked) ?? "", visitor)).headers.get("location") ?? "";
    return new URL(location, a.origin).pathname.replace(/^\/cb$/, "allowed");
  };

  it("takes as recent a sign-in as an agent's question does", async () => {
    const [medium, high] = [await bankOf(s.t), await bankOf(s.t, { risk: "high" })];
    expect(await answered(high, await a.visit(), 299)).toBe("allowed");
    expect(await answered(high, await a.visit(), 301)).toBe("/login");
    expect(await answered(medium, await a.visit(), 301)).toBe("allowed");
  });

  it("takes the passkey of who has one", async () => {
    const p = passkeysOf(s.t, s.c);
    const ada = await p.visit();
    await p.enrol(ada);
    expect(await answered(await bankOf(s.t, { risk: "high" }), ada, 1)).toBe("/confirm");
  });
});

describe("what a person approves each time, and a device", () => {
  it("takes the passkey of who has one, on the page and by JSON", async () => {
    const [p, d] = [passkeysOf(s.t, s.c), devices(s.c, a.origin)];
    const [ada, bank] = [await p.visit(), await bankOf(s.t, { risk: "high" })];
    await p.enrol(ada);
    const scope = "payments:send";
    const app = await s.createApp({ grant_types: [GRANT_TYPES.deviceCode], redirect_uris: [], scope });
    const codes = await d.codes(app, { resource: bank, scope });
    const answered = await d.allow(ada.person, codes, [scope], ada);
    expect(answered.headers.get("location")).toMatch(/^\/confirm\?continue=%2Fapprove%2F/);
    const { user_code } = codes;
    const sent = await s.c.json("/device/approve", { user_code }, su.bySession(ada.person));
    expect(await refusalOf(sent)).toEqual({ status: 401, error: "insufficient_user_authentication" });
  });
});

describe("rules about who says yes", () => {
  const approve = async (from: Visitor, approval: ActApproval) => {
    const response = await a.answer(from, approval, { decision: "approve" });
    return response.status === 200 ? (await response.json()).status : response.status;
  };
  const change = (visitor: Visitor, changes: Record<string, unknown>) =>
    s.c.json(`/users/${visitor.person.user.id}`, changes, s.operator, "PATCH");
  const stopped = ({ person }: Visitor) =>
    s.c.json("/kill-switch", { target: { person: person.user.id }, action: "freeze" }, s.operator);
  const finance = async () => {
    const visitor = await a.visit();
    await change(visitor, { groups: ["finance"] });
    return visitor;
  };

  it.each([
    ["left the group", (visitor: Visitor) => change(visitor, { groups: [] })],
    ["was stopped", (visitor: Visitor) => stopped(visitor)],
  ])("a yes of somebody who %s since is not one of two", async (_, leave) => {
    const act = await a.resource({ quorum: 2, approvers: ["group:finance"] });
    const approval = await a.ask(await a.agentOf(await a.visit()), { act });
    const [one, two, three] = [await finance(), await finance(), await finance()];
    expect(await approve(one, approval)).toBe("pending");
    await leave(one);
    expect(await approve(two, approval)).toBe("pending");
    expect(await approve(three, approval)).toBe("approved");
  });

  it("are those of now, where they became stricter after the question", async () => {
    const rule = { name: "act", description: "Do it", risk: "medium", approval: "required" };
    const resource = `https://${unique("api")}.example/v1`;
    const made = await s.c.json("/resources", { resource, name: "An API", scopes: [rule] }, s.operator);
    const { id } = await made.json();
    const owner = await a.visit();
    const ask = async () => a.ask(await a.agentOf(owner), { act: { resource, scope: ["act"] } });
    const [first, second] = [await ask(), await ask()];
    const restrict = (more: Record<string, unknown>) =>
      s.c.json(`/resources/${id}`, { scopes: [{ ...rule, ...more }] }, s.operator, "PATCH");
    await restrict({ quorum: 2 });
    expect(await approve(owner, first)).toBe("pending");
    await restrict({ four_eyes: true });
    expect(await approve(owner, second)).toBe(404);
    await restrict({});
    s.t.advance(301);
    const third = await ask();
    await restrict({ risk: "high" });
    expect(await approve(owner, third)).toBe(401);
  });

  it("four eyes are not those of who owns an agent that the request came through", async () => {
    const act = await a.resource({ four_eyes: true });
    const [mallory, ada] = [await a.visit("approver"), await a.visit()];
    const [hers, other] = [await a.agentOf(mallory), await a.agentOf(ada)];
    const chain = [hers, other].map(({ clientId, name }) => ({
      sub: `client:${clientId}`,
      name,
      scope: ["act"],
    }));
    const approval = await a.ask(other, { act: { ...act, subject: `client:${hers.clientId}`, chain } });
    expect(await approve(mallory, approval)).toBe(404);
    expect(await approve(await a.visit("approver"), approval)).toBe("approved");
  });
});

describe("a yes is for what was read", () => {
  const SCOPE = "balance:read payments:send";

  it("and for whom it came through: the same by another app's token is another question", async () => {
    const [bank, person] = [await bankOf(s.t), await s.c.signIn()];
    const resources = { allowed_resources: [bank] };
    const service = await s.createService({
      scope: SCOPE,
      grant_types: [GRANT_TYPES.tokenExchange],
      ...resources,
    });
    const payBy = async () => {
      const app = await s.createApp({ client_name: unique("App "), scope: SCOPE });
      const { access_token } = await s.c.tokensFor(app, { resource: bank, scope: SCOPE }, { person });
      const asked = await delegation(s.c).exchange(service, access_token, {
        resource: bank,
        scope: "payments:send",
      });
      const { stepup_id } = await asked.json();
      return { app, id: String(stepup_id) };
    };
    const [one, other] = [await payBy(), await payBy()];
    expect(other.id).not.toBe(one.id);
    const asked = await findApproval(s.t.ctx, one.id);
    expect(asked?.act?.chain.map(({ sub }) => sub)).toEqual([
      `user:${person.user.id}`,
      `client:${one.app.clientId}`,
      `client:${service.clientId}`,
    ]);
  });

  it("and from now on only where nobody stood between", async () => {
    const [act, visitor] = [await a.resource({}), await a.visit()];
    const bot = await a.agentOf(visitor);
    const subject = `user:${visitor.person.user.id}`;
    const chain = [subject, "client:app_between", `client:${bot.clientId}`].map((sub) => ({
      ...{ sub, name: sub, scope: ["act"] },
    }));
    const approval = await a.ask(bot, {
      act: { ...act, subject, actors: [`client:${bot.clientId}`], chain },
    });
    const standing = { uses: 3, days: 3 };
    const response = await a.answer(visitor, approval, { decision: "approve", standing });
    expect(await refusalOf(response)).toEqual({ status: 422, error: "validation_failed" });
  });

  it("and, of a person who was asked elsewhere, at the place they read of (product decision D30)", async () => {
    const [agent, person] = [await su.createAgent(["files:read"]), await s.c.signIn()];
    const { auth_req_id } = await (await askPerson(agent, { login_hint: person.user.email })).json();
    await w.answer(w.approvalOf(auth_req_id), person);
    const { access_token } = await tokensOf(await w.poll(agent, auth_req_id));
    const d = delegation(s.c);
    const elsewhere = { resource: await s.createResource(["files:read"]) };
    const refused = { status: 400, error: "invalid_target" };
    expect(await refusalOf(await d.exchange(agent, access_token, elsewhere))).toEqual(refused);
    expect((await d.exchange(agent, access_token, { resource: files })).status).toBe(200);
    // Nor by way of another agent.
    const next = await su.createAgent(["files:read"]);
    const handed = await d.exchanged(agent, access_token, { audience: next.clientId });
    expect(await refusalOf(await d.exchange(next, handed.access_token, elsewhere))).toEqual(refused);
  });
});

describe("who said yes", () => {
  it("is no app of the family of the agent that asks, however many generations away", async () => {
    const server = s.t.ctx.settings.serverUrl;
    const scopes = ["account:read", "approvals:decide"];
    const [first, person] = [await su.createAgent(scopes), await s.c.signIn("approver")];
    const { createAgent } = delegation(s.c, s.operator);
    const child = await createAgent(["account:read"], { parent_agent: first.clientId });
    const grandchild = await createAgent(["account:read"], { parent_agent: child.clientId });
    const fields = { login_hint: person.user.id, resource: server, scope: "approvals:decide" };
    const { auth_req_id } = await (await askPerson(first, fields)).json();
    await w.answer(w.approvalOf(auth_req_id), person);
    const { access_token } = await tokensOf(await w.poll(first, auth_req_id));
    const { id } = await su.asked(
      { agent_id: grandchild.clientId, scope: "account:read" },
      basic(grandchild),
    );
    const answered = await s.c.json(`/stepup/${id}/approve`, {}, bearer(access_token));
    expect(await refusalOf(answered)).toEqual({ status: 403, error: "forbidden" });
  });

  it("is still there when it is used: who was stopped since has said nothing", async () => {
    const [agent, approver] = [await su.createAgent(["files:read"]), await s.c.signIn("approver")];
    const bank = await bankOf(s.t);
    const service = await s.createService({ scope: "payments:send" });
    const pay = { grant_type: "client_credentials", resource: bank, scope: "payments:send" };
    const { auth_req_id, stepup_id } = await (await s.c.token(service, pay)).json();
    const { id } = await su.asked({ agent_id: agent.clientId, resource: files }, basic(agent));
    expect([await w.answer(stepup_id, approver), await w.answer(id, approver)]).toEqual([
      "approved",
      "approved",
    ]);
    const target = { person: approver.user.id };
    await s.c.json("/kill-switch", { target, action: "freeze" }, s.operator);
    expect(await su.seen(id, basic(agent))).not.toHaveProperty("step_up_token");
    expect(await refusalOf(await w.poll(service, auth_req_id))).toEqual({
      status: 400,
      error: "invalid_grant",
    });
  });
});

describe("“Deny and stop this agent”", () => {
  it("stops it also where somebody else was faster with a yes, and that yes is worth nothing then", async () => {
    const [owner, approver] = [await a.visit(), await a.visit("approver")];
    const agent = await su.agentOf(owner.person);
    const { id } = await su.asked({ agent_id: agent.clientId, resource: files }, basic(agent));
    await a.answer(approver, { id }, { decision: "approve" });
    await a.press(owner, { id }, { decision: "stop" });
    expect(await refusalOf(await su.look(id, basic(agent)))).toEqual({
      status: 400,
      error: "unauthorized_client",
    });
  });
});

describe("an agent that was stopped for good and started again", () => {
  it("has neither the yes that it did not use, nor what was allowed from now on", async () => {
    const owner = await a.visit();
    const agent = await su.agentOf(owner.person);
    const ask = (action: string) =>
      su.asked({ agent_id: agent.clientId, resource: files, action }, basic(agent));
    const [once, always] = [await ask("once"), await ask("always")];
    await a.answer(owner, once, { decision: "approve" });
    await a.answer(owner, always, { decision: "approve", standing: { uses: 5, days: 3 } });
    await s.c.call(`/agents/${agent.id}`, { method: "DELETE", headers: a.headers(owner) });
    await s.c.json(`/agents/${agent.id}/reactivate`, {}, a.headers(owner));
    expect(await su.seen(once.id, basic(agent))).toMatchObject({ status: "cancelled" });
    expect(await ask("always")).toMatchObject({ status: "pending" });
  });
});

describe("a policy of the operator's that leaves a token to a person", () => {
  it("is not answered by what the person allowed an app for good", async () => {
    const service = await operatorService({ effect: "allow", version: "7" });
    const env = {
      AUTHGENT_POLICY_PROVIDER: "http",
      AUTHGENT_POLICY_URL: service.url,
      AUTHGENT_PROVIDER_SECRET: "0123456789abcdefghij",
    };
    const own = await publicServer({ env });
    const [resource, person] = [await own.createResource(["notes:read"]), await own.c.signIn()];
    const app = await own.createApp({ scope: "notes:read" });
    await own.c.tokensFor(app, { resource, scope: "notes:read" }, { person });
    const again = async () => {
      const request = own.c.requestOf(app, { resource, scope: "notes:read" });
      return own.c.authorize(request, { person, browser: newBrowser() });
    };
    expect(approvalOf(await again())).toBeUndefined();
    service.answers({ effect: "step_up", version: "8" });
    expect(approvalOf(await again())).toEqual(expect.any(String));
    await service.close();
  });
});

describe("what only an operator hands out", () => {
  it("is not had by naming it in an open registration, in local mode either (product decisions D1, D19)", async () => {
    const c = connect(await testContext());
    const resource = "http://localhost:8000";
    const scope = "approvals:decide";
    const agent = await c.json("/agents", { name: "Helper", allowed_scopes: [scope] });
    expect(await refusalOf(agent)).toEqual({ status: 422, error: "validation_failed" });
    const app = await c.registerPublic({ scope });
    const asked = await c.authorize(c.requestOf(app, { resource, scope }), {
      person: await c.signIn("approver"),
    });
    expect(new URL(asked.headers.get("location") ?? "").searchParams.get("error")).toBe("invalid_scope");
    const service = await c.registerConfidential({ scope, grant_types: ["client_credentials"] });
    const token = await c.token(service, { grant_type: "client_credentials", resource, scope });
    expect(await refusalOf(token)).toEqual({ status: 400, error: "invalid_scope" });
  });
});
