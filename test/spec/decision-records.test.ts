import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { CommandError } from "@/cli/command";
import { verifyDecision } from "@/cli/commands/verify-decision";
import { questionOf } from "@/lib/http/act-decision";
import { type DecisionRecords, verifyRecord } from "@/lib/oauth/decision-record";
import { requestAct } from "@/lib/services/acts";
import { createAgent } from "@/lib/services/agents";
import { decideAct } from "@/lib/services/approval-decisions";
import { pruneApprovals } from "@/lib/services/approvals";
import { findClient } from "@/lib/services/clients";
import { createResource } from "@/lib/services/resources";
import { assertionOptions, digestShown, verifyDecisionAssertion } from "@/lib/services/signed-decisions";
import { ADMIN_KEY, connect } from "@/test/support/client";
import { testContext, unique } from "@/test/support/context";
import { passkeysOf } from "@/test/support/passkeys";

/** A payment that its owner approved by passkey, and what the operator takes home of it. */
async function signedApproval() {
  const t = await testContext({ env: { AUTHGENT_ADMIN_API_KEY: ADMIN_KEY } });
  const c = connect(t);
  const p = passkeysOf(t, c);
  const ada = await p.visit();
  const authenticator = await p.enrol(ada);
  const resource = `https://${unique("bank-")}.example`;
  await createResource(
    t.ctx,
    {
      ...{ resource, name: "Bank", aliases: [], introspectionClients: [], authorizationDetailsTypes: [] },
      scopes: [{ name: "pay", description: "Pay your bills", risk: "high", approval: "required" }],
      dpopBoundAccessTokensRequired: false,
    },
    "test",
  );
  const { agent } = await createAgent(
    t.ctx,
    { name: "payer", scope: ["pay"] },
    {
      actor: `user:${ada.person.user.id}`,
      userId: ada.person.user.id,
      isOperator: false,
      address: "127.0.0.1",
    },
  );
  const client = await findClient(t.ctx, agent.clientId);
  if (!client) throw new Error("just registered");
  const approval = await requestAct(t.ctx, {
    kind: "step_up",
    client,
    act: {
      subject: `client:${agent.clientId}`,
      ...{ actors: [], resource, scope: ["pay"], chain: [], said: {}, address: "127.0.0.1" },
    },
  });
  const by = await p.signedIn(ada);
  const person = { by, browser: ada.browser };
  const question = await questionOf(t.ctx, approval, "approved");
  const options = await assertionOptions(t.ctx, person, {
    question,
    digest: digestShown(t.ctx, person, question),
  });
  const { id, response } = authenticator.get({ ...options, rpId: options.rpId ?? "" });
  const assertion = {
    id,
    clientDataJson: response.clientDataJSON,
    authenticatorData: response.authenticatorData,
    signature: response.signature,
  };
  const proof = await verifyDecisionAssertion(t.ctx, person, { question, assertion });
  expect(await decideAct(t.ctx, { id: approval.id, by, decision: "approved", proof })).toMatchObject({
    outcome: "approved",
  });
  const path = `/approvals/${approval.id}/decisions`;
  const records = async (): Promise<DecisionRecords> =>
    (await c.call(path, { headers: { "x-admin-key": ADMIN_KEY } })).json();
  return { t, c, ada, approval, path, records };
}

describe("who answered, proven without the server (WebAuthn Level 3 §7.2)", () => {
  it("a signature proves the person, what they were shown and what was to run, also when the question is long gone", async () => {
    const { t, approval, records } = await signedApproval();
    t.advance(3 * 86_400);
    await pruneApprovals(t.ctx);
    const kept = await records();
    expect(kept.decisions.map(({ user, decision, digest }) => [user, decision, digest])).toEqual([
      [approval.ownerId && `user:${approval.ownerId}`, "approved", approval.digest],
    ]);
    for (const record of kept.decisions)
      expect(verifyRecord(kept, record)).toMatchObject({
        ok: true,
        proven: { sentence: "payer wants to pay your bills" },
      });
  });

  it("is not proven of another act, another person, another question, another passkey, or by the sign-in alone", async () => {
    const kept = await (await signedApproval()).records();
    const [record] = kept.decisions;
    if (!record) throw new Error("one was made");
    const changed = [
      [kept, { ...record, digest: "another" }],
      [kept, { ...record, user: "user:somebody" }],
      [kept, { ...record, decision: "denied" as const }],
      [{ ...kept, approval_id: "another" }, record],
      [{ ...kept, issuer: "https://other.example" }, record],
      [kept, { ...record, passkey: null }],
      [kept, { ...record, passkey: record.passkey && { ...record.passkey, thumbprint: "another" } }],
      [kept, { ...record, proof: null }],
    ] as const;
    expect(changed.map(([records, one]) => verifyRecord(records, one).ok)).toEqual(changed.map(() => false));
  });

  it("is told to the operator and to those who may answer, and to nobody else", async () => {
    const { c, ada, path } = await signedApproval();
    const statusFor = async (headers: Record<string, string>) => (await c.call(path, { headers })).status;
    expect(await statusFor({})).toBe(401);
    expect(await statusFor(c.cookies(ada))).toBe(200);
    expect(await statusFor(c.cookies({ person: await c.signIn() }))).toBe(403);
    expect(await statusFor(c.cookies({ person: await c.signIn("admin") }))).toBe(200);
  });
});

describe("authgent verify-decision", () => {
  const run = async (records: unknown, issuer?: string) => {
    const file = join(await mkdtemp(join(tmpdir(), "authgent-decisions-")), "decisions.json");
    await writeFile(file, JSON.stringify(records));
    return verifyDecision.run({ file, issuer }).then(
      (report) => [0, report],
      ({ message, exitCode }: CommandError) => [exitCode, message],
    );
  };

  it("says what is proven, and what was shown", async () => {
    const { approval, records, t } = await signedApproval();
    const kept = await records();
    expect(await run(kept, t.ctx.settings.serverUrl)).toEqual([
      0,
      [
        `Question ${approval.id}, asked by ${t.ctx.settings.serverUrl}.`,
        `user:${approval.ownerId} approved on ${kept.decisions[0]?.decided_at}: proven`,
        "  shown: payer wants to pay your bills",
      ].join("\n"),
    ]);
  });

  it("exits with 1 for what is not proven or was asked by another server, and with 2 for what it cannot read", async () => {
    const kept = await (await signedApproval()).records();
    const changed = {
      ...kept,
      decisions: kept.decisions.map((record) => ({ ...record, digest: "another" })),
    };
    const [code, report] = await run(changed);
    expect([code, String(report).split("\n").at(-1)]).toEqual([
      1,
      "  What was shown is not what was to run.",
    ]);
    expect((await run(kept, "https://other.example"))[0]).toBe(1);
    expect((await run({ decisions: [] }))[0]).toBe(2);
  });
});
