import { sql } from "drizzle-orm";
import { beforeAll, describe, expect, it } from "vitest";
import { rowsOf } from "@/db/client";
import { answerRoute } from "@/lib/http/endpoint";
import { type Dance, signInRoutes } from "@/lib/http/sign-in-endpoints";
import { GRANT_TYPES, TOKEN_TYPES } from "@/lib/oauth/token-types";
import { createAgent } from "@/lib/services/agents";
import { startSignIn } from "@/lib/services/sessions";
import { createSignInLink } from "@/lib/services/sign-in-links";
import { createLocalUser, verifyPassword } from "@/lib/services/users";
import { type App, basic, type Connection, connect, newBrowser, type Person } from "@/test/support/client";
import { testContext, twoInstances, unique } from "@/test/support/context";
import { descend, jtiOf } from "@/test/support/delegated";
import { unchanged } from "@/test/support/digest";
import { operate, PUBLIC_ENV, type PublicServer, publicServer } from "@/test/support/public-server";
import { stepUps } from "@/test/support/step-ups";

const ORIGIN = "https://auth.example.com";

let s: PublicServer;

beforeAll(async () => {
  s = await publicServer();
});

type Target = Record<string, string>;

/** Gives an order with the operator's key. */
const order = (action: string, target: Target, more: Record<string, unknown> = {}, on = s) =>
  on.c.json("/kill-switch", { action, target, ...more }, on.operator);

/** Gives an order that has to succeed, and says what it hit. */
async function done(action: string, target: Target, on = s) {
  const response = await order(action, target, {}, on);
  expect(response.status).toBe(200);
  return response.json();
}

async function look(target: Target) {
  const response = await s.c.call(`/kill-switch?${new URLSearchParams(target)}`, { headers: s.operator });
  expect(response.status).toBe(200);
  return response.json();
}

async function conflictOf(response: Response): Promise<unknown> {
  const { detail } = await response.json();
  return [response.status, detail];
}

const FROZEN = [400, "unauthorized_client", "agent_frozen"];

async function heldBack(answer: Promise<Response>): Promise<unknown> {
  const response = await answer;
  const { error, error_code } = await response.json();
  return [response.status, error, error_code];
}

const areActive = (tokens: readonly string[], on = s) => Promise.all(tokens.map(on.isActive));

const tokenOf = async (app: App, on = s): Promise<string> =>
  (await (await on.c.token(app, { grant_type: "client_credentials" })).json()).access_token;

async function makeAgent(more: { parent?: string; userId?: string } = {}, on = s) {
  const { userId, ...parent } = more;
  const by = { actor: userId ? `user:${userId}` : "operator", userId, isOperator: true, address: "" };
  const { agent, clientSecret } = await createAgent(
    on.t.ctx,
    { name: unique("agent-"), scope: [], ...parent },
    by,
  );
  const app: App = { clientId: agent.clientId, secret: clientSecret ?? "", redirectUri: "" };
  return { ...agent, app };
}

/** An agent, the agent it made, a stranger; a token of each; and what the stranger has from the first. */
async function family() {
  const parent = await makeAgent();
  const child = await makeAgent({ parent: parent.id });
  const other = await makeAgent();
  const tokens = await Promise.all([parent, child].map(({ app }) => tokenOf(app)));
  const [root = ""] = tokens;
  const passedOn = await descend(s.t, root, other.clientId);
  const further = await descend(s.t, passedOn, other.clientId);
  return { parent, child, other, dying: [...tokens, passedOn, further], living: await tokenOf(other.app) };
}

/** A person, an app with their tokens, and what two services have from it by exchange. */
async function delegation(on = s, by?: Person) {
  const person = by ?? (await on.c.signIn());
  const app = await on.createApp();
  const service = await on.createService();
  const { access_token, refresh_token } = await on.c.tokensFor(app, {}, { person });
  const child = await descend(on.t, access_token, service.clientId);
  const grandchild = await descend(on.t, child, service.clientId);
  return { person, app, service, refresh_token, dying: [access_token, child, grandchild] };
}

const eventsOf = (subject: string) =>
  rowsOf<{ type: string; actor: string; data: unknown }>(
    s.t.ctx.db.execute(
      sql`select type, actor, data from events where subject = ${subject} and type not like 'client.created'
        and type not like 'agent.created' and type not like 'session.%' and type not like 'user.%' order by at, id`,
    ),
  );

