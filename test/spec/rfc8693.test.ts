import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { TOKEN_TYPES } from "@/lib/oauth/token-types";
import { type Connection, connect, refusalOf } from "@/test/support/client";
import { type TestContext, testContext, unique } from "@/test/support/context";
import { delegation, type TestAgent } from "@/test/support/delegation";
import { unchanged } from "@/test/support/digest";
import { claimsOf } from "@/test/support/signer";

let t: TestContext;
let c: Connection;
let d: ReturnType<typeof delegation>;
let [orchestrator, search, database]: TestAgent[] = [];
let root: string;

beforeAll(async () => {
  t = await testContext();
  c = connect(t);
  d = delegation(c);
});
beforeEach(async () => {
  orchestrator = await d.createAgent(["read", "write", "search"]);
  search = await d.createAgent(["read", "search"]);
  database = await d.createAgent(["read"]);
  root = await d.ownToken(orchestrator);
});

const agent = (one: TestAgent | undefined): TestAgent => {
  if (!one) throw new Error("made before each test");
  return one;
};

describe("a successful exchange", () => {
  it("§2.2.1: answers with the token, its type, how it is used, how long, and its scope", async () => {
    const answer = await d.exchanged(agent(search), root, {
      audience: "https://api.example",
      scope: "search",
    });
    expect({ ...answer, access_token: "" }).toEqual({
      access_token: "",
      issued_token_type: TOKEN_TYPES.accessToken,
      token_type: "Bearer",
      expires_in: 300,
      scope: "search",
    });
  });

  it("§4.1: keeps the subject and names the actors, the newest outermost", async () => {
    const audience = "https://api.example";
    const [, , last = ""] = await d.chain(root, [agent(search), agent(database)], { audience });
    expect(claimsOf(last)).toMatchObject({
      sub: `client:${orchestrator?.clientId}`,
      client_id: database?.clientId,
      act: { sub: `client:${database?.clientId}`, act: { sub: `client:${search?.clientId}` } },
      aud: audience,
      scope: "read",
    });
  });

  it("D7: says that a person is at the root, and keeps when they signed in", async () => {
    const app = await c.registerPublic({ scope: "read" });
    const { access_token: person } = await c.tokensFor(app, { scope: "read" });
    const { access_token } = await d.exchanged(agent(search), person, { audience: "https://api.example" });
    const [before, after] = [claimsOf(person), claimsOf(access_token)];
    expect([after.sub, after.human_root, after.auth_time, after.amr]).toEqual([
      before.sub,
      true,
      before.auth_time,
      before.amr,
    ]);
  });

  it("§2.1: without scope it has what both the subject token and the client have", async () => {
    const { scope } = await d.exchanged(agent(search), root, { audience: "https://api.example" });
    expect(scope).toBe("read search");
  });

  it("a subject token without its type is taken for an access token, as clients of an earlier system mean it", async () => {
    const { access_token } = await d.exchanged(agent(search), root, { subject_token_type: undefined });
    expect(claimsOf(access_token).sub).toBe(`client:${orchestrator?.clientId}`);
  });

  it("§2.1: without audience and resource it stays where the subject token is", async () => {
    const { access_token } = await d.exchanged(agent(search), root);
    expect(claimsOf(access_token).aud).toBe(t.ctx.settings.serverUrl);
  });

  it("§2.1: resource and audience mean the same, and may both be sent for one target", async () => {
    const target = "https://api.example/v1";
    for (const fields of [
      { resource: target },
      { audience: target },
      { audience: target, resource: target },
    ]) {
      const { access_token } = await d.exchanged(agent(search), root, fields);
      expect(claimsOf(access_token).aud).toBe(target);
    }
  });

  it("§1.1: an actor token of the client's own makes no other chain than the client alone", async () => {
    const actor = { actor_token: await d.ownToken(agent(search)), actor_token_type: TOKEN_TYPES.accessToken };
    const { access_token } = await d.exchanged(agent(search), root, {
      audience: "https://api.example",
      ...actor,
    });
    expect(claimsOf(access_token).act).toEqual({ sub: `client:${search?.clientId}` });
  });

  it("Q12: what a person gave an app beyond its registration, it may hand on, and nobody else may have for it", async () => {
    const app = await c.registerConfidential({
      grant_types: ["authorization_code", "urn:ietf:params:oauth:grant-type:token-exchange"],
      scope: "read",
    });
    const { access_token } = await c.tokensFor(app, {
      scope: "read write",
      resource: "https://api.example/mcp",
    });
    const own = await d.exchanged(app, access_token, { audience: agent(search).clientId });
    expect(own.scope).toBe("read write");
    const response = await d.exchange(agent(search), own.access_token, { scope: "write" });
    expect(await refusalOf(response)).toEqual({ status: 400, error: "invalid_scope" });
  });

  it("§2.1: a refresh token of the client's own is read, not used up", async () => {
    const app = await c.registerConfidential({
      grant_types: ["authorization_code", "urn:ietf:params:oauth:grant-type:token-exchange"],
      scope: "read",
    });
    const { refresh_token } = await c.tokensFor(app, { scope: "read" });
    const type = { subject_token_type: TOKEN_TYPES.refreshToken };
    const { access_token } = await d.exchanged(app, refresh_token, type);
    expect(claimsOf(access_token)).toMatchObject({ scope: "read", act: { sub: `client:${app.clientId}` } });
    expect((await c.refresh(app, refresh_token)).status).toBe(200);
    await c.form("/revoke", { token: refresh_token, client_id: app.clientId, client_secret: app.secret });
    // It dies with the family that the refresh token belonged to.
    expect(await c.introspect(access_token)).toEqual({ active: false });
  });

  it("D22, D30: an audience may be an agent, which may then exchange the token", async () => {
    const { access_token } = await d.exchanged(agent(orchestrator), root, {
      audience: agent(search).clientId,
    });
    // In local mode another agent may, too; elsewhere it may not (security case 98).
    await d.exchanged(agent(database), access_token, { audience: "https://api.example" });
    const { access_token: next } = await d.exchanged(agent(search), access_token, {
      audience: "https://api.example",
    });
    expect(claimsOf(next).act).toEqual({ sub: `client:${search?.clientId}` });
  });

  it("is told in the audit trail with its parent, actors and receipt", async () => {
    const { access_token } = await d.exchanged(agent(search), root, { audience: "https://api.example" });
    const { jti, rcpt } = claimsOf(access_token);
    const event = await t.ctx.db.query.events.findFirst({
      where: (row, { eq }) => eq(row.subject, `token:${jti}`),
    });
    expect(event).toMatchObject({
      type: "token.exchanged",
      actor: `client:${search?.clientId}`,
      data: {
        parent: claimsOf(root).jti,
        actors: [`client:${search?.clientId}`],
        receipt: rcpt,
        scope: ["read", "search"],
        policy: "builtin/4",
      },
    });
  });
});

