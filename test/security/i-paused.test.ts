import { decodeJwt } from "jose";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  type Connection,
  connect,
  newBrowser,
  type Person,
  refusalOf,
  tokensOf,
} from "@/test/support/client";
import { type TestContext, twoInstances } from "@/test/support/context";
import { delegation, type TestAgent } from "@/test/support/delegation";
import { denialsOf } from "@/test/support/denials";
import { keyHolder } from "@/test/support/dpop";
import { bankOf, CIBA, waiting } from "@/test/support/waiting";

let t: TestContext;
let c: Connection;
let elsewhere: Connection;
let d: ReturnType<typeof delegation>;
let w: ReturnType<typeof waiting>;
let bank: string;
let approver: Person;
let admin: Person;
let first: TestAgent;
let agent: TestAgent;
/** What the agent was handed by the first. */
let held: string;

const SCOPES = ["balance:read", "payments:send"];
const ENV = { AUTHGENT_TOKEN_RATE_LIMIT: "100000", AUTHGENT_REGISTER_RATE_LIMIT: "1000" };

beforeAll(async () => {
  const [one, two, close] = await twoInstances({ env: ENV });
  t = one;
  c = connect(one);
  elsewhere = connect(two);
  d = delegation(c);
  w = waiting(t, c);
  bank = await bankOf(t);
  approver = await c.signIn("approver");
  admin = await c.signIn("admin");
  return close;
});

beforeEach(async () => {
  [first, agent] = [await d.createAgent(SCOPES), await d.createAgent(SCOPES)];
  const own = await d.ownToken(first);
  held = (await d.exchanged(first, own, { audience: agent.clientId })).access_token;
});

const pay = (more: Record<string, string> = {}) =>
  d.exchange(agent, held, { resource: bank, scope: "payments:send", ...more });

/** A request that a person said yes to. */
async function approved(): Promise<{ auth_req_id: string; stepup_id: string }> {
  const { auth_req_id, stepup_id } = await (await pay()).json();
  expect(await w.answer(stepup_id, approver)).toBe("approved");
  return { auth_req_id, stepup_id };
}

const refused = (error: string) => ({ status: 400, error });

describe("a request that waits belongs to its client alone (security case 165)", () => {
  it("another client's handle is none, before and after the yes", async () => {
    const other = await d.createAgent(SCOPES);
    const { auth_req_id } = await approved();
    expect(await refusalOf(await w.poll(other, auth_req_id))).toEqual(refused("invalid_grant"));
    await tokensOf(await w.poll(agent, auth_req_id));
  });

  it("the id that people and notifications see is no handle", async () => {
    const { stepup_id } = await approved();
    expect(await refusalOf(await w.poll(agent, stepup_id))).toEqual(refused("invalid_grant"));
    const forged = `${stepup_id}.${"A".repeat(43)}`;
    expect(await refusalOf(await w.poll(agent, forged))).toEqual(refused("invalid_grant"));
  });

  it("without the secret there is nothing to poll with", async () => {
    const { auth_req_id } = await approved();
    const form = { grant_type: CIBA, auth_req_id, client_id: agent.clientId };
    expect((await c.form("/token", form)).status).toBe(401);
  });

  it("another key gets nothing, and slows nobody down", async () => {
    const [holder, thief] = [await keyHolder({ t, c }), await keyHolder({ t, c })];
    const grant_type = "client_credentials";
    const asked = { grant_type, resource: bank, scope: "payments:send" };
    const { auth_req_id, stepup_id } = await (await holder.token(agent, asked)).json();
    await w.answer(stepup_id, approver);
    const poll = { grant_type: CIBA, auth_req_id };
    expect(await refusalOf(await thief.token(agent, poll))).toEqual(refused("invalid_grant"));
    expect(await refusalOf(await c.token(agent, poll))).toEqual(refused("invalid_dpop_proof"));
    const { access_token } = await tokensOf(await holder.token(agent, poll));
    expect(decodeJwt(access_token).cnf).toEqual({ jkt: holder.jkt });
  });
});

describe("a yes is good for one use", () => {
  it("a second poll gets nothing", async () => {
    const { auth_req_id } = await approved();
    await tokensOf(await w.poll(agent, auth_req_id));
    t.advance(6);
    expect(await refusalOf(await w.poll(agent, auth_req_id))).toEqual(refused("invalid_grant"));
  });

  it("of fifty polls at once, on two instances, one gets the token", async () => {
    const { auth_req_id, stepup_id } = await approved();
    const form = { grant_type: CIBA, auth_req_id };
    const polls = Array.from({ length: 50 }, (_, place) => (place % 2 ? c : elsewhere).token(agent, form));
    const statuses = (await Promise.all(polls)).map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(1);
    expect(await w.tokensOfApproval(stepup_id)).toBe(1);
  });

  it("of ten times the same request at once, on two instances, a person is asked once", async () => {
    const form = { grant_type: "client_credentials", resource: bank, scope: "payments:send" };
    const asked = Array.from({ length: 10 }, (_, place) => (place % 2 ? c : elsewhere).token(agent, form));
    const bodies = await Promise.all((await Promise.all(asked)).map((response) => response.json()));
    expect(new Set(bodies.map(({ auth_req_id }) => auth_req_id)).size).toBe(1);
  });

  it("what one instance asked, another gets the answer to", async () => {
    const { auth_req_id } = await approved();
    await tokensOf(await elsewhere.token(agent, { grant_type: CIBA, auth_req_id }));
  });
});