describe("an agent", () => {
  it("kill: it, the agents it made and all they passed on are dead, nothing is issued to them, others live", async () => {
    const { parent, child, dying, living } = await family();
    const before = await look({ agent: parent.id });
    expect(before.state).toBe("active");
    expect(before.counts).toEqual({
      access_tokens: 4,
      refreshable_authorizations: 0,
      grants: 0,
      agents: 2,
      sessions: 0,
      clients: 3,
      subjects: 2,
    });
    expect(before.access_tokens.map(({ jti }: { jti: string }) => jti).sort()).toEqual(
      dying.map(jtiOf).sort(),
    );
    const named = [parent, child].map(({ id, clientId, name }) => ({ id, client_id: clientId, name }));
    expect(before.agents).toEqual(named.sort((a, b) => (a.id < b.id ? -1 : 1)));
    expect(await areActive([...dying, living])).toEqual([true, true, true, true, true]);
    expect(await done("kill", { agent: parent.id })).toEqual({ ...before, state: "dead" });
    expect(await areActive([...dying, living])).toEqual([false, false, false, false, true]);
    for (const { app } of [parent, child]) {
      expect((await s.c.token(app, { grant_type: "client_credentials" })).status).toBe(401);
    }
    expect((await look({ agent: parent.id })).counts.access_tokens).toBe(0);
  });

  it("kill: what it waits for is over at once, and nobody can say yes to it any more", async () => {
    const agent = await makeAgent();
    const { asked, approve } = stepUps(s.c, ORIGIN);
    const { id } = await asked({ agent_id: agent.clientId, scope: "account:read" }, basic(agent.app));
    await done("kill", { agent: agent.id });
    const late = await approve(id, await s.c.signIn("admin"));
    expect(await conflictOf(late)).toEqual([409, "Whoever asked this has taken it back."]);
  });

  it("kill: a token that was being exchanged meanwhile is dead when it is stored", async () => {
    const { parent, other, dying } = await family();
    await done("kill", { agent: parent.id });
    const [root = ""] = dying;
    expect(await s.isActive(await descend(s.t, root, other.clientId))).toBe(false);
  });

  it("freeze: all of it is refused until the thaw, then it counts again", async () => {
    const { parent, child, dying } = await family();
    await done("freeze", { agent: parent.id });
    expect(await areActive(dying)).toEqual([false, false, false, false]);
    for (const { app } of [parent, child]) {
      expect(await heldBack(s.c.token(app, { grant_type: "client_credentials" }))).toEqual(FROZEN);
    }
    const frozen = await look({ agent: parent.id });
    expect([frozen.state, frozen.counts.access_tokens]).toEqual(["frozen", 4]);
    expect((await done("thaw", { agent: parent.id })).state).toBe("active");
    expect(await areActive(dying)).toEqual([true, true, true, true]);
    expect((await s.c.token(child.app, { grant_type: "client_credentials" })).status).toBe(200);
  });

  it("thaw: an agent below it that was killed stays dead", async () => {
    const { parent, child, dying } = await family();
    await done("kill", { agent: child.id });
    await done("freeze", { agent: parent.id });
    await done("thaw", { agent: parent.id });
    expect(await areActive(dying)).toEqual([true, false, true, true]);
    expect((await look({ agent: child.id })).state).toBe("dead");
  });

  it("thaw: an agent below it that was frozen by itself stays frozen, until it is thawed itself", async () => {
    const { parent, child, dying } = await family();
    await done("freeze", { agent: child.id });
    await done("freeze", { agent: parent.id });
    await done("thaw", { agent: parent.id });
    expect(await areActive(dying)).toEqual([true, false, true, true]);
    expect((await look({ agent: child.id })).state).toBe("frozen");
    await done("thaw", { agent: child.id });
    expect(await areActive(dying)).toEqual([true, true, true, true]);
  });

  it("freeze: one that is frozen with its parent can be frozen by itself besides", async () => {
    const { parent, child, dying } = await family();
    await done("freeze", { agent: parent.id });
    await done("freeze", { agent: child.id });
    expect(await conflictOf(await order("freeze", { agent: child.id }))).toEqual([
      409,
      "It is frozen already.",
    ]);
    await done("thaw", { agent: parent.id });
    expect(await areActive(dying)).toEqual([true, false, true, true]);
  });

  it("is found by what tokens and answers call it, too: client:… and user:…", async () => {
    const { parent } = await family();
    const person = await s.c.signIn();
    await done("freeze", { agent: `client:${parent.clientId}` });
    await done("thaw", { client: `client:${parent.clientId}` });
    await done("freeze", { person: `user:${person.user.id}` });
    await done("thaw", { person: person.user.id });
  });

  it("is the same by its client_id, named as an agent or as a client", async () => {
    const { parent, dying } = await family();
    const byId = await look({ agent: parent.id });
    expect(await look({ agent: parent.clientId })).toEqual(byId);
    expect(await look({ client: parent.clientId })).toEqual(byId);
    await done("kill", { client: parent.clientId });
    expect(await areActive(dying)).toEqual([false, false, false, false]);
  });

  it("each is one event, with who, why and how much", async () => {
    const { parent } = await family();
    for (const action of ["freeze", "thaw", "kill"]) {
      s.t.advance(1);
      expect((await order(action, { agent: parent.id }, { reason: "It went astray" })).status).toBe(200);
    }
    const data = {
      ...{ tokens: 4, families: 0, grants: 0, agents: 2, sessions: 0, clients: 3, subjects: 2 },
      reason: "It went astray",
    };
    expect(await eventsOf(`agent:${parent.id}`)).toEqual(
      ["agent.frozen", "agent.thawed", "agent.deactivated"].map((type) => ({
        type,
        actor: "operator",
        data,
      })),
    );
  });
});