describe("§2.2.2: refusals change nothing", () => {
  const refusals: Record<string, [fields: Record<string, string | undefined>, error: string]> = {
    "no subject token": [{ subject_token: undefined }, "invalid_request"],
    "a subject token type nobody knows": [{ subject_token_type: "urn:x" }, "invalid_request"],
    SAML: [{ subject_token_type: "urn:ietf:params:oauth:token-type:saml2" }, "invalid_request"],
    "a subject token that is none": [{ subject_token: "x.y.z" }, "invalid_request"],
    "an actor token without its type": [{ actor_token: "x.y.z" }, "invalid_request"],
    "the type of an actor token without one": [
      { actor_token_type: TOKEN_TYPES.accessToken },
      "invalid_request",
    ],
    "an actor token that is none": [
      { actor_token: "x.y.z", actor_token_type: TOKEN_TYPES.accessToken },
      "invalid_request",
    ],
    "a refresh token asked for": [{ requested_token_type: TOKEN_TYPES.refreshToken }, "invalid_request"],
    "two targets": [{ audience: "https://a.example", resource: "https://b.example" }, "invalid_target"],
    "a resource with a fragment": [{ resource: "https://a.example/#b" }, "invalid_target"],
    "an agent that is not there": [{ audience: "agnt_nobody" }, "invalid_target"],
    "a scope the subject token does not have": [{ scope: "admin" }, "invalid_scope"],
  };
  it.each(Object.entries(refusals))("%s", async (_, [fields, error]) => {
    const response = await unchanged(t, () => d.exchange(agent(search), root, fields));
    expect(await refusalOf(response)).toEqual({ status: 400, error });
  });

  it("D7: a public client exchanges nothing", async () => {
    const app = await c.registerPublic();
    expect(await refusalOf(await d.exchange(app, root))).toEqual({
      status: 400,
      error: "unauthorized_client",
    });
  });

  it("a client that is not registered for it", async () => {
    const app = await c.registerConfidential();
    expect(await refusalOf(await d.exchange(app, root))).toEqual({
      status: 400,
      error: "unauthorized_client",
    });
  });

  it("D8: the refusal says more exactly what is wrong, and where to read on", async () => {
    const response = await d.exchange(agent(search), root, { scope: unique("scope-") });
    const { error_code, error_uri } = await response.json();
    expect([error_code, error_uri]).toEqual([
      "scope_escalation",
      `${t.ctx.settings.serverUrl}/errors/scope_escalation`,
    ]);
  });
});
