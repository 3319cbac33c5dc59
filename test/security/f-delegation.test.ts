import { eq } from "drizzle-orm";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { users } from "@/db/schema/users";
import { actorsOf } from "@/lib/oauth/actor";
import { TOKEN_TYPES } from "@/lib/oauth/token-types";
import { readAccessToken } from "@/lib/services/token-state";
import { refusalOf } from "@/test/support/client";
import { twoInstances, unique } from "@/test/support/context";
import { delegation, type TestAgent } from "@/test/support/delegation";
import { unchanged } from "@/test/support/digest";
import { operate, PUBLIC_ENV, type PublicServer } from "@/test/support/public-server";
import { claimsOf, ownSigner } from "@/test/support/signer";

let s: PublicServer;
let other: PublicServer;
let close: () => Promise<void>;
let d: ReturnType<typeof delegation>;
let elsewhere: ReturnType<typeof delegation>;
let resource: string;
let orchestrator: TestAgent;
let search: TestAgent;
let root: string;

beforeAll(async () => {
  const [first, second, end] = await twoInstances({ env: PUBLIC_ENV });
  [s, other, close] = [operate(first), operate(second), end];
  [d, elsewhere] = [delegation(s.c, s.operator), delegation(other.c, other.operator)];
  resource = await s.createResource(["read", "write"]);
});
afterAll(() => close());
beforeEach(async () => {
  orchestrator = await d.createAgent(["read", "write"]);
  search = await d.createAgent(["read"]);
  root = await addressed(orchestrator, search);
});

/** A token of one agent, addressed to another: outside local mode only that one may exchange it. */
async function addressed(
  from: TestAgent,
  to: TestAgent,
  fields: Record<string, string> = {},
): Promise<string> {
  const own = await d.ownToken(from, { resource, ...fields });
  return (await d.exchanged(from, own, { audience: to.clientId })).access_token;
}

type Refused = { status: number; error: string; code?: string };

/** A refusal, on this instance and on the other one, that left nothing behind. */
async function refused(by: TestAgent, token: string, fields: Record<string, string>): Promise<Refused[]> {
  const answers: Refused[] = [];
  for (const side of [d, elsewhere]) {
    const response = await unchanged(s.t, () => side.exchange(by, token, fields));
    const { error, error_code } = await response.json();
    answers.push({ status: response.status, error, ...(error_code && { code: error_code }) });
  }
  return answers;
}
const both = (answer: Refused): Refused[] => [answer, answer];
const ESCALATION = { status: 400, error: "invalid_scope", code: "scope_escalation" };

describe("92–94: scope", () => {
  it("92: beyond the subject token", async () => {
    expect(await refused(search, root, { audience: resource, scope: "read delete" })).toEqual(
      both(ESCALATION),
    );
  });
  it("93: a subject token without scope gives none", async () => {
    const empty = await d.createAgent([]);
    const token = await addressed(empty, search);
    expect(claimsOf(token).scope).toBe("");
    expect(await refused(search, token, { audience: resource, scope: "read" })).toEqual(both(ESCALATION));
  });
  it("94: of the subject token, but beyond the actor's registration", async () => {
    expect(claimsOf(root).scope).toBe("read write");
    expect(await refused(search, root, { audience: resource, scope: "write" })).toEqual(both(ESCALATION));
  });
  it("94: what both have is what there is", async () => {
    expect((await d.exchanged(search, root, { audience: resource })).scope).toBe("read");
  });
  it("a scope the target does not know", async () => {
    const other = await s.createResource(["other"]);
    expect(await refused(search, root, { audience: other, scope: "read" })).toEqual(both(ESCALATION));
  });
});

