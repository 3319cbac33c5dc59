import { and, eq, like } from "drizzle-orm";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { events } from "@/db/schema/events";
import { standingPurpose } from "@/lib/http/act-form";
import type { ActApproval } from "@/lib/services/approvals";
import { consumeApproval, findApproval } from "@/lib/services/approvals";
import type { Client } from "@/lib/services/clients";
import { listStandingApprovals } from "@/lib/services/standing-approvals";
import { actsOf } from "@/test/support/acts";
import { basic, refusalOf, tokensOf } from "@/test/support/client";
import { unique } from "@/test/support/context";
import type { Visitor } from "@/test/support/passkeys";
import { type PublicServer, publicServer } from "@/test/support/public-server";
import { waiting } from "@/test/support/waiting";

let s: PublicServer;
let a: ReturnType<typeof actsOf>;
let owner: Visitor;
let bot: Client;
let act: { resource: string; scope: string[] };

const PAYMENT = {
  type: "payment",
  words: "Pay up to {amount} EUR to {payee}",
  risk: "medium",
  schema: {
    type: "object",
    properties: {
      amount: { type: "number", title: "Amount", narrowing: "at_most" },
      payee: { type: "string", title: "Payee" },
    },
    required: ["amount", "payee"],
    additionalProperties: false,
  },
};
const pay = (amount: number, payee = "ACME") => [{ type: "payment", amount, payee }];

beforeAll(async () => {
  s = await publicServer();
  a = actsOf(s);
});

beforeEach(async () => {
  owner = await a.visit();
  bot = await a.agentOf(owner);
  act = await a.resource({}, { authorization_details_types: [PAYMENT] });
});

/** Approves what the bot asks and allows it from now on. */
async function allow(changes: Parameters<typeof a.ask>[1] = {}, standing = { uses: 3, days: 7 }) {
  const approval = await a.ask(bot, { ...changes, act: { ...act, ...changes.act } });
  const response = await a.answer(owner, approval, { decision: "approve", standing });
  const body = await response.json();
  if (response.status !== 200) throw new Error(JSON.stringify(body));
  return { approval, id: String(body.standing_approval_id) };
}
const again = (changes: Parameters<typeof a.ask>[1] = {}): Promise<ActApproval> =>
  a.ask(bot, { ...changes, act: { ...act, ...changes.act } });
const mine = () => listStandingApprovals(s.t.ctx, owner.person.user.id);