describe("a client", () => {
  it("kill: its tokens and what descends from them are dead, also after it is enabled; the person's grant stays", async () => {
    const { app, person, refresh_token, dying } = await delegation();
    const before = await look({ client: app.clientId });
    expect(before.counts).toEqual({
      access_tokens: 3,
      refreshable_authorizations: 1,
      grants: 1,
      agents: 0,
      sessions: 0,
      clients: 2,
      subjects: 1,
    });
    expect(before.subjects).toEqual([`user:${person.user.id}`]);
    expect(await done("kill", { client: app.clientId })).toEqual({ ...before, state: "dead" });
    expect(await areActive(dying)).toEqual([false, false, false]);
    s.t.advance(1);
    expect((await s.setClientStatus(app, "active")).status).toBe(200);
    expect(await areActive(dying)).toEqual([false, false, false]);
    expect((await s.c.refresh(app, refresh_token)).status).toBe(400);
    // The person is not asked again for what they allowed.
    const location = await s.c.answerFor(app, { prompt: "none" }, { person });
    expect(location.searchParams.has("code")).toBe(true);
    expect((await look({ client: app.clientId })).counts.grants).toBe(1);
  });

  it("freeze: nothing it holds counts and it gets nothing, until the thaw", async () => {
    const { app, refresh_token, dying } = await delegation();
    await done("freeze", { client: app.clientId });
    expect(await areActive(dying)).toEqual([false, false, false]);
    expect(await heldBack(s.c.refresh(app, refresh_token))).toEqual(FROZEN);
    expect((await look({ client: app.clientId })).counts).toEqual(
      (await done("thaw", { client: app.clientId })).counts,
    );
    expect(await areActive(dying)).toEqual([true, true, true]);
    expect((await s.c.refresh(app, refresh_token)).status).toBe(200);
  });
});