describe("everything is judged anew after the yes", () => {
  it("a subject token that was revoked meanwhile gives nothing", async () => {
    const { auth_req_id, stepup_id } = await approved();
    await c.form("/revoke", { token: held }, basicOf(first));
    expect(await refusalOf(await w.poll(agent, auth_req_id))).toEqual(refused("invalid_request"));
    expect(await w.tokensOfApproval(stepup_id)).toBe(0);
  });

  it("nor does one whose first agent was stopped", async () => {
    const { auth_req_id } = await approved();
    await stop(first);
    expect(await refusalOf(await w.poll(agent, auth_req_id))).toEqual(refused("invalid_request"));
  });

  it("nor does an agent that was stopped itself", async () => {
    const { auth_req_id, stepup_id } = await approved();
    await stop(agent);
    expect((await w.poll(agent, auth_req_id)).status).toBe(401);
    expect(await w.tokensOfApproval(stepup_id)).toBe(0);
  });

  it("an agent whose registration was narrowed gets less than was approved: nothing", async () => {
    const { auth_req_id, stepup_id } = await approved();
    await c.json(`/agents/${agent.id}`, { allowed_scopes: ["balance:read"] }, asAdmin(), "PATCH");
    t.advance(2);
    const { status } = await w.poll(agent, auth_req_id);
    expect(status).toBe(400);
    expect(await w.tokensOfApproval(stepup_id)).toBe(0);
  });

  it("what comes to something else than was approved is none of it", async () => {
    // Without scope: whatever both have, which is less by then.
    const { auth_req_id, stepup_id } = await (await pay({ scope: "" })).json();
    await w.answer(stepup_id, approver);
    await c.json(`/agents/${agent.id}`, { allowed_scopes: ["payments:send"] }, asAdmin(), "PATCH");
    t.advance(2);
    expect(await refusalOf(await w.poll(agent, auth_req_id))).toEqual(refused("invalid_grant"));
    expect(await w.tokensOfApproval(stepup_id)).toBe(0);
  });
});

describe("what is kept and what is told", () => {
  it("the request is sealed, without the client's secret", async () => {
    await pay({ client_id: agent.clientId, client_secret: agent.secret ?? "" }).catch(() => undefined);
    const { stepup_id } = await (await pay()).json();
    const sealed = await w.sealedRequest(stepup_id);
    expect(sealed).toMatch(/^[\w-]+\.\.[\w-]+\.[\w-]+\.[\w-]+$/);
    expect(sealed).not.toContain(held.slice(0, 20));
  });

  it("no denial is written for each poll", async () => {
    const { auth_req_id } = await (await pay()).json();
    await w.poll(agent, auth_req_id);
    await w.poll(agent, auth_req_id);
    expect(await denialsOf(t, agent)).toEqual([]);
  });

  it("a message that is no plain text is refused", async () => {
    expect(await refusalOf(await pay({ binding_message: "a\u202eb" }))).toEqual(
      refused("invalid_binding_message"),
    );
    expect(await refusalOf(await pay({ binding_message: "a".repeat(201) }))).toEqual(
      refused("invalid_binding_message"),
    );
  });

  it("an agent can have only so many questions waiting (security case 167)", async () => {
    for (const scope of ["payments:send", "payments:send balance:read"]) await pay({ scope });
    const asked = { grant_type: "client_credentials", resource: bank };
    for (const scope of ["payments:send", "payments:send balance:read"])
      await c.token(agent, { ...asked, scope });
    const other = await bankOf(t);
    expect((await c.token(agent, { ...asked, resource: other })).status).toBe(400);
    expect((await c.token(agent, { ...asked, resource: other, scope: "payments:send" })).status).toBe(429);
  });
});

const basicOf = ({ clientId, secret = "" }: TestAgent) => ({
  authorization: `Basic ${btoa(`${clientId}:${secret}`)}`,
});

const asAdmin = () => ({
  ...c.cookies({ person: admin, browser: newBrowser() }),
  origin: "http://localhost:8000",
});

const stop = (which: TestAgent) => c.json(`/agents/${which.id}`, {}, asAdmin(), "DELETE");
