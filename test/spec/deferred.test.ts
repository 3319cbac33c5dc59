import { decodeJwt } from "jose";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { handleOf } from "@/lib/services/approval-handles";
import { type Connection, connect, type Person, refusalOf, tokensOf } from "@/test/support/client";
import { type TestContext, testContext } from "@/test/support/context";
import { delegation, type TestAgent } from "@/test/support/delegation";
import { keyHolder } from "@/test/support/dpop";
import { bankOf, DEFERRED, waiting } from "@/test/support/waiting";

let t: TestContext;
let c: Connection;
let w: ReturnType<typeof waiting>;
let bank: string;
let agent: TestAgent;
let approver: Person;

beforeAll(async () => {
  t = await testContext({
    env: { AUTHGENT_TOKEN_RATE_LIMIT: "100000", AUTHGENT_REGISTER_RATE_LIMIT: "1000" },
  });
  c = connect(t);
  w = waiting(t, c);
  bank = await bankOf(t);
  approver = await c.signIn("approver");
});

beforeEach(async () => {
  agent = await delegation(c).createAgent(["balance:read", "payments:send"]);
});

const request = (more: Record<string, string> = {}) => ({
  grant_type: "client_credentials",
  resource: bank,
  scope: "payments:send",
  completion_mode: "deferred",
  ...more,
});

/** A deferred request: its code, and the id of what a person reads. */
async function deferred(): Promise<{ code: string; id: string }> {
  const { deferral_code: code } = await (await c.token(agent, request())).json();
  return { code, id: code.split(".")[0] };
}

const refused = (error: string) => ({ status: 400, error });

describe("a deferred token response (draft-ietf-oauth-deferred-token-response-00)", () => {
  it("§3.1: is what a client gets that opted in", async () => {
    const response = await c.token(agent, request());
    expect(response.status).toBe(400);
    const { error_description: _, error_uri: __, ...body } = await response.json();
    expect(body).toEqual({
      error: "authorization_pending",
      deferral_code: expect.stringMatching(/^[\w-]{22}\.[\w-]{43}$/),
      expires_in: expect.any(Number),
      interval: 5,
      binding_code: expect.stringMatching(/^\d{2}$/),
    });
  });

  it("§3.1: no others are deferred", async () => {
    const response = await c.token(agent, request({ completion_mode: "" }));
    expect(await refusalOf(response)).toEqual(refused("interaction_required"));
  });

  it("§3.1: nothing is deferred that nobody has to approve", async () => {
    const { scope } = await tokensOf(await c.token(agent, request({ scope: "balance:read" })));
    expect(scope).toBe("balance:read");
  });

  it("§3.2: polled until the yes, it is what the request would have been", async () => {
    const { code, id } = await deferred();
    expect(await refusalOf(await w.pollDeferred(agent, code))).toEqual(refused("authorization_pending"));
    await w.answer(id, approver);
    t.advance(6);
    const { access_token, scope, token_type } = await tokensOf(await w.pollDeferred(agent, code));
    expect([scope, token_type]).toEqual(["payments:send", "Bearer"]);
    expect(decodeJwt(access_token)).toMatchObject({ aud: bank, sub: `client:${agent.clientId}` });
  });

  it("§3.2: polled too fast, the interval grows by five seconds", async () => {
    const { code } = await deferred();
    await w.pollDeferred(agent, code);
    const response = await w.pollDeferred(agent, code);
    expect(await response.json()).toMatchObject({ error: "slow_down", interval: 10 });
    t.advance(9);
    expect(await (await w.pollDeferred(agent, code)).json()).toMatchObject({
      error: "slow_down",
      interval: 15,
    });
  });

  it("§3.2: a no is final", async () => {
    const { code, id } = await deferred();
    await w.answer(id, approver, "denied");
    expect(await refusalOf(await w.pollDeferred(agent, code))).toEqual(refused("access_denied"));
  });

  it("§3.2: without an answer it expires", async () => {
    const { code } = await deferred();
    t.advance(301);
    expect(await refusalOf(await w.pollDeferred(agent, code))).toEqual(refused("expired_token"));
  });

  it("§3.2: a yes that nobody uses within five minutes is none any more", async () => {
    const { code, id } = await deferred();
    await w.answer(id, approver);
    t.advance(301);
    expect(await refusalOf(await w.pollDeferred(agent, code))).toEqual(refused("expired_token"));
  });

  it("§3.2: is not asked for by a code of another kind", async () => {
    const { id } = await deferred();
    const other = handleOf(t.ctx, id, "auth_req_id");
    expect(await refusalOf(await w.pollDeferred(agent, other))).toEqual(refused("invalid_grant"));
  });

  it("§3.3: is bound to the key that the request proved", async () => {
    const [holder, other] = [await keyHolder({ t, c }), await keyHolder({ t, c })];
    const { deferral_code } = await (await holder.token(agent, request())).json();
    await w.answer(deferral_code.split(".")[0], approver);
    const poll = { grant_type: DEFERRED, deferral_code };
    expect(await refusalOf(await c.token(agent, poll))).toEqual(refused("invalid_dpop_proof"));
    expect(await refusalOf(await other.token(agent, poll))).toEqual(refused("invalid_grant"));
    const { access_token, token_type } = await tokensOf(await holder.token(agent, poll));
    expect([token_type, decodeJwt(access_token).cnf]).toEqual(["DPoP", { jkt: holder.jkt }]);
  });

  it("§4: the metadata says so", async () => {
    const metadata = await (await c.call("/.well-known/oauth-authorization-server")).json();
    expect(metadata.deferred_token_response_supported).toBe(true);
    expect(metadata.grant_types_supported).toContain(DEFERRED);
  });

  it("RFC 7240 §4.3: waits for the answer where the client prefers that, and gives it when it comes", async () => {
    const { code, id } = await deferred();
    const form = new URLSearchParams({ grant_type: DEFERRED, deferral_code: code });
    const credentials = btoa(`${agent.clientId}:${agent.secret}`);
    const waits = c.call("/token", {
      method: "POST",
      body: form,
      headers: { authorization: `Basic ${credentials}`, prefer: "wait=20" },
    });
    await expect.poll(() => t.ctx.waiting.size).toBe(1);
    await w.answer(id, approver);
    await t.settled();
    expect((await tokensOf(await waits)).scope).toBe("payments:send");
  });
});