describe("a person", () => {
  it("kill: tokens in their name, grants, refresh tokens and sessions end, and they do not sign in", async () => {
    const { app, person, refresh_token, dying } = await delegation();
    const target = { person: person.user.id };
    const bystander = await delegation();
    const before = await look(target);
    expect(before.counts).toEqual({
      access_tokens: 3,
      refreshable_authorizations: 1,
      grants: 1,
      agents: 0,
      sessions: 1,
      clients: 2,
      subjects: 1,
    });
    expect(await done("kill", target)).toEqual({ ...before, state: "dead" });
    expect(await areActive([...dying, ...bystander.dying])).toEqual([false, false, false, true, true, true]);
    expect((await s.c.refresh(app, refresh_token)).status).toBe(400);
    const after = await look(target);
    expect([after.state, ...Object.values(after.counts)]).toEqual(["dead", 0, 0, 0, 0, 0, 0, 0]);
    const page = await s.c.authorize(s.c.requestOf(app), { person });
    expect(page.headers.get("location")).toMatch(/^\/login\?/);
  });

  it("freeze: nothing is done in their name and their session opens nothing, until the thaw", async () => {
    const { app, person, refresh_token, dying } = await delegation();
    const code = await s.c.codeFor(app, {}, { person });
    const target = { person: person.user.id };
    await done("freeze", target);
    expect(await areActive(dying)).toEqual([false, false, false]);
    expect((await s.c.refresh(app, refresh_token)).status).toBe(400);
    expect((await s.c.redeem(app, code)).status).toBe(400);
    const page = await s.c.authorize(s.c.requestOf(app), { person });
    expect(page.headers.get("location")).toMatch(/^\/login\?/);
    await done("thaw", target);
    expect(await areActive(dying)).toEqual([true, true, true]);
    expect((await s.c.refresh(app, refresh_token)).status).toBe(200);
    expect((await s.c.redeem(app, code)).status).toBe(200);
  });

  /** An agent of a person, one below it that is nobody's, one of somebody else, and a token of each. */
  async function agentsOf({ user }: Person) {
    const own = await makeAgent({ userId: user.id });
    const child = await makeAgent({ parent: own.id });
    const other = await makeAgent({ userId: (await s.c.signIn()).user.id });
    return {
      own,
      child,
      other,
      tokens: await Promise.all([own, child, other].map(({ app }) => tokenOf(app))),
    };
  }

  it("kill: the agents they own, and all that descend from those, are dead for good", async () => {
    const person = await s.c.signIn();
    const { own, child, tokens } = await agentsOf(person);
    const target = { person: person.user.id };
    const before = await look(target);
    expect(before.counts).toEqual({
      access_tokens: 2,
      refreshable_authorizations: 0,
      grants: 0,
      agents: 2,
      sessions: 1,
      clients: 2,
      subjects: 2,
    });
    const named = [own, child].map(({ id, clientId, name }) => ({ id, client_id: clientId, name }));
    expect(before.agents).toEqual(named.sort((a, b) => (a.id < b.id ? -1 : 1)));
    expect(before.clients).toEqual([own.clientId, child.clientId].sort());
    expect(before.access_tokens.map(({ jti }: { jti: string }) => jti)).toEqual(
      tokens.slice(0, 2).map(jtiOf).sort(),
    );
    expect(await done("kill", target)).toEqual({ ...before, state: "dead" });
    expect(await areActive(tokens)).toEqual([false, false, true]);
    for (const { app, id } of [own, child]) {
      expect((await look({ agent: id })).state).toBe("dead");
      expect((await s.c.token(app, { grant_type: "client_credentials" })).status).toBe(401);
    }
    expect(Object.values((await look(target)).counts)).toEqual([0, 0, 0, 0, 0, 0, 0]);
    const [event] = await eventsOf(`user:${person.user.id}`);
    expect(event).toMatchObject({ type: "person.stopped", data: { agents: 2, tokens: 2, clients: 2 } });
  });

  it("freeze: the agents they own wait for the thaw; one that was frozen by itself goes on waiting", async () => {
    const person = await s.c.signIn();
    const { own, child, tokens } = await agentsOf(person);
    const target = { person: person.user.id };
    await done("freeze", { agent: child.id });
    await done("freeze", target);
    expect(await areActive(tokens)).toEqual([false, false, true]);
    expect(await heldBack(s.c.token(own.app, { grant_type: "client_credentials" }))).toEqual(FROZEN);
    expect(await conflictOf(await order("thaw", { agent: own.id }))).toEqual([
      409,
      "Its owner is frozen. Thaw the owner first.",
    ]);
    await done("thaw", target);
    expect(await areActive(tokens)).toEqual([true, false, true]);
    await done("thaw", { agent: child.id });
    expect(await areActive(tokens)).toEqual([true, true, true]);
  });

  it("freeze: an agent of theirs that was frozen with its parent does not run after the parent's thaw", async () => {
    const person = await s.c.signIn();
    const parent = await makeAgent();
    const child = await makeAgent({ parent: parent.id, userId: person.user.id });
    await done("freeze", { agent: parent.id });
    await done("freeze", { person: person.user.id });
    await done("thaw", { agent: parent.id });
    expect((await look({ agent: child.id })).state).toBe("frozen");
    await done("thaw", { person: person.user.id });
    expect((await look({ agent: child.id })).state).toBe("active");
  });

  it("kill: of the agents they are registering meanwhile none runs afterwards", async () => {
    const [first, second, close] = await twoInstances({ env: PUBLIC_ENV });
    const [here, there] = [operate(first), operate(second)];
    try {
      for (let round = 0; round < 5; round++) {
        const person = await here.c.signIn();
        const headers = signedIn(there.c, person);
        const make = () => there.c.json("/agents", { name: "Agent" }, headers);
        const answers = await Promise.all([
          ...[make(), make()],
          order("kill", { person: person.user.id }, {}, here),
          ...[make(), make()],
        ]);
        expect(answers[2]?.status).toBe(200);
        const alive = await rowsOf(
          first.ctx.db.execute(sql`select client_id from agents join clients using (client_id)
            where owner_id = ${person.user.id} and status <> 'disabled'`),
        );
        expect(alive).toEqual([]);
      }
    } finally {
      await close();
    }
  });

  it("kill: a code they had already allowed is worth nothing", async () => {
    const { app, person } = await delegation();
    const code = await s.c.codeFor(app, {}, { person });
    await done("kill", { person: person.user.id });
    expect((await s.c.redeem(app, code)).status).toBe(400);
  });
});