describe("95, 96: audience", () => {
  const INVALID_TARGET = { status: 400, error: "invalid_target" };
  it("95: not registered", async () => {
    expect(await refused(search, root, { audience: "https://nobody.example" })).toEqual(both(INVALID_TARGET));
    expect(await refused(search, root, { audience: "a-name" })).toEqual(both(INVALID_TARGET));
  });
  it("95: registered, but not among the targets of the subject token's agent", async () => {
    const bound = await d.createAgent(["read"], { allowed_exchange_targets: [search.clientId] });
    const token = await addressed(bound, search);
    const narrow = await d.createAgent(["read"], { allowed_exchange_targets: [resource] });
    expect(
      await refused(narrow, await d.ownToken(narrow, { resource }), { audience: search.clientId }),
    ).toEqual(both(INVALID_TARGET));
    expect(await refused(search, token, { audience: resource })).toEqual(both(INVALID_TARGET));
  });
  it("95: what an agent's targets name is accepted although nobody registered it", async () => {
    const bound = await d.createAgent(["read"], {
      allowed_exchange_targets: ["https://partner.example/api"],
    });
    const own = await d.ownToken(bound, { resource });
    const { access_token } = await d.exchanged(bound, own, { audience: "https://partner.example/api" });
    expect(claimsOf(access_token).aud).toBe("https://partner.example/api");
  });
  it("96: audience and resource that differ", async () => {
    const fields = { audience: resource, resource: "https://other.example" };
    expect(await refused(search, root, fields)).toEqual(both(INVALID_TARGET));
  });
  it("96: audience twice", async () => {
    const twice = await d.exchange(search, root, { audience: [resource, resource] });
    expect(await refusalOf(twice)).toEqual({ status: 400, error: "invalid_request" });
  });
});

describe("98: who may act", () => {
  const VIOLATION = { status: 400, error: "unauthorized_client", code: "may_act_violation" };

  /** A live token of the server's own whose `may_act` is what the test says. */
  async function tokenWithMayAct(mayAct: unknown): Promise<string> {
    const { sign } = await ownSigner(s.t.ctx);
    return sign({ ...claimsOf(root), may_act: mayAct });
  }

  it.each([
    ["names another client", { sub: "client:agnt_other" }],
    ["names other clients", { sub: ["client:agnt_other"] }],
    ["is a string", "client:agnt_other"],
    ["is a list", ["client:agnt_other"]],
    ["has an empty list", { sub: [] }],
    ["is empty", {}],
    ["is null", null],
    ["has a number", { sub: 7 }],
  ])("a may_act that %s is refused", async (_, mayAct) => {
    expect(await refused(search, await tokenWithMayAct(mayAct), { audience: resource })).toEqual(
      both(VIOLATION),
    );
  });

  it.each([
    ["as a string", (id: string) => ({ sub: `client:${id}` })],
    ["in a list", (id: string) => ({ sub: ["client:agnt_other", `client:${id}`] })],
  ])("a may_act that names the client %s lets it act", async (_, mayAct) => {
    const token = await tokenWithMayAct(mayAct(search.clientId));
    expect((await d.exchange(search, token, { audience: resource })).status).toBe(200);
  });

  it("the registration of an agent names who may act with its tokens, and the tokens say so", async () => {
    const owner = await d.createAgent(["read"], { may_act: [search.clientId] });
    const token = await d.ownToken(owner, { resource });
    expect(claimsOf(token).may_act).toEqual({ sub: [`client:${search.clientId}`] });
    expect((await d.exchange(search, token)).status).toBe(200);
    const stranger = await d.createAgent(["read"]);
    expect(await refused(stranger, token, {})).toEqual(both(VIOLATION));
  });

  it("a token that is addressed to nobody the client acts for is not its to exchange", async () => {
    const own = await d.ownToken(orchestrator, { resource });
    expect(await refused(search, own, { audience: resource })).toEqual(
      both({ status: 400, error: "invalid_request" }),
    );
  });
});

