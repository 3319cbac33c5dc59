import { and, eq } from "drizzle-orm";
import { beforeAll, describe, expect, it } from "vitest";
import { events } from "@/db/schema/events";
import { verifyProofOffline } from "@/lib/oauth/signed-decision";
import { listDecisions } from "@/lib/services/approval-decisions";
import { expireLapsed } from "@/lib/services/approval-ends";
import { findApproval } from "@/lib/services/approvals";
import { actsOf } from "@/test/support/acts";
import { refusalOf } from "@/test/support/client";
import { passkeysOf, type Visitor } from "@/test/support/passkeys";
import { type PublicServer, publicServer } from "@/test/support/public-server";

let s: PublicServer;
let a: ReturnType<typeof actsOf>;
let owner: Visitor;

beforeAll(async () => {
  s = await publicServer();
  a = actsOf(s);
  owner = await a.visit();
});

const asked = async (changes: Parameters<typeof a.ask>[1] = {}) => a.ask(await a.agentOf(owner), changes);
const statusOf = async ({ id }: { id: string }) => (await findApproval(s.t.ctx, id))?.status;

describe("GET /approvals", () => {
  it("lists what waits for the person, newest first, and then what is over", async () => {
    const eve = await a.visit();
    const client = await a.agentOf(eve, "search-bot");
    const first = await a.ask(client);
    s.t.advance(1);
    const second = await a.ask(client);
    expect(await (await a.list(eve)).json()).toEqual({
      total: 2,
      items: [second, first].map(({ id, createdAt, expiresAt }) => ({
        ...{ id, kind: "step_up", status: "pending", risk: "medium", quorum: 1 },
        sentence: "search-bot wants to use “files:delete”",
        ...{ client_id: client.clientId, client_name: "search-bot" },
        requested_at: createdAt.toISOString(),
        expires_at: expiresAt.toISOString(),
        approval_url: `https://auth.example.com/approve/${id}`,
      })),
    });
    await a.answer(eve, first, { decision: "deny", reason: "not these" });
    expect((await (await a.list(eve)).json()).items.map(({ id }: { id: string }) => id)).toEqual([second.id]);
    const [past] = (await (await a.list(eve, "?status=past")).json()).items;
    expect(past).toMatchObject({
      ...{ id: first.id, status: "denied", reason: "not these" },
      decided_by: `user:${eve.person.user.id}`,
    });
  });

  it("refuses a status it does not have", async () => {
    expect(await refusalOf(await a.list(owner, "?status=all"))).toEqual({
      status: 422,
      error: "validation_failed",
    });
  });
});

describe("GET /approvals/{id}", () => {
  it("shows all that the page says", async () => {
    const approval = await asked({ act: { said: { reason: "because‮ I say so" } } });
    const body = await (await a.show(owner, approval)).json();
    expect(body).toMatchObject({
      ...{ id: approval.id, status: "pending", digest: approval.digest },
      shown: {
        bindingCode: approval.bindingCode,
        onBehalfOf: null,
        requester: { clientId: approval.clientId, owner: owner.person.user.email },
        permissions: [{ name: "files:delete", risk: "medium", described: false }],
        from: { address: "203.0.113.7", userAgent: null },
      },
    });
    expect(body.shown.said.reason).not.toContain("‮");
    expect(body.digest_to_sign).toMatch(/^[\w-]{43}$/);
  });

  it("does not show the number where it is to be entered", async () => {
    const approval = await asked({ matchNumber: true });
    const { shown } = await (await a.show(owner, approval)).json();
    expect(shown.bindingCode).toBeNull();
  });

  it("is not there for anybody else, answered or not", async () => {
    const stranger = await a.visit();
    const approval = await asked();
    for (const answer of [a.show(stranger, approval), a.answer(stranger, approval, { decision: "approve" })])
      expect(await refusalOf(await answer)).toEqual({ status: 404, error: "not_found" });
    expect(await statusOf(approval)).toBe("pending");
  });
});

