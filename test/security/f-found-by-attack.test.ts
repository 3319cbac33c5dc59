import { eq } from "drizzle-orm";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { users } from "@/db/schema/users";
import { TOKEN_TYPES } from "@/lib/oauth/token-types";
import type { App, Person, Tokens } from "@/test/support/client";
import { unique } from "@/test/support/context";
import { delegation, type TestAgent } from "@/test/support/delegation";
import { unchanged } from "@/test/support/digest";
import { type PublicServer, publicServer } from "@/test/support/public-server";
import { claimsOf } from "@/test/support/signer";
import { partner } from "@/test/support/trusted-assertions";

let s: PublicServer;
let d: ReturnType<typeof delegation>;
let notes: string;
let payroll: string;
let agent: TestAgent;

beforeAll(async () => {
  s = await publicServer();
  d = delegation(s.c, s.operator);
  notes = await s.createResource(["read", "pay"]);
  payroll = await s.createResource(["read", "pay"]);
});
beforeEach(async () => {
  agent = await d.createAgent(["read", "pay"]);
});

const session = (person: Person) => ({ ...s.c.cookies({ person }), origin: "https://auth.example.com" });

/** An app that may exchange, with what its person gave it at notes. */
async function appOf(person: Person): Promise<App & { tokens: Tokens }> {
  const app = await s.createApp({
    token_endpoint_auth_method: "client_secret_basic",
    grant_types: ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:token-exchange"],
  });
  return { ...app, tokens: await s.c.tokensFor(app, { resource: notes, scope: "read pay" }, { person }) };
}

async function refused(by: App, token: string, fields: Record<string, string>) {
  const response = await unchanged(s.t, () => d.exchange(by, token, fields));
  return [response.status, (await response.json()).error];
}
const INVALID_TARGET = [400, "invalid_target"];
const INVALID_SCOPE = [400, "invalid_scope"];

describe("D17: a resource has one name", () => {
  it("a fragment makes no other resource of it, although exchange targets name it", async () => {
    const bound = await d.createAgent(["pay"], { allowed_exchange_targets: [notes] });
    const token = await d.ownToken(bound, { resource: payroll });
    for (const audience of [`${notes}#`, `${notes}#x`])
      expect(await refused(bound, token, { audience, scope: "pay" })).toEqual(INVALID_TARGET);
  });

  it("names that nobody registered count for agents of the operator only", async () => {
    const member = session(await s.c.signIn());
    const theirs = await delegation(s.c, member).createAgent(["read"], {
      allowed_exchange_targets: ["https://partner.example/token"],
    });
    const token = await d.ownToken(theirs, { resource: notes });
    expect(await refused(theirs, token, { audience: "https://partner.example/token" })).toEqual(
      INVALID_TARGET,
    );
  });

  it("with resources matched by origin, a token for an agent is read like any other", async () => {
    const byOrigin = await publicServer({ env: { AUTHGENT_RESOURCE_MATCH: "origin" } });
    const at = delegation(byOrigin.c, byOrigin.operator);
    const person = await byOrigin.c.signIn();
    const app = await byOrigin.createApp({
      token_endpoint_auth_method: "client_secret_basic",
      grant_types: ["authorization_code", "urn:ietf:params:oauth:grant-type:token-exchange"],
    });
    const { access_token } = await byOrigin.c.tokensFor(app, { resource: notes, scope: "read" }, { person });
    const next = await at.createAgent(["read"]);
    const handed = await at.exchanged(app, access_token, { audience: next.clientId });
    expect(await byOrigin.isActive(handed.access_token)).toBe(true);
  });
});

describe("D22, D30: what a person allowed at one resource is not allowed at another", () => {
  it("neither by the app itself, nor by an agent it handed its token to", async () => {
    const { tokens, ...app } = await appOf(await s.c.signIn());
    expect(await refused(app, tokens.access_token, { audience: payroll })).toEqual(INVALID_TARGET);
    const handed = await d.exchanged(app, tokens.access_token, { audience: agent.clientId });
    expect(await refused(agent, handed.access_token, { audience: payroll })).toEqual(INVALID_TARGET);
    expect((await d.exchanged(agent, handed.access_token, { audience: notes })).scope).toBe("read pay");
  });

  it("unless the person allowed the app something there, and then that much", async () => {
    const person = await s.c.signIn();
    const { tokens, ...app } = await appOf(person);
    await s.c.tokensFor(app, { resource: payroll, scope: "read" }, { person });
    expect((await d.exchanged(app, tokens.access_token, { audience: payroll })).scope).toBe("read");
    expect(await refused(app, tokens.access_token, { audience: payroll, scope: "pay" })).toEqual(
      INVALID_SCOPE,
    );
  });

  it("or an operator registered the acting client for it", async () => {
    const { tokens, ...app } = await appOf(await s.c.signIn());
    const upstream = await s.createService({
      grant_types: ["client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"],
      allowed_resources: [notes, payroll],
    });
    const { access_token } = await d.exchanged(upstream, tokens.access_token, { audience: payroll });
    expect(claimsOf(access_token)).toMatchObject({
      aud: payroll,
      act: { sub: `client:${upstream.clientId}` },
    });
    expect(app.clientId).not.toBe(upstream.clientId);
  });
});