describe("98: chain splicing", () => {
  const SPLICED = { status: 400, error: "invalid_request" };
  const actorToken = (token: string) => ({ actor_token: token, actor_token_type: TOKEN_TYPES.accessToken });

  it("the end of one delegation is not joined to the beginning of another", async () => {
    const stranger = await d.createAgent(["read"]);
    const [, mine = ""] = await d.chain(await addressed(stranger, search), [search], {
      audience: search.clientId,
    });
    const fields = { audience: resource, ...actorToken(mine) };
    expect(await refused(search, root, fields)).toEqual(both(SPLICED));
  });
  it("an actor token of another client", async () => {
    const fields = { audience: resource, ...actorToken(await d.ownToken(orchestrator, { resource })) };
    expect(await refused(search, root, fields)).toEqual(both(SPLICED));
  });
  it("an actor token of the same delegation is taken, and what it made dies with it", async () => {
    const mine = (await d.exchanged(search, root, { audience: search.clientId })).access_token;
    const fields = { audience: resource, ...actorToken(mine) };
    const { access_token } = await d.exchanged(search, root, fields);
    expect(claimsOf(access_token).act).toEqual({
      sub: `client:${search.clientId}`,
    });
    await s.c.form("/revoke", { token: mine, client_id: search.clientId, client_secret: search.secret });
    expect([await s.isActive(access_token), await other.isActive(access_token)]).toEqual([false, false]);
  });
});

describe("100: the agent or person behind the subject token", () => {
  const INVALID = { status: 400, error: "invalid_request" };
  it("an agent that was deactivated", async () => {
    await s.c.call(`/agents/${orchestrator.id}`, { method: "DELETE", headers: s.operator });
    expect(await refused(search, root, { audience: resource })).toEqual(both(INVALID));
  });
  it("a person who was disabled", async () => {
    const ada = await s.c.signIn();
    const app = await s.createApp({
      token_endpoint_auth_method: "client_secret_basic",
      grant_types: ["authorization_code", "urn:ietf:params:oauth:grant-type:token-exchange"],
    });
    const { access_token } = await s.c.tokensFor(app, { resource, scope: "read" }, { person: ada });
    const child = (await d.exchanged(app, access_token, { audience: search.clientId })).access_token;
    await s.t.ctx.db.update(users).set({ status: "disabled" }).where(eq(users.id, ada.user.id));
    expect(await refused(search, child, { audience: resource })).toEqual(both(INVALID));
  });
});

describe("101, 102, 104: depth, self-exchange, lifetime", () => {
  it("101: one hop more than the depth allows; the depth is that of the signed chain", async () => {
    const agents = await Promise.all(Array.from({ length: 6 }, () => d.createAgent(["read"])));
    let token = await d.ownToken(orchestrator, { resource, scope: "read" });
    let holder = orchestrator;
    const depths: number[] = [];
    for (const agent of agents.slice(0, 5)) {
      token = (await d.exchanged(holder, token, { audience: agent.clientId })).access_token;
      token = (await d.exchanged(agent, token, { audience: agent.clientId })).access_token;
      holder = agent;
      depths.push(actorsOf((await readAccessToken(s.t.ctx, token)).act).length);
    }
    expect(depths).toEqual([1, 2, 3, 4, 5]);
    const last = agents[5] ?? orchestrator;
    token = (await d.exchanged(holder, token, { audience: last.clientId })).access_token;
    expect(await refused(last, token, { audience: resource })).toEqual(
      both({ status: 400, error: "invalid_request", code: "delegation_depth_exceeded" }),
    );
  });
  it("102: an agent's exchange of its own token adds no hop and no time", async () => {
    const own = await d.ownToken(orchestrator, { resource });
    const again = (await d.exchanged(orchestrator, own)).access_token;
    const once = claimsOf((await d.exchanged(search, root, { audience: search.clientId })).access_token);
    expect(claimsOf(again).act).toBeUndefined();
    expect(once.act).toEqual({ sub: `client:${search.clientId}` });
    expect(Number(claimsOf(again).exp)).toBeLessThanOrEqual(Number(claimsOf(own).exp));
  });
  it("104: what comes of a token ends with it, and within the time of an exchange", async () => {
    const child = claimsOf((await d.exchanged(search, root, { audience: resource })).access_token);
    expect(child.exp).toBe(Number(child.iat) + 300);
    for (const { t } of [s, other]) t.advance(200);
    const late = claimsOf((await d.exchanged(search, root, { audience: resource })).access_token);
    expect(late.exp).toBe(claimsOf(root).exp);
    for (const { t } of [s, other]) t.advance(-200);
  });
});