describe("what was allowed from now on", () => {
  it("answers the same question at once, without asking anybody, and the answer is used once", async () => {
    const { id } = await allow();
    const asked = await again();
    expect(asked).toMatchObject({ status: "approved", decidedBy: `standing:${id}` });
    expect(asked.expiresAt).toEqual(new Date(s.t.ctx.now().getTime() + 300_000));
    expect([await consumeApproval(s.t.ctx, asked.id), await consumeApproval(s.t.ctx, asked.id)]).toEqual([
      true,
      false,
    ]);
    expect(await mine()).toMatchObject([{ id, uses: 1, maxUses: 3 }]);
  });

  it("covers less and no more: a smaller amount, not a larger one, not another payee", async () => {
    await allow({ act: { authorizationDetails: pay(100) } });
    const statusOf = async (details: ReturnType<typeof pay>) =>
      (await again({ act: { authorizationDetails: details } })).status;
    expect(await statusOf(pay(50))).toBe("approved");
    expect(await statusOf(pay(101))).toBe("pending");
    expect(await statusOf(pay(50, "EVIL"))).toBe("pending");
    expect(await statusOf([...pay(50), ...pay(50)])).toBe("pending");
    expect((await again()).status).toBe("pending");
  });

  it.each<[string, Parameters<typeof again>[0]]>([
    ["another permission", { act: { scope: ["act", "more"] } }],
    ["another name for it", { act: { action: "transfer" } }],
    ["another subject", { act: { subject: "client:somebody" } }],
    ["another resource", { act: { resource: "https://other.example" } }],
    ["a chain of agents", { act: { actors: ["client:a", "client:b"] } }],
    ["a sign-in", { kind: "ciba" }],
    ["a number to match", { matchNumber: true }],
  ])("does not cover %s", async (_, changes) => {
    await allow();
    expect((await again(changes)).status).toBe("pending");
  });

  it("does not cover another agent of the same owner", async () => {
    await allow();
    const other = await a.agentOf(owner);
    const asked = await a.ask(other, { act: { ...act, subject: `client:${bot.clientId}` } });
    expect(asked.status).toBe("pending");
  });

  it("of fifty requests at once the three that are left are answered", async () => {
    await allow();
    const bots = Array.from({ length: 50 }, () =>
      again().then(
        ({ status }) => status,
        (error: { code: string }) => error.code,
      ),
    );
    const seen = await Promise.all(bots);
    expect(seen.filter((each) => each === "approved")).toHaveLength(3);
    expect(seen.filter((each) => each === "pending")).toHaveLength(5);
    expect(seen.filter((each) => each === "too_many_requests")).toHaveLength(42);
    expect(await mine()).toEqual([]);
  });

  it("ends after its days", async () => {
    const later = await publicServer();
    const acts = actsOf(later);
    await endsAfter(later, acts, { days: 2, advance: 2 * 86_400 });
  });

  it("ends after fourteen days without use", async () => {
    const later = await publicServer();
    const acts = actsOf(later);
    await endsAfter(later, acts, { days: 30, advance: 14 * 86_400 });
  });

  it("ends when the same is refused once", async () => {
    const { id } = await allow({ act: { authorizationDetails: pay(100) } });
    const larger = await again({ act: { authorizationDetails: pay(200) } });
    await a.answer(owner, larger, { decision: "deny" });
    expect((await again({ act: { authorizationDetails: pay(1) } })).status).toBe("pending");
    expect(await typesOf(id)).toEqual(["standing_approval.created", "standing_approval.revoked"]);
  });

  it("ends when its person may not decide any more", async () => {
    const approver = await a.visit("approver");
    const approval = await again();
    await a.answer(approver, approval, { decision: "approve", standing: { uses: 5, days: 5 } });
    expect((await again()).status).toBe("approved");
    await s.c.json(`/users/${approver.person.user.id}`, { role: "member" }, s.operator, "PATCH");
    expect((await again()).status).toBe("pending");
  });

  it("does not cover what became of high risk, or needs several people, since", async () => {
    await allow();
    const [known] = (await (await s.c.call("/resources", { headers: s.operator })).json()).items.filter(
      ({ resource }: { resource: string }) => resource === act.resource,
    );
    const scope = { name: "act", description: "Do it" };
    for (const rule of [{ risk: "high" }, { quorum: 2 }, { four_eyes: true }]) {
      const scopes = [{ ...scope, ...rule }];
      await s.c.json(`/resources/${known.id}`, { scopes }, s.operator, "PATCH");
      expect((await again()).status).toBe("pending");
    }
  });

  it("is stopped by its person, on their page, and by nobody else", async () => {
    const { id } = await allow();
    const eve = await a.visit();
    const stop = (from: Visitor) => s.c.post(`/me/standing-approvals/${id}/stop`, "account", {}, from);
    expect((await stop(eve)).headers.get("location")).toBe("/me?done=already-stopped");
    expect((await stop(owner)).headers.get("location")).toBe("/me?done=asked-again");
    expect((await again()).status).toBe("pending");
    expect(await mine()).toEqual([]);
  });
});

