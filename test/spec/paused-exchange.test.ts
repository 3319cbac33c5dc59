import { decodeJwt } from "jose";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { verifyChain } from "@/lib/oauth/chain-proof";
import { GRANT_TYPES } from "@/lib/oauth/token-types";
import { findApproval, isAct } from "@/lib/services/approvals";
import { askQuestion } from "@/lib/services/clarifications";
import {
  type App,
  basic,
  type Connection,
  connect,
  type Person,
  refusalOf,
  tokensOf,
} from "@/test/support/client";
import { type TestContext, testContext } from "@/test/support/context";
import { delegation, type TestAgent } from "@/test/support/delegation";
import { operatorService } from "@/test/support/operator-service";
import { bankOf, waiting } from "@/test/support/waiting";

let t: TestContext;
let c: Connection;
let d: ReturnType<typeof delegation>;
let w: ReturnType<typeof waiting>;
let bank: string;
let person: Person;
let app: App;
let agents: [TestAgent, TestAgent, TestAgent];
/** What the last agent of the chain holds: the person's app started it, and each handed it to the next. */
let held: string;

const SCOPES = ["balance:read", "payments:send"];

beforeAll(async () => {
  t = await testContext({
    env: { AUTHGENT_TOKEN_RATE_LIMIT: "100000", AUTHGENT_REGISTER_RATE_LIMIT: "1000" },
  });
  c = connect(t);
  d = delegation(c);
  w = waiting(t, c);
  bank = await bankOf(t);
});

beforeEach(async () => {
  agents = [await d.createAgent(SCOPES), await d.createAgent(SCOPES), await d.createAgent(SCOPES)];
  person = await c.signIn();
  const grantTypes = ["authorization_code", GRANT_TYPES.tokenExchange];
  app = await c.registerConfidential({ scope: SCOPES.join(" "), grant_types: grantTypes });
  const asked = { resource: bank, scope: SCOPES.join(" ") };
  const { access_token } = await c.tokensFor(app, asked, { person });
  held = await handOver(app, access_token, agents[0]);
  held = await handOver(agents[0], held, agents[1]);
  held = await handOver(agents[1], held, agents[2]);
});

const handOver = async (from: App, token: string, to: App): Promise<string> =>
  (await d.exchanged(from, token, { audience: to.clientId })).access_token;

const pay = (more: Record<string, string> = {}) =>
  d.exchange(agents[2], held, { resource: bank, binding_message: "The rent of May", ...more });

const paused = async (more: Record<string, string> = {}) => (await pay(more)).json();