describe("D7, D30: who handed a token on still bounds where it may go", () => {
  it("also after the receiver made a token of its own of it", async () => {
    const sender = await d.createAgent(["read"], { allowed_exchange_targets: [agent.clientId, notes] });
    const handed = await d.exchanged(sender, await d.ownToken(sender, { resource: notes }), {
      audience: agent.clientId,
    });
    const own = await d.exchanged(agent, handed.access_token, { audience: agent.clientId });
    expect(await refused(agent, own.access_token, { audience: payroll })).toEqual(INVALID_TARGET);
    expect((await d.exchanged(agent, own.access_token, { audience: notes })).scope).toBe("read");
  });

  it("and no agent makes a chain so long that it costs others to look at it", async () => {
    const patient = await publicServer({ env: { AUTHGENT_EXCHANGE_TOKEN_TTL: "900" } });
    const at = delegation(patient.c, patient.operator);
    const loop = await at.createAgent([]);
    let token = await at.ownToken(loop);
    for (let count = 1; count <= 32; count += 1) token = (await at.exchanged(loop, token)).access_token;
    const response = await at.exchange(loop, token);
    expect([response.status, (await response.json()).error_code]).toEqual([400, "delegation_depth_exceeded"]);
  });
});

describe("108: what an ID token comes to is said by an operator", () => {
  it("not by what an agent of a member registered for itself", async () => {
    const corp = await partner(s, ["id_token"]);
    const member = session(await s.c.signIn());
    const theirs = await delegation(s.c, member).createAgent(["read"]);
    const type = { subject_token_type: TOKEN_TYPES.idToken, audience: notes };
    const of = ({ clientId }: App) => corp.assertion({ aud: clientId, jti: undefined });
    expect(await refused(theirs, await of(theirs), { ...type, scope: "read" })).toEqual(INVALID_SCOPE);
    expect((await d.exchanged(agent, await of(agent), type)).scope).toBe("read pay");
    await corp.change({ scope: "read" });
    s.t.advance(1);
    expect((await d.exchanged(theirs, await of(theirs), type)).scope).toBe("read");
    await corp.close();
  });
});

describe("D19, 180: what was taken back since", () => {
  it("a role: the refresh token passes nothing on either that the person may not any more", async () => {
    const boss = unique("boss:");
    const bank = await s.createResource([], {
      scopes: [
        { name: boss, description: "Move all", risk: "high", minimum_role: "admin" },
        { name: "see", description: "See", risk: "low" },
      ],
    });
    const person = await s.c.signIn("admin");
    const { tokens: _, ...app } = await appOf(person);
    const { refresh_token } = await s.c.tokensFor(app, { resource: bank, scope: `see ${boss}` }, { person });
    await s.t.ctx.db.update(users).set({ role: "member" }).where(eq(users.id, person.user.id));
    const type = { subject_token_type: TOKEN_TYPES.refreshToken };
    expect((await d.exchanged(app, refresh_token, type)).scope).toBe("see");
    expect(await refused(app, refresh_token, { ...type, scope: boss })).toEqual(INVALID_SCOPE);
  });

  it("an agent's scope: its live tokens lose it, and what was exchanged from them", async () => {
    const token = await d.ownToken(agent, { resource: notes });
    const child = await d.exchanged(agent, token, { audience: notes });
    await s.c.json(`/agents/${agent.id}`, { allowed_scopes: ["read"] }, s.operator, "PATCH");
    for (const each of [token, child.access_token]) expect((await s.introspect(each)).scope).toBe("read");
    expect(await refused(agent, token, { audience: notes, scope: "pay" })).toEqual(INVALID_SCOPE);
  });
});
