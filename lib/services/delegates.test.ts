import { beforeAll, describe, expect, it } from "vitest";
import { GRANT_TYPES } from "@/lib/oauth/token-types";
import { connect } from "@/test/support/client";
import { type TestContext, testContext } from "@/test/support/context";
import { delegation, type TestAgent } from "@/test/support/delegation";
import { PAYMENT, param, pay } from "@/test/support/details-types";
import { publicServer } from "@/test/support/public-server";
import { listDelegates } from "./delegates";
import { listGrants } from "./grants";
import { stop } from "./kill-switch";

let t: TestContext;
let c: ReturnType<typeof connect>;
let d: ReturnType<typeof delegation>;
let [search, database]: TestAgent[] = [];

beforeAll(async () => {
  t = await testContext();
  c = connect(t);
  d = delegation(c);
  [search, database] = [await d.createAgent(["read"]), await d.createAgent(["read"])];
});

/** A person whose app handed work on to search, and search to database. */
async function handedOn() {
  if (!search || !database) throw new Error("made before");
  const app = await c.registerConfidential({
    grant_types: ["authorization_code", "urn:ietf:params:oauth:grant-type:token-exchange"],
    scope: "read",
  });
  const person = await c.signIn();
  const { access_token } = await c.tokensFor(app, { scope: "read" }, { person });
  const own = await d.exchanged(app, access_token, { audience: search.clientId });
  const next = await d.exchanged(search, own.access_token, { audience: database.clientId });
  await d.exchanged(database, next.access_token, { audience: "https://notes.example/mcp" });
  const [overview] = await listGrants(t.ctx, person.user.id);
  const id = overview?.grant.id ?? "";
  return async () =>
    ((await listDelegates(t.ctx, [id])).get(id) ?? []).map(({ clientId, place, scope }) => [
      clientId,
      place,
      scope,
    ]);
}

describe("whom an app handed work on to", () => {
  it("is told by agent and place, without what the app exchanged for itself", async () => {
    const delegates = await handedOn();
    const told = await delegates();
    expect(told).toHaveLength(2);
    expect(told).toEqual(
      expect.arrayContaining([
        [search?.clientId, expect.stringMatching(/^agent-/), ["read"]],
        [database?.clientId, "https://notes.example/mcp", ["read"]],
      ]),
    );
  });

  it("ends with the tokens, and with the agent", async () => {
    const delegates = await handedOn();
    const target = { kind: "agent", id: database?.id ?? "" } as const;
    await stop(t.ctx, { target, action: "freeze", actor: "test", address: "test" });
    expect((await delegates()).map(([clientId]) => clientId)).toEqual([search?.clientId]);
    await stop(t.ctx, { target, action: "thaw", actor: "test", address: "test" });
    t.advance(301);
    expect(await delegates()).toEqual([]);
    expect(await listDelegates(t.ctx, [])).toEqual(new Map());
  });

  it("is told with the details of all tokens that live, each once", async () => {
    const s = await publicServer();
    const bank = await s.createResource(["read"], { authorization_details_types: [PAYMENT] });
    const app = await s.createApp({});
    const service = await s.createService({
      grant_types: [GRANT_TYPES.tokenExchange],
      scope: "read",
      allowed_resources: [bank],
    });
    const person = await s.c.signIn();
    const { access_token } = await s.c.tokensFor(
      app,
      { resource: bank, scope: "read", authorization_details: param(pay(40, { reference: "Order 7" })) },
      { person },
    );
    const passOn = async (...details: readonly unknown[]) => {
      const fields = { authorization_details: param(...details) };
      expect((await delegation(s.c).exchange(service, access_token, fields)).status).toBe(200);
    };
    const [overview] = await listGrants(s.t.ctx, person.user.id);
    const id = overview?.grant.id ?? "";
    const told = async () => (await listDelegates(s.t.ctx, [id])).get(id)?.map(({ details }) => details);

    const [large, small] = [25, 5].map((value) => pay(value, { reference: "Order 7" }));
    await passOn(large);
    await passOn(small);
    await passOn(large);
    await passOn();
    expect(await told()).toEqual([expect.arrayContaining([large, small])]);
    expect((await told())?.[0]).toHaveLength(2);
  });
});