describe("an exchange that a person has to approve stops in the middle of a chain (RFC 8693 §2.1)", () => {
  it("§2.2.2: is told how it goes on, and no more", async () => {
    const response = await pay();
    expect(response.status).toBe(400);
    expect(response.headers.get("cache-control")).toBe("no-store");
    const body = await response.json();
    expect(body).toEqual({
      error: "interaction_required",
      error_code: "approval_required",
      error_description: expect.stringContaining("A person has to approve this."),
      error_uri: "http://localhost:8000/errors/approval_required",
      auth_req_id: expect.stringMatching(/^[\w-]{22}\.[\w-]{43}$/),
      expires_in: expect.any(Number),
      interval: 5,
      binding_code: expect.stringMatching(/^\d{2}$/),
      approval_url: `http://localhost:8000/approve/${w.approvalOf(body.auth_req_id)}`,
      stepup_id: w.approvalOf(body.auth_req_id),
    });
    expect(body.expires_in).toBeLessThanOrEqual(300);
  });

  it("§4.1: goes on after the yes without restarting, with the whole chain and its receipts", async () => {
    const { auth_req_id, stepup_id } = await paused();
    expect(await w.answer(stepup_id, person)).toBe("approved");
    const tokens = await tokensOf(await w.poll(agents[2], auth_req_id));
    expect(tokens).toMatchObject({
      token_type: "Bearer",
      scope: "balance:read payments:send",
      expires_in: 300,
    });
    const approval = await findApproval(t.ctx, stepup_id);
    const claims = decodeJwt(tokens.access_token);
    const actor = (place: number) => ({ sub: `client:${agents[place]?.clientId}` });
    expect(claims).toMatchObject({
      sub: `user:${person.user.id}`,
      aud: bank,
      client_id: agents[2].clientId,
      human_root: true,
      act: {
        ...actor(2),
        act: { ...actor(1), act: { ...actor(0), act: { sub: `client:${app.clientId}` } } },
      },
      approval: { id: stepup_id, digest: approval?.digest },
    });
    const bundle = await (await c.form("/receipts", { token: tokens.access_token })).json();
    expect(verifyChain({ token: tokens.access_token, bundle, now: t.ctx.now() })).toMatchObject({
      ok: true,
      hops: [{}, {}, {}, {}],
    });
    const last = decodeJwt(bundle.receipts.at(-1) ?? bundle.receipts[0]);
    expect([decodeJwt(bundle.receipts[0]), last].map((one) => one.approval)).toContain(stepup_id);
    expect(approval?.status).toBe("consumed");
    expect(approval?.sealedRequest).toBeNull();
    expect(await c.introspect(tokens.access_token)).toMatchObject({ active: true });
  });

  it("shows the person everybody between them and whoever asks", async () => {
    const { stepup_id } = await paused();
    const approval = await findApproval(t.ctx, stepup_id);
    if (!approval || !isAct(approval)) throw new Error("it was just asked");
    expect(approval.kind).toBe("issuance");
    expect(approval.act.said).toEqual({ reason: "The rent of May" });
    expect(approval.act.chain.map(({ sub }) => sub)).toEqual([
      `user:${person.user.id}`,
      ...[app, ...agents].map(({ clientId }) => `client:${clientId}`),
    ]);
  });

  it("asks once, however often the same is asked for, and again for something else", async () => {
    const first = await paused();
    const again = await paused();
    const other = await paused({ scope: "payments:send" });
    expect(again).toMatchObject({ auth_req_id: first.auth_req_id, binding_code: first.binding_code });
    expect(other.auth_req_id).not.toBe(first.auth_req_id);
  });

  it("sent again after the yes, is answered at once, and the next time asked about anew", async () => {
    const first = await paused();
    await w.answer(first.stepup_id, person);
    const { access_token } = await tokensOf(await pay());
    expect(decodeJwt(access_token).approval).toMatchObject({ id: first.stepup_id });
    expect((await paused()).auth_req_id).not.toBe(first.auth_req_id);
  });

  it("is no surprise for who checks first, and nobody is asked by that", async () => {
    const asked = { subject_token: held, client_id: agents[2].clientId, audience: bank };
    const check = await (await c.json("/token/check", asked, basic(agents[2]))).json();
    expect([check.allowed, check.reasons]).toEqual([
      false,
      ["A person approves this each time: the exchange answers approval_required, and waits for them."],
    ]);
  });

  it("is not asked about at all without the scope that needs it", async () => {
    const { scope } = await tokensOf(await pay({ scope: "balance:read" }));
    expect(scope).toBe("balance:read");
  });

  it("§3.2 of RFC 6749: what is refused is nobody's to approve", async () => {
    expect(await refusalOf(await pay({ scope: "payments:send vault:open" }))).toEqual({
      status: 400,
      error: "invalid_scope",
    });
  });

  it("never outlives what it is made of", async () => {
    t.advance(120);
    const { expires_in } = await paused();
    expect(expires_in).toBeLessThanOrEqual(180);
  });

  it("says no with the person's words", async () => {
    const { auth_req_id, stepup_id } = await paused();
    await w.answer(stepup_id, person, "denied", "Not before Friday");
    const response = await w.poll(agents[2], auth_req_id);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      error: "access_denied",
      error_description: "The person refused: Not before Friday",
    });
  });

  it("brings the person's question to the agent, and its answer to the person", async () => {
    const { auth_req_id, stepup_id } = await paused();
    await askQuestion(t.ctx, { approvalId: stepup_id, by: person.user, text: "Which rent?" });
    const { error, clarification } = await (await w.poll(agents[2], auth_req_id)).json();
    expect([error, clarification]).toEqual([
      "authorization_pending",
      {
        round: 1,
        question: "Which rent?",
        answer_to: `http://localhost:8000/stepup/${stepup_id}/answers`,
      },
    ]);
    const path = new URL(clarification.answer_to).pathname;
    const answer = (by: App) => c.json(path, { text: "That of May" }, basic(by));
    expect((await answer(agents[1])).status).toBe(404);
    expect((await answer(agents[2])).status).toBe(201);
    t.advance(6);
    const pending = await (await w.poll(agents[2], auth_req_id)).json();
    expect(pending).toMatchObject({ error: "authorization_pending" });
    expect(pending).not.toHaveProperty("clarification");
  });

  it("audits the question, the answer and what came of it", async () => {
    const { auth_req_id, stepup_id } = await paused();
    await w.answer(stepup_id, person);
    await tokensOf(await w.poll(agents[2], auth_req_id));
    expect(await w.eventsOf(stepup_id)).toEqual([
      "approval.approved",
      "approval.consumed",
      "approval.requested",
    ]);
  });
});