describe("a chain", () => {
  it.each(["the last token", "its jti"])(
    "kill by %s: the first token, its refresh tokens and all that descends are dead; the app's others live",
    async (by) => {
      const { app, person, refresh_token, dying } = await delegation();
      const other = await s.c.tokensFor(app, {}, { person });
      const last = dying[2] ?? "";
      const before = await look({ chain: jtiOf(last) });
      expect(before.counts).toEqual({
        access_tokens: 3,
        refreshable_authorizations: 1,
        grants: 0,
        agents: 0,
        sessions: 0,
        clients: 2,
        subjects: 1,
      });
      const chain = by === "its jti" ? jtiOf(last) : last;
      expect(await done("kill", { chain })).toEqual({ ...before, state: "dead" });
      expect(await areActive([...dying, other.access_token])).toEqual([false, false, false, true]);
      expect((await s.c.refresh(app, refresh_token)).status).toBe(400);
    },
  );

  it("kill: tokens that the same authorization was refreshed to are of the chain", async () => {
    const { app, refresh_token, dying } = await delegation();
    const { access_token } = await (await s.c.refresh(app, refresh_token)).json();
    expect((await done("kill", { chain: dying[0] ?? "" })).counts.access_tokens).toBe(4);
    expect(await areActive([...dying, access_token])).toEqual([false, false, false, false]);
  });

  it("freeze: from any of its tokens all of it is refused, until the thaw", async () => {
    const { dying } = await delegation();
    const [, middle = "", last = ""] = dying;
    await done("freeze", { chain: middle });
    expect(await areActive(dying)).toEqual([false, false, false]);
    const frozen = await look({ chain: jtiOf(last) });
    expect([frozen.state, frozen.counts.access_tokens]).toEqual(["frozen", 3]);
    await done("thaw", { chain: last });
    expect(await areActive(dying)).toEqual([true, true, true]);
  });

  it("of a client that acts for itself: the first token and what descends from it, no other", async () => {
    const [service, other] = [await s.createService(), await s.createService()];
    const [root, sibling] = [await tokenOf(service), await tokenOf(service)];
    const child = await descend(s.t, root, other.clientId);
    await done("kill", { chain: child });
    expect(await areActive([root, child, sibling])).toEqual([false, false, true]);
  });
});

describe("a chain that began with a refresh token and an actor token", () => {
  /** What an app made of its refresh token with a token of its own, that token, and what a service has from it. */
  async function begun() {
    const app = await s.createApp({
      token_endpoint_auth_method: "client_secret_basic",
      grant_types: ["authorization_code", "refresh_token", "client_credentials", GRANT_TYPES.tokenExchange],
    });
    const { access_token, refresh_token } = await s.c.tokensFor(app);
    const own = await tokenOf(app);
    const response = await s.c.token(app, {
      grant_type: GRANT_TYPES.tokenExchange,
      ...{ subject_token: refresh_token, subject_token_type: TOKEN_TYPES.refreshToken },
      ...{ actor_token: own, actor_token_type: TOKEN_TYPES.accessToken },
    });
    expect(response.status).toBe(200);
    const exchanged: string = (await response.json()).access_token;
    const further = await descend(s.t, exchanged, (await s.createService()).clientId);
    return { app, own, refresh_token, exchanged, tokens: [access_token, exchanged, further] };
  }

  it("kill: it is the person's authorization that ends, and not the actor's token", async () => {
    const { app, own, refresh_token, exchanged, tokens } = await begun();
    expect((await look({ chain: jtiOf(exchanged) })).counts).toMatchObject({
      access_tokens: 3,
      refreshable_authorizations: 1,
    });
    await done("kill", { chain: exchanged });
    expect(await areActive([...tokens, own])).toEqual([false, false, false, true]);
    expect((await s.c.refresh(app, refresh_token)).status).toBe(400);
    expect((await look({ chain: jtiOf(exchanged) })).state).toBe("dead");
  });

  it("freeze: the same, until the thaw", async () => {
    const { app, own, refresh_token, exchanged, tokens } = await begun();
    await done("freeze", { chain: exchanged });
    expect(await areActive([...tokens, own])).toEqual([false, false, false, true]);
    expect((await s.c.refresh(app, refresh_token)).status).toBe(400);
    await done("thaw", { chain: tokens[0] ?? "" });
    expect(await areActive([...tokens, own])).toEqual([true, true, true, true]);
    expect((await s.c.refresh(app, refresh_token)).status).toBe(200);
  });
});

/** Something of each kind that is alive. */
const SUBJECTS: Record<string, () => Promise<Target>> = {
  agent: async () => ({ agent: (await makeAgent()).id }),
  client: async () => ({ client: (await s.createService()).clientId }),
  person: async () => ({ person: (await s.c.signIn()).user.id }),
  chain: async () => ({ chain: jtiOf(await tokenOf(await s.createService())) }),
};

