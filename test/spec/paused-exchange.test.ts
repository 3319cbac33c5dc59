import { decodeJwt } from "jose";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { GRANT_TYPES } from "@/lib/oauth/token-types";
import { findApproval } from "@/lib/services/approvals";
import { type Connection, connect, type Person } from "@/test/support/client";
import { type TestContext, testContext } from "@/test/support/context";
import { delegation, type TestAgent } from "@/test/support/delegation";
import { bankOf, waiting } from "@/test/support/waiting";

let t: TestContext;
let c: Connection;
let d: ReturnType<typeof delegation>;
let w: ReturnType<typeof waiting>;
let bank: string;
let approver: Person;

beforeAll(async () => {
  t = await testContext();
  c = connect(t);
  d = delegation(c);
  w = waiting(t, c);
  bank = await bankOf(t);
  approver = await c.signIn("approver");
});

const SCOPES = ["balance:read", "payments:send"];

describe("a chain that stops in the middle for a person (RFC 8693 §2.1, issue 4)", () => {
  let a: TestAgent;
  let b: TestAgent;
  let last: TestAgent;
  let tokens: string[];

  beforeEach(async () => {
    [a, b, last] = [
      await d.createAgent(SCOPES),
      await d.createAgent(SCOPES),
      await d.createAgent(SCOPES),
    ];
    const person = await c.signIn();
    const app = await c.registerConfidential({
      scope: SCOPES.join(" "),
      grant_types: ["authorization_code", GRANT_TYPES.tokenExchange],
    });
    const { access_token } = await c.tokensFor(app, { resource: bank, scope: SCOPES.join(" ") }, { person });
    const started = await d.exchanged(app, access_token, { audience: a.clientId });
    const second = await d.exchanged(a, started.access_token, { audience: b.clientId });
    const third = await d.exchanged(b, second.access_token, { audience: last.clientId });
    tokens = [started, second, third].map((each) => each.access_token);
  });

  it("smoke", async () => {
    const paused = await d.exchange(last, tokens.at(-1) ?? "", { resource: bank, binding_message: "Rent" });
    const body = await paused.json();
    console.log(paused.status, body);
    const approval = await findApproval(t.ctx, w.approvalOf(body.auth_req_id));
    console.log(JSON.stringify(approval, null, 1));
    console.log(await w.answer(w.approvalOf(body.auth_req_id), approver));
    const after = await w.poll(last, body.auth_req_id);
    const tok = await after.json();
    console.log(after.status, tok, tok.access_token && decodeJwt(tok.access_token));
  });
});