describe("completion_mode=narrowed (issue 4)", () => {
  it("gives at once what nobody has to approve, and the rest after the yes", async () => {
    const response = await pay({ completion_mode: "narrowed" });
    expect(response.status).toBe(200);
    const body = await response.json();
    expect(body).toMatchObject({
      scope: "balance:read",
      pending_authorization: {
        auth_req_id: expect.any(String),
        expires_in: expect.any(Number),
        interval: 5,
        scope: "balance:read payments:send",
        binding_code: expect.stringMatching(/^\d{2}$/),
      },
    });
    expect(decodeJwt(body.access_token)).not.toHaveProperty("approval");
    const { auth_req_id } = body.pending_authorization;
    await w.answer(w.approvalOf(auth_req_id), person);
    expect((await tokensOf(await w.poll(agents[2], auth_req_id))).scope).toBe("balance:read payments:send");
  });

  it("waits like any other where nothing would be left", async () => {
    const response = await pay({ completion_mode: "narrowed", scope: "payments:send" });
    expect(await refusalOf(response)).toEqual({ status: 400, error: "interaction_required" });
  });

  it("is one of those that there are", async () => {
    expect(await refusalOf(await pay({ completion_mode: "later" }))).toEqual({
      status: 400,
      error: "invalid_request",
    });
  });
});

describe("an agent that acts for itself (RFC 6749 §4.4)", () => {
  it("§4.4.2: waits too, and its token is of one use", async () => {
    const grant_type = "client_credentials";
    const response = await c.token(agents[0], { grant_type, resource: bank, scope: "payments:send" });
    expect(response.status).toBe(400);
    const { auth_req_id, stepup_id, error_code } = await response.json();
    expect(error_code).toBe("approval_required");
    expect(await refusalOf(await w.poll(agents[0], auth_req_id))).toEqual({
      status: 400,
      error: "authorization_pending",
    });
    await w.answer(stepup_id, await c.signIn("approver"));
    t.advance(6);
    const { access_token } = await tokensOf(await w.poll(agents[0], auth_req_id));
    expect(decodeJwt(access_token)).toMatchObject({
      sub: `client:${agents[0].clientId}`,
      approval: { id: stepup_id },
    });
    t.advance(6);
    expect(await refusalOf(await w.poll(agents[0], auth_req_id))).toEqual({
      status: 400,
      error: "invalid_grant",
    });
  });
});

describe("what a consent is the yes to", () => {
  const connected = async (resource: string) => {
    const asked = { resource, scope: SCOPES.join(" ") };
    return tokensOf(await c.redeem(app, await c.codeFor(app, asked, { person })));
  };

  it("a code gives what its person alone could approve, and a refresh leaves it out", async () => {
    const { scope, refresh_token } = await connected(bank);
    expect(scope).toBe("balance:read payments:send");
    expect((await tokensOf(await c.refresh(app, refresh_token))).scope).toBe("balance:read");
  });

  it.each([
    ["takes two", { quorum: 2 }],
    ["takes somebody else", { fourEyes: true }],
    ["is for others to approve", { approvers: ["group:treasury"] }],
  ])("a code leaves out what %s", async (_, rule) => {
    expect((await connected(await bankOf(t, rule))).scope).toBe("balance:read");
  });

  it("a refresh of nothing else says what to do", async () => {
    const code = await c.codeFor(app, { resource: bank, scope: "payments:send" });
    const { refresh_token } = await tokensOf(await c.redeem(app, code));
    const response = await c.refresh(app, refresh_token);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      error: "interaction_required",
      error_code: "approval_required",
    });
  });
});

describe("what else may ask for a person (product decision D12)", () => {
  it("a policy service of the operator's says step_up, and the request waits", async () => {
    const service = await operatorService({ effect: "step_up", version: "7" });
    const env = {
      AUTHGENT_POLICY_PROVIDER: "http",
      AUTHGENT_POLICY_URL: service.url,
      AUTHGENT_PROVIDER_SECRET: "0123456789abcdefghij",
    };
    const own = await testContext({ env });
    const here = connect(own);
    const agent = await delegation(here).createAgent(["notes:read"]);
    const request = { grant_type: "client_credentials", scope: "notes:read" };
    const { auth_req_id, stepup_id } = await (await here.token(agent, request)).json();
    const those = waiting(own, here);
    expect(await those.answer(stepup_id, await here.signIn("admin"))).toBe("approved");
    expect((await tokensOf(await those.poll(agent, auth_req_id))).scope).toBe("notes:read");
    await service.close();
  });

  it("AUTHGENT_HITL_SCOPES names scopes at any resource", async () => {
    const own = await testContext({ env: { AUTHGENT_HITL_SCOPES: "db:delete" } });
    const here = connect(own);
    const agent = await delegation(here).createAgent(["db:delete", "db:read"]);
    const ask = (scope: string) => here.token(agent, { grant_type: "client_credentials", scope });
    expect(await refusalOf(await ask("db:delete"))).toEqual({ status: 400, error: "interaction_required" });
    await tokensOf(await ask("db:read"));
  });
});