describe.each(Object.entries(SUBJECTS))("what cannot be done to a target of kind %s", (kind, make) => {
  it("is 409 and says why: what is not frozen is not thawed, what is dead stays so", async () => {
    const target = await make();
    expect(await conflictOf(await order("thaw", target))).toEqual([409, "It is not frozen."]);
    await done("freeze", target);
    expect(await conflictOf(await order("freeze", target))).toEqual([409, "It is frozen already."]);
    await done("kill", target);
    const dead = "It is stopped for good: ";
    expect(await conflictOf(await order("kill", target))).toEqual([409, "It is stopped already."]);
    expect(await conflictOf(await order("freeze", target))).toEqual([
      409,
      `${dead}there is nothing to freeze.`,
    ]);
    expect(await conflictOf(await order("thaw", target))).toEqual([
      409,
      `${dead}a thaw does not bring it back.`,
    ]);
  });

  it("of ten kills at once exactly one is done", async () => {
    const target = await make();
    const answers = await Promise.all(Array.from({ length: 10 }, () => order("kill", target)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(9).fill(409)]);
  });

  it("one that is not there is 404", async () => {
    const nobody = { [kind]: "01980000-0000-7000-8000-000000000000" };
    expect((await order("kill", nobody)).status).toBe(404);
    const query = new URLSearchParams(nobody);
    expect((await s.c.call(`/kill-switch?${query}`, { headers: s.operator })).status).toBe(404);
  });
});

describe("signing in again", () => {
  /** What next-auth leaves of a right password. */
  const danceOf = (userId: string): Dance => ({
    start: async () => undefined,
    finish: async () => undefined,
    checkPassword: async () => undefined,
    handoff: async () => ({ provider: "local", amr: ["pwd"], outcome: { userId } }),
    returnTo: () => undefined,
    forget: () => [],
  });

  async function signInAs(userId: string) {
    const browser = newBrowser();
    const value = await startSignIn(s.t.ctx, { provider: "local", continueTo: "/me", browser });
    const { cookie } = s.c.cookies({ browser });
    const request = new Request(`${ORIGIN}/login/complete?sign-in=${value}`, { headers: { cookie } });
    const { complete } = signInRoutes(danceOf(userId));
    const peer = { socketAddress: "192.0.2.1" };
    const response = await answerRoute(s.t.ctx, complete, { request, params: {}, peer });
    return response.headers.get("location");
  }

  it.each(["freeze", "kill"])(
    "after %s, the right password is told so and opens no session",
    async (action) => {
      const [email, password] = [`${unique()}@example.com`, unique("pw-")];
      const user = await createLocalUser(s.t.ctx, { email, name: "Ada", role: "member", password }, "test");
      expect(await signInAs(user.id)).toBe("/me");
      await done(action, { person: user.id });
      expect((await verifyPassword(s.t.ctx, email, password))?.id).toBe(user.id);
      expect(await verifyPassword(s.t.ctx, email, `${password}x`)).toBe(undefined);
      expect(await signInAs(user.id)).toBe(
        `/login?error=${action === "freeze" ? "frozen" : "disabled"}&continue=%2Fme`,
      );
      expect((await look({ person: user.id })).counts.sessions).toBe(action === "freeze" ? 1 : 0);
    },
  );

  it("a sign-in link of theirs opens no session", async () => {
    const { user } = await s.c.signIn();
    const link = await createSignInLink(s.t.ctx, user.id);
    await done("freeze", { person: user.id });
    expect((await s.c.call(`/login/link/${link}`)).status).toBe(410);
  });
});

const signedIn = (c: Connection, person: Person) => ({ ...c.cookies({ person }), origin: ORIGIN });