describe("POST /approvals/{id}/decision (product decision D2)", () => {
  it.each(["approve", "allow"])("says yes by %s", async (decision) => {
    const approval = await asked();
    const response = await a.answer(owner, approval, { decision });
    expect(await response.json()).toEqual({ id: approval.id, status: "approved" });
    expect(await findApproval(s.t.ctx, approval.id)).toMatchObject({
      status: "approved",
      decidedBy: `user:${owner.person.user.id}`,
    });
  });

  it("says no with a reason", async () => {
    const approval = await asked();
    const response = await a.answer(owner, approval, { decision: "deny", reason: "ask on Monday" });
    expect(await response.json()).toEqual({ id: approval.id, status: "denied" });
    expect((await findApproval(s.t.ctx, approval.id))?.reason).toBe("ask on Monday");
  });

  it("a second answer is 409, whatever it says", async () => {
    const approval = await asked();
    await a.answer(owner, approval, { decision: "deny" });
    const again = await a.answer(owner, approval, { decision: "approve" });
    expect(await refusalOf(again)).toEqual({ status: 409, error: "conflict" });
    expect(await statusOf(approval)).toBe("denied");
  });

  it("of ten answers at once one stands", async () => {
    const approval = await asked();
    const admins = await Promise.all(Array.from({ length: 5 }, () => a.visit("admin")));
    const answers = await Promise.all(
      admins.flatMap((by) =>
        ["approve", "deny"].map((decision) => a.answer(by, approval, { decision }).then((r) => r.status)),
      ),
    );
    expect(answers.sort()).toEqual([200, ...Array(9).fill(409)]);
  });

  it("after the time is over is 409, and says why", async () => {
    const later = await publicServer();
    const acts = actsOf(later);
    const eve = await acts.visit();
    const approval = await acts.ask(await acts.agentOf(eve));
    later.t.advance(301);
    const response = await acts.answer(eve, approval, { decision: "approve" });
    expect(await response.json()).toMatchObject({
      status: 409,
      detail: "This question has expired: nobody answered in time.",
    });
    await expireLapsed(later.t.ctx);
  });

  it("needs the number where the page asks for it, and three wrong ones are a no", async () => {
    const approval = await asked({ matchNumber: true });
    const wrong = approval.bindingCode === "10" ? "11" : "10";
    const guess = (number: string) => a.answer(owner, approval, { decision: "approve", number });
    expect(await refusalOf(await guess(wrong))).toEqual({ status: 422, error: "validation_failed" });
    expect((await guess(wrong)).status).toBe(422);
    expect((await (await guess(wrong)).json()).status).toBe("denied");
    const other = await asked({ matchNumber: true });
    const right = await a.answer(owner, other, { decision: "approve", number: other.bindingCode });
    expect((await right.json()).status).toBe("approved");
  });

  it.each([
    ["a decision of another name", { decision: "maybe" }],
    ["a reason that hides something", { decision: "deny", reason: "a‮b" }],
    ["a reason of 501 characters", { decision: "deny", reason: "x".repeat(501) }],
    ["members of consents", { decision: "approve", scope: [] }],
    ["a no with bounds", { decision: "deny", standing: { uses: 1, days: 1 } }],
    ["too many uses", { decision: "approve", standing: { uses: 101, days: 1 } }],
    ["too many days", { decision: "approve", standing: { uses: 1, days: 31 } }],
  ])("refuses %s with 422", async (_, body) => {
    const approval = await asked();
    expect((await a.answer(owner, approval, body)).status).toBe(422);
    expect(await statusOf(approval)).toBe("pending");
  });
});

describe("several approvers", () => {
  const three = async () => Promise.all([a.visit(), a.visit(), a.visit()]);
  const ids = (people: readonly Visitor[]) => people.map(({ person }) => person.user.id);

  it("two of three: the second yes decides, and nobody counts twice", async () => {
    const people = await three();
    const [ada, bob, cleo] = people;
    if (!ada || !bob || !cleo) throw new Error("three came");
    const act = await a.resource({ approval: "required", approvers: ids(people), quorum: 2 });
    const approval = await asked({ act });
    const yes = async (by: Visitor) => (await a.answer(by, approval, { decision: "approve" })).json();
    expect((await yes(ada)).status).toBe("pending");
    expect(await refusalOf(await a.answer(ada, approval, { decision: "approve" }))).toEqual({
      status: 409,
      error: "conflict",
    });
    expect((await (await a.show(bob, approval)).json()).shown.approvedBy).toEqual([ada.person.user.email]);
    expect((await yes(bob)).status).toBe("approved");
    expect((await a.answer(cleo, approval, { decision: "deny" })).status).toBe(409);
    expect(await listDecisions(s.t.ctx, approval.id)).toHaveLength(2);
  });

  it("one no of three refuses it", async () => {
    const people = await three();
    const [ada, bob] = people;
    if (!ada || !bob) throw new Error("three came");
    const approval = await asked({ act: await a.resource({ approvers: ids(people), quorum: 2 }) });
    await a.answer(ada, approval, { decision: "approve" });
    expect((await (await a.answer(bob, approval, { decision: "deny" })).json()).status).toBe("denied");
  });

  it("who is named decides, and the owner of the agent then does not", async () => {
    const people = await three();
    const approval = await asked({ act: await a.resource({ approvers: ids(people) }) });
    expect((await a.answer(owner, approval, { decision: "approve" })).status).toBe(404);
  });

  it("a group decides by whoever is in it now", async () => {
    const bob = await a.visit();
    const approval = await asked({ act: await a.resource({ approvers: ["group:finance"] }) });
    expect((await a.answer(bob, approval, { decision: "approve" })).status).toBe(404);
    const { id } = bob.person.user;
    const moved = await s.c.json(`/users/${id}`, { groups: ["finance"] }, s.operator, "PATCH");
    expect(await moved.json()).toMatchObject({ id, groups: ["finance"], role: "member" });
    expect((await (await a.answer(bob, approval, { decision: "approve" })).json()).status).toBe("approved");
  });

  it("four eyes: neither the owner nor the person on whose behalf, admin or not", async () => {
    const admin = await a.visit("admin");
    const client = await a.agentOf(admin);
    const act = await a.resource({ four_eyes: true });
    const approval = await a.ask(client, { act: { ...act, subject: `user:${owner.person.user.id}` } });
    for (const by of [admin, owner])
      expect((await a.answer(by, approval, { decision: "approve" })).status).toBe(404);
    const other = await a.visit("approver");
    expect((await (await a.answer(other, approval, { decision: "approve" })).json()).status).toBe("approved");
  });
});