describe("105: what descends from a token dies with it", () => {
  const revoke = (token: string, by: TestAgent) =>
    s.c.form("/revoke", { token, client_id: by.clientId, client_secret: by.secret });

  it("every descendant is inactive on every instance, and cannot be exchanged further", async () => {
    const [, , ...descendants] = await d.chain(root, [search, search, search], { audience: search.clientId });
    await revoke(root, orchestrator);
    const answers = await Promise.all(descendants.flatMap((one) => [s.isActive(one), other.isActive(one)]));
    expect(answers).toEqual([false, false, false, false]);
    expect(await refused(search, descendants[0] ?? "", { audience: resource })).toEqual(
      both({ status: 400, error: "invalid_request" }),
    );
  });

  it("who delegated may take it back: the holder of an ancestor revokes a descendant", async () => {
    const [, child = ""] = await d.chain(root, [search], { audience: resource });
    const stranger = await d.createAgent([]);
    await revoke(child, stranger);
    expect(await s.isActive(child)).toBe(true);
    await revoke(child, orchestrator);
    expect([await s.isActive(child), await s.isActive(root)]).toEqual([false, true]);
  });

  it.each(Array.from({ length: 50 }, (_, round) => round))(
    "an exchange under way when its parent is revoked leaves no living child (round %i)",
    async () => {
      const token = await addressed(orchestrator, search);
      const exchanges = [d, elsewhere, d, elsewhere].map((side) =>
        side.exchange(search, token, { audience: resource }),
      );
      const [, ...answers] = await Promise.all([revoke(token, orchestrator), ...exchanges]);
      const children = await Promise.all(
        answers.map(async (answer) =>
          answer.status === 200 ? (await answer.json()).access_token : undefined,
        ),
      );
      const living = await Promise.all(
        children.flatMap((one) => (one ? [s.isActive(one), other.isActive(one)] : [])),
      );
      expect(living.filter(Boolean)).toEqual([]);
    },
  );
});

describe("109, 110: types", () => {
  const INVALID = { status: 400, error: "invalid_request" };
  it.each(["refresh_token", "id_token", "saml1", "saml2"])("109: requested_token_type %s", async (type) => {
    const fields = { audience: resource, requested_token_type: `urn:ietf:params:oauth:token-type:${type}` };
    expect(await refused(search, root, fields)).toEqual(both(INVALID));
  });
  it("110: a refresh token as an access token, and an access token as a refresh token", async () => {
    const app = await s.createApp({
      token_endpoint_auth_method: "client_secret_basic",
      grant_types: ["authorization_code", "urn:ietf:params:oauth:grant-type:token-exchange"],
    });
    const { access_token, refresh_token } = await s.c.tokensFor(app, { resource, scope: "read" });
    const asAccess = await d.exchange(app, refresh_token, {});
    const asRefresh = await d.exchange(app, access_token, { subject_token_type: TOKEN_TYPES.refreshToken });
    expect([await refusalOf(asAccess), await refusalOf(asRefresh)]).toEqual([INVALID, INVALID]);
  });
  it("110: a refresh token of another client", async () => {
    const app = await s.createApp();
    const { refresh_token } = await s.c.tokensFor(app, { resource, scope: "read" });
    const fields = { subject_token_type: TOKEN_TYPES.refreshToken };
    expect(await refused(search, refresh_token, fields)).toEqual(both(INVALID));
  });
});

describe("111: nothing from outside becomes a reserved claim", () => {
  it("not from the metadata of an agent, nor from the request", async () => {
    const forged = {
      act: { sub: "client:root" },
      human_root: true,
      cnf: { jkt: "x" },
      sub: "user:1",
      scope: "admin",
    };
    const agent = await d.createAgent(["read"], { metadata: forged, description: unique() });
    const token = await d.ownToken(agent, {
      resource,
      act: "{}",
      human_root: "true",
      cnf: "{}",
      sub: "user:1",
    });
    const { iat, exp, jti, ...claims } = claimsOf(token);
    expect(claims).toEqual({
      iss: s.t.ctx.settings.serverUrl,
      sub: `client:${agent.clientId}`,
      client_id: agent.clientId,
      aud: resource,
      scope: "read",
    });
  });
});