describe("who may stop what", () => {
  it("an admin stops everything but themself", async () => {
    const admin = await s.c.signIn("admin");
    const headers = signedIn(s.c, admin);
    const give = (action: string, person: string) =>
      s.c.json("/kill-switch", { action, target: { person } }, headers);
    expect(await conflictOf(await give("kill", admin.user.id))).toEqual([
      409,
      "You cannot kill yourself. Let another admin do it.",
    ]);
    const { user } = await s.c.signIn("admin");
    expect((await give("freeze", user.id)).status).toBe(200);
    expect((await eventsOf(`user:${user.id}`)).map(({ type, actor }) => [type, actor])).toEqual([
      ["person.frozen", `user:${admin.user.id}`],
    ]);
  });

  it("the owner of an agent looks at it and stops it, from our own origin, and no other agent", async () => {
    const [owner, stranger] = [await s.c.signIn(), await s.c.signIn()];
    const { id, clientId } = await makeAgent({ userId: owner.user.id });
    const kill = (headers: Record<string, string>, target: Target = { agent: id }) =>
      s.c.json("/kill-switch", { action: "kill", target }, headers);
    const path = `/kill-switch?agent=${id}`;
    expect((await s.c.call(path, { headers: signedIn(s.c, stranger) })).status).toBe(403);
    expect((await kill(signedIn(s.c, stranger))).status).toBe(403);
    expect((await kill(signedIn(s.c, stranger), { agent: "nobody" })).status).toBe(403);
    expect((await kill(s.c.cookies({ person: owner }))).status).toBe(403);
    expect((await kill(signedIn(s.c, owner), { client: clientId })).status).toBe(403);
    expect((await kill(signedIn(s.c, owner), { person: stranger.user.id })).status).toBe(403);
    expect((await s.c.call(path, { headers: signedIn(s.c, owner) })).status).toBe(200);
    expect((await kill(signedIn(s.c, owner))).status).toBe(200);
    expect((await eventsOf(`agent:${id}`)).map(({ type, actor }) => [type, actor])).toEqual([
      ["agent.deactivated", `user:${owner.user.id}`],
    ]);
  });

  it("an owner who signed in more than half an hour ago may look and not stop (D20)", async () => {
    const own = operate(await testContext({ env: PUBLIC_ENV }));
    const owner = await own.c.signIn();
    const { id } = await makeAgent({ userId: owner.user.id }, own);
    own.t.advance(1801);
    const headers = signedIn(own.c, owner);
    expect((await own.c.call(`/kill-switch?agent=${id}`, { headers })).status).toBe(200);
    const body = { action: "kill", target: { agent: id } };
    expect((await own.c.json("/kill-switch", body, headers)).status).toBe(403);
  });
});

describe("who may undo a stop", () => {
  type Headers = Record<string, string>;
  let owner: Person;
  let theirs: Headers;
  let admins: Headers;
  beforeAll(async () => {
    owner = await s.c.signIn();
    theirs = signedIn(s.c, owner);
    admins = signedIn(s.c, await s.c.signIn("admin"));
  });

  /** An agent of the owner's, as one who is no admin registers it. */
  async function ownAgent(more: Record<string, unknown> = {}): Promise<string> {
    const response = await s.c.json("/agents", { name: unique("agent-"), ...more }, theirs);
    return (await response.json()).id;
  }
  const give = (action: string, agent: string, headers: Headers) =>
    s.c.json("/kill-switch", { action, target: { agent } }, headers);
  const thaw = (id: string, headers: Headers) => give("thaw", id, headers);
  const patch = (id: string, headers: Headers) =>
    s.c.json(`/agents/${id}`, { status: "active", name: "Back" }, headers, "PATCH");
  const reactivate = (id: string, headers: Headers) => s.c.json(`/agents/${id}/reactivate`, {}, headers);
  const stateOf = async (id: string) => (await look({ agent: id })).state;
  const forbidden = async (act: () => Promise<Response>) => {
    const { status, error, detail } = await (await unchanged(s.t, act)).json();
    return [status, error, detail];
  };
  const FROZE = [403, "forbidden", "Somebody else froze this agent: ask an admin."];
  const STOPPED = [403, "forbidden", "Somebody else stopped this agent: ask an admin."];

  const UNDO = [
    ["freeze", "thaw", thaw, FROZE],
    ["freeze", "PATCH", patch, FROZE],
    ["freeze", "reactivate", reactivate, FROZE],
    ["kill", "PATCH", patch, STOPPED],
    ["kill", "reactivate", reactivate, STOPPED],
  ] as const;

  it.each(UNDO)("%s by the operator, %s by the owner: 403; an admin may", async (action, _name, undo, no) => {
    const id = await ownAgent();
    await done(action, { agent: id });
    expect(await forbidden(() => undo(id, theirs))).toEqual(no);
    expect((await undo(id, admins)).status).toBe(200);
    expect(await stateOf(id)).toBe("active");
  });

  it.each(UNDO)("%s by an admin, %s by the owner: 403; the operator may", async (action, _name, undo, no) => {
    const id = await ownAgent();
    expect((await give(action, id, admins)).status).toBe(200);
    expect(await forbidden(() => undo(id, theirs))).toEqual(no);
    expect((await undo(id, s.operator)).status).toBe(200);
  });

  it.each(UNDO)("%s by the owner, %s by the owner: it runs again", async (action, _name, undo) => {
    const id = await ownAgent();
    expect((await give(action, id, theirs)).status).toBe(200);
    expect((await undo(id, theirs)).status).toBe(200);
    expect(await stateOf(id)).toBe("active");
  });

  it.each(UNDO)("%s by the owner, %s by the operator: it runs again", async (action, _name, undo) => {
    const id = await ownAgent();
    await give(action, id, theirs);
    expect((await undo(id, s.operator)).status).toBe(200);
    expect(await stateOf(id)).toBe("active");
  });

  it("an owner who kills what the operator froze does not start it again either", async () => {
    const id = await ownAgent();
    await done("freeze", { agent: id });
    expect((await give("kill", id, theirs)).status).toBe(200);
    expect(await forbidden(() => reactivate(id, theirs))).toEqual(STOPPED);
  });

  it("what the owner froze and the operator killed since is the operator's", async () => {
    const id = await ownAgent();
    await give("freeze", id, theirs);
    await done("kill", { agent: id });
    expect(await forbidden(() => reactivate(id, theirs))).toEqual(STOPPED);
  });

  it("a child that the operator froze besides is not thawed with the owner's parent", async () => {
    const parent = await ownAgent();
    const child = await ownAgent({ parent_agent: parent });
    await give("freeze", parent, theirs);
    await done("freeze", { agent: child });
    expect((await thaw(parent, theirs)).status).toBe(200);
    expect(await stateOf(child)).toBe("frozen");
    expect(await forbidden(() => thaw(child, theirs))).toEqual(FROZE);
  });

  it("a parent that the owner froze beneath one that the operator froze and thawed is the owner's to thaw", async () => {
    const top = await ownAgent();
    const parent = await ownAgent({ parent_agent: top });
    const child = await ownAgent({ parent_agent: parent });
    await done("freeze", { agent: top });
    await give("freeze", parent, theirs);
    await done("thaw", { agent: top });
    expect([await stateOf(parent), await stateOf(child)]).toEqual(["frozen", "frozen"]);
    expect((await thaw(parent, theirs)).status).toBe(200);
    expect([await stateOf(parent), await stateOf(child)]).toEqual(["active", "active"]);
  });

  it("a child that the owner froze is the owner's to thaw, also after the operator froze and thawed its parent", async () => {
    const parent = await ownAgent();
    const child = await ownAgent({ parent_agent: parent });
    await give("freeze", child, theirs);
    await done("freeze", { agent: parent });
    expect(await conflictOf(await thaw(child, theirs))).toEqual([
      409,
      "Its parent agent is not active. Start the parent again first.",
    ]);
    await done("thaw", { agent: parent });
    expect((await thaw(child, theirs)).status).toBe(200);
  });
});

