import { decodeJwt } from "jose";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { verifyChain } from "@/lib/oauth/chain-proof";
import { findApproval } from "@/lib/services/approvals";
import { type Person, tokensOf } from "@/test/support/client";
import { unique } from "@/test/support/context";
import { delegation } from "@/test/support/delegation";
import { type PublicServer, publicServer } from "@/test/support/public-server";
import { createRedeemer, type Partner, partner, redeem, refusal } from "@/test/support/trusted-assertions";
import { bankOf, CIBA, waiting } from "@/test/support/waiting";

let s: PublicServer;
let w: ReturnType<typeof waiting>;
let bank: string;
let approver: Person;
let other: Partner;

const SCOPES = ["balance:read", "payments:send"];

beforeAll(async () => {
  s = await publicServer();
  w = waiting(s.t, s.c);
  bank = await bankOf(s.t);
  approver = await s.c.signIn("approver");
});

afterEach(() => other.close());

describe("an assertion about a person waits for a person (RFC 7523 §2.1)", () => {
  it("§3: it is used up by the token, and by nothing before", async () => {
    other = await partner(s, ["id_jag"]);
    const app = await createRedeemer(s, { scope: SCOPES.join(" ") });
    const claims = { sub: unique("new-"), client_id: app.clientId, resource: bank, scope: SCOPES.join(" ") };
    const assertion = await other.assertion(claims, { typ: "oauth-id-jag+jwt" });
    const { auth_req_id, stepup_id } = await (await redeem(s, app, assertion)).json();
    // Somebody new is known from now on: the question is about them.
    const { subjectUserId } = (await findApproval(s.t.ctx, stepup_id)) ?? expect.fail();
    const again = await (await redeem(s, app, assertion)).json();
    expect(again.auth_req_id).toBe(auth_req_id);
    expect(await w.answer(stepup_id, approver)).toBe("approved");
    const { access_token, scope, expires_in } = await tokensOf(await w.poll(app, auth_req_id));
    expect([scope, expires_in]).toEqual([SCOPES.join(" "), 300]);
    expect(decodeJwt(access_token)).toMatchObject({
      sub: `user:${subjectUserId}`,
      approval: { id: stepup_id },
    });
    expect(await refusal(await redeem(s, app, assertion, { scope: "balance:read" }))).toEqual({
      status: 400,
      error: "invalid_grant",
    });
  });

  it("§2.2 of identity chaining: with the chain of the other domain, and its receipt", async () => {
    other = await partner(s, ["chaining"]);
    const app = await createRedeemer(s, { scope: SCOPES.join(" ") });
    const act = { sub: "client:agent-of-theirs" };
    const assertion = await other.assertion({ sub: unique("bob-"), scope: "payments:send", act });
    const { auth_req_id, stepup_id } = await (await redeem(s, app, assertion, { resource: bank })).json();
    await w.answer(stepup_id, approver);
    const { access_token: token } = await tokensOf(await w.poll(app, auth_req_id));
    expect(decodeJwt(token).act).toMatchObject({ sub: `client:${app.clientId}`, act });
    const bundle = await (await s.c.form("/receipts", { token }, s.operator)).json();
    expect(verifyChain({ token, bundle, now: s.t.ctx.now() }).ok).toBe(true);
  });

  it("§3: nothing comes of one that ended while people thought", async () => {
    other = await partner(s, ["id_jag"]);
    const app = await createRedeemer(s, { scope: SCOPES.join(" ") });
    const claims = { client_id: app.clientId, resource: bank, scope: "payments:send" };
    const assertion = await other.assertion(claims, { typ: "oauth-id-jag+jwt" });
    const { auth_req_id, stepup_id } = await (await redeem(s, app, assertion)).json();
    s.t.advance(200);
    await w.answer(stepup_id, approver);
    s.t.advance(200);
    expect(await refusal(await w.poll(app, auth_req_id))).toMatchObject({
      status: 400,
      error: "invalid_grant",
    });
    expect(await w.tokensOfApproval(stepup_id)).toBe(0);
  });
});

describe("a workload that has no secret waits too (RFC 7521 §4.1)", () => {
  it("§4.1: and polls with what its platform says of it", async () => {
    const agent = await delegation(s.c, s.operator).createAgent(SCOPES);
    const sub = unique("job-");
    other = await partner(s, ["workload"], {
      people: { create: false, allowed_domains: [] },
      workloads: [{ claims: { sub }, client_id: agent.clientId }],
    });
    const asked = { resource: bank, scope: "payments:send" };
    const first = await redeem(s, undefined, await other.assertion({ sub }), asked);
    const { auth_req_id, stepup_id } = await first.json();
    await w.answer(stepup_id, approver);
    const poll = { grant_type: CIBA, auth_req_id };
    expect((await s.c.form("/token", poll)).status).toBe(401);
    const proof = { ...poll, assertion: await other.assertion({ sub }) };
    const { access_token } = await tokensOf(await s.c.form("/token", proof));
    expect(decodeJwt(access_token)).toMatchObject({
      sub: `client:${agent.clientId}`,
      approval: { id: stepup_id },
    });
  });

  it("§4.1: another workload's assertion is none", async () => {
    const agents = delegation(s.c, s.operator);
    const [agent, stranger] = [await agents.createAgent(SCOPES), await agents.createAgent(SCOPES)];
    const [sub, elsewhere] = [unique("job-"), unique("job-")];
    other = await partner(s, ["workload"], {
      people: { create: false, allowed_domains: [] },
      workloads: [
        { claims: { sub }, client_id: agent.clientId },
        { claims: { sub: elsewhere }, client_id: stranger.clientId },
      ],
    });
    const asked = { resource: bank, scope: "payments:send" };
    const { auth_req_id, stepup_id } = await (
      await redeem(s, undefined, await other.assertion({ sub }), asked)
    ).json();
    await w.answer(stepup_id, approver);
    const assertion = await other.assertion({ sub: elsewhere });
    expect(await refusal(await s.c.form("/token", { grant_type: CIBA, auth_req_id, assertion }))).toEqual({
      status: 400,
      error: "invalid_grant",
    });
  });
});