describe("an agent that asks over HTTP", () => {
  const standing = { decision: "approve", standing: { uses: 5, days: 5 } };

  it("by a step-up: the second one is approved when it is made, and has its token at once", async () => {
    const [service, admin] = [await s.createService({ scope: "act" }), await a.visit("admin")];
    const headers = basic(service);
    const body = { agent_id: service.clientId, action: "act", scope: "act", resource: act.resource };
    const ask = async () => (await s.c.json("/stepup", body, headers)).json();
    const first = await ask();
    expect(first.status).toBe("pending");
    expect((await a.answer(admin, first, standing)).status).toBe(200);
    const second = await ask();
    expect(second.status).toBe("approved");
    const { step_up_token: token } = await (await s.c.call(`/stepup/${second.id}`, { headers })).json();
    expect(await s.introspect(token)).toMatchObject({ active: true, scope: "act", aud: act.resource });
  });

  it("for a token that waits: the second one does not wait", async () => {
    const held = await a.resource({ approval: "required" });
    const [service, admin] = [await s.createService({ scope: "act" }), await a.visit("admin")];
    const w = waiting(s.t, s.c);
    const fields = { grant_type: "client_credentials", scope: "act", resource: held.resource };
    const { auth_req_id: first } = await (await s.c.token(service, fields)).json();
    expect((await a.answer(admin, { id: w.approvalOf(first) }, standing)).status).toBe(200);
    await tokensOf(await w.poll(service, first));
    const { access_token: token } = await tokensOf(await s.c.token(service, fields));
    expect(await s.isActive(token)).toBe(true);
  });
});

describe("allowing it", () => {
  it("is offered by the form of the page, once for one approval", async () => {
    const approval = await again();
    await a.answer(owner, approval, { decision: "approve" });
    const press = (fields: Record<string, string>) =>
      s.c.post(`/approve/${approval.id}/standing`, standingPurpose(approval.id), fields, owner);
    expect((await press({ uses: "0", days: "7" })).headers.get("location")).toContain("problem=bounds");
    for (const uses of ["10", "20"])
      expect((await press({ uses, days: "7" })).headers.get("location")).toBe(`/approve/${approval.id}`);
    expect(await mine()).toMatchObject([{ maxUses: 10, uses: 0 }]);
  });

  it("is not for who did not say yes, nor before they did", async () => {
    const approval = await again();
    const press = (from: Visitor) =>
      s.c.post(
        `/approve/${approval.id}/standing`,
        standingPurpose(approval.id),
        { uses: "1", days: "1" },
        from,
      );
    expect((await press(owner)).status).toBe(404);
    const admin = await a.visit("admin");
    await a.answer(admin, approval, { decision: "approve" });
    expect((await press(owner)).status).toBe(404);
    expect(await mine()).toEqual([]);
  });

  it.each<[string, Record<string, unknown>]>([
    ["high risk", { risk: "high" }],
    ["several people", { quorum: 2 }],
    ["four eyes", { four_eyes: true }],
  ])("is refused of what needs %s, and nothing is answered", async (_, rule) => {
    const admin = await a.visit("admin");
    const approval = await a.ask(bot, { act: await a.resource(rule) });
    const response = await a.answer(admin, approval, {
      decision: "approve",
      standing: { uses: 1, days: 1 },
    });
    expect(await refusalOf(response)).toEqual({ status: 422, error: "validation_failed" });
    expect((await findApproval(s.t.ctx, approval.id))?.status).toBe("pending");
  });

  it("is in the audit trail, as is each use", async () => {
    const { id } = await allow();
    await again();
    expect(await typesOf(id)).toEqual(["standing_approval.created", "standing_approval.used"]);
  });
});

async function typesOf(id: string): Promise<string[]> {
  const rows = await s.t.ctx.db
    .select()
    .from(events)
    .where(and(eq(events.subject, `standing:${id}`), like(events.type, "standing_approval.%")));
  return rows.map(({ type }) => type).sort();
}

async function endsAfter(
  later: PublicServer,
  acts: ReturnType<typeof actsOf>,
  { days, advance }: { days: number; advance: number },
) {
  const eve = await acts.visit();
  const client = await acts.agentOf(eve, unique("bot-"));
  const approval = await acts.ask(client);
  await acts.answer(eve, approval, { decision: "approve", standing: { uses: 9, days } });
  later.t.advance(advance - 1);
  expect((await acts.ask(client)).status).toBe("approved");
  later.t.advance(advance);
  expect((await acts.ask(client)).status).toBe("pending");
}