describe("RFC 9457 Problem Details: what is wrong with an order", () => {
  const target = { person: "nobody" };

  it.each([
    ["no action", { target }, ["action"]],
    ["an action we do not know", { action: "pause", target }, ["action"]],
    ["no target", { action: "kill" }, ["target"]],
    ["a target without a name", { action: "kill", target: {} }, ["target"]],
    ["two targets", { action: "kill", target: { ...target, client: "app_1" } }, ["target"]],
    ["a kind we do not know", { action: "kill", target: { grant: "1" } }, ["target"]],
    ["a chain that is no token", { action: "kill", target: { chain: "a.b.c" } }, ["target.chain"]],
    ["a reason in two lines", { action: "kill", target, reason: "a\nb" }, ["reason"]],
  ])("%s is 422 with the field named", async (_what, body, fields) => {
    const response = await s.c.json("/kill-switch", body, s.operator);
    expect(response.status).toBe(422);
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    const { errors } = await response.json();
    expect([...new Set(errors.map(({ field }: { field: string }) => field))]).toEqual(fields);
  });

  it("a token in the address is 422, and not repeated", async () => {
    const token = await tokenOf(await s.createService());
    for (const name of ["chain", "token"]) {
      const response = await s.c.call(`/kill-switch?${name}=${token}`, { headers: s.operator });
      expect(response.status).toBe(422);
      expect(await response.text()).not.toContain(token);
    }
  });
});

it("D25: killed at one of two instances, it is refused at the other with the next question", async () => {
  const [first, second, close] = await twoInstances({ env: PUBLIC_ENV });
  try {
    const [here, there] = [operate(first), operate(second)];
    const agent = await makeAgent({}, here);
    const tokens = [await tokenOf(agent.app, here), await tokenOf(agent.app, there)];
    const { dying } = await delegation(here);
    expect(await areActive([...tokens, ...dying], there)).toEqual([true, true, true, true, true]);
    await done("kill", { agent: agent.id }, here);
    await done("freeze", { chain: dying[0] ?? "" }, here);
    expect(await areActive([...tokens, ...dying], there)).toEqual([false, false, false, false, false]);
    // The other instance may remember the client for a second, and no longer.
    second.advance(1);
    const form = { grant_type: "client_credentials" };
    expect((await connect(second).form("/token", form, basic(agent.app))).status).toBe(401);
  } finally {
    await close();
  }
});