describe("high risk (product decision D30)", () => {
  const risky = async (by: Visitor) =>
    a.ask(await a.agentOf(by), { act: await a.resource({ risk: "high" }) });

  it("is signed with a passkey, which signs what was shown, and the proof is kept", async () => {
    const p = passkeysOf(s.t, s.c);
    const ada = await p.visit();
    const passkey = await p.enrol(ada);
    const approval = await risky(ada);
    const { digest_to_sign, shown } = await (await a.show(ada, approval)).json();
    const request = await (await a.options(ada, approval, digest_to_sign)).json();
    const response = await a.answer(ada, approval, {
      decision: "approve",
      credential: passkey.get(request),
    });
    expect((await response.json()).status).toBe("approved");
    const [decision] = await listDecisions(s.t.ctx, approval.id);
    const user = `user:${ada.person.user.id}`;
    const [event] = await s.t.ctx.db
      .select()
      .from(events)
      .where(and(eq(events.subject, `approval:${approval.id}`), eq(events.type, "approval.approved")));
    expect(event?.data.proof).toEqual(decision?.proof);
    const statement = { issuer: "https://auth.example.com", user, approvalId: approval.id };
    expect(
      verifyProofOffline(event?.data.proof, { ...statement, decision: "approved", shown }),
    ).toMatchObject({
      ok: true,
    });
  });

  it("without the passkey that the person has is refused, and says how fresh (RFC 9470 §3)", async () => {
    const p = passkeysOf(s.t, s.c);
    const ada = await p.visit();
    await p.enrol(ada);
    const approval = await risky(ada);
    const response = await a.answer(ada, approval, { decision: "approve" });
    expect([response.status, response.headers.get("www-authenticate")]).toEqual([
      401,
      expect.stringContaining('max_age="0"'),
    ]);
    expect(await statusOf(approval)).toBe("pending");
    // No needs no more than being there.
    expect((await (await a.answer(ada, approval, { decision: "deny" })).json()).status).toBe("denied");
  });

  it("a signature of what the page showed before is refused: somebody else said yes meanwhile", async () => {
    const p = passkeysOf(s.t, s.c);
    const [ada, bob] = [await p.visit(), await a.visit("admin")];
    const passkey = await p.enrol(ada);
    const approval = await a.ask(await a.agentOf(ada), {
      act: await a.resource({ risk: "high", quorum: 2 }),
    });
    const { digest_to_sign } = await (await a.show(ada, approval)).json();
    const signed = passkey.get(await (await a.options(ada, approval, digest_to_sign)).json());
    await a.answer(bob, approval, { decision: "approve" });
    expect((await a.options(ada, approval, digest_to_sign)).status).toBe(409);
    const stale = await a.answer(ada, approval, { decision: "approve", credential: signed });
    expect(await refusalOf(stale)).toEqual({ status: 400, error: "invalid_request" });
  });
});

describe("the form of the page", () => {
  it("says yes, says no with a reason in one line, and leads back to the page", async () => {
    const [yes, no] = [await asked(), await asked()];
    const done = await a.press(owner, yes, { decision: "approve" });
    expect([done.status, done.headers.get("location")]).toEqual([303, `/approve/${yes.id}`]);
    expect(await statusOf(yes)).toBe("approved");
    await a.press(owner, no, { decision: "deny", reason: "  not\nthis‮ one " });
    expect((await findApproval(s.t.ctx, no.id))?.reason).not.toMatch(/[\n‮]/);
    expect(await statusOf(no)).toBe("denied");
  });

  it("leads back with what was wrong", async () => {
    const approval = await asked({ matchNumber: true });
    const wrong = approval.bindingCode === "10" ? "11" : "10";
    const pressed = await a.press(owner, approval, { decision: "approve", number: wrong });
    expect(pressed.headers.get("location")).toBe(`/approve/${approval.id}?problem=number`);
  });

  it("stops the agent of its owner and of an admin, and no other", async () => {
    const client = await a.agentOf(owner);
    const [one, other] = [await a.ask(client), await a.ask(client)];
    const approver = await a.visit("approver");
    expect((await a.press(approver, one, { decision: "stop" })).status).toBe(403);
    expect(await statusOf(one)).toBe("pending");
    await a.press(owner, one, { decision: "stop" });
    expect(await statusOf(one)).toBe("denied");
    const agent = await s.c.call(`/agents/${client.clientId}`, { headers: s.operator });
    expect((await agent.json()).status).toBe("frozen");
    // Frozen already is what was wanted.
    expect((await a.press(owner, other, { decision: "stop" })).status).toBe(303);
  });
});
