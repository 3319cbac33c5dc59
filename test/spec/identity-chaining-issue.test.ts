import { createHmac } from "node:crypto";
import { createLocalJWKSet, decodeProtectedHeader, jwtVerify } from "jose";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { TOKEN_TYPES } from "@/lib/oauth/token-types";
import { deriveKey } from "@/lib/secret-key";
import { type Connection, connect, refusalOf } from "@/test/support/client";
import { type TestContext, testContext, unique } from "@/test/support/context";
import { delegation, type TestAgent } from "@/test/support/delegation";
import { unchanged } from "@/test/support/digest";
import { listening } from "@/test/support/listening";
import { operatorService } from "@/test/support/operator-service";
import { publicServer } from "@/test/support/public-server";
import { claimsOf } from "@/test/support/signer";
import { createRedeemer, redeem, refusal } from "@/test/support/trusted-assertions";

const B = "https://as.b.example";
const C = "https://as.c.example/token";
const TARGETS = { AUTHGENT_TRUSTED_CHAINING_TARGETS: `${B},${C}` };

type Fields = Record<string, string | readonly string[] | undefined>;

let t: TestContext;
let c: Connection;
let d: ReturnType<typeof delegation>;
let planner: TestAgent;
let search: TestAgent;
let root: string;

beforeAll(async () => {
  t = await testContext({ env: TARGETS });
  c = connect(t);
  d = delegation(c);
  planner = await d.createAgent(["read", "write", "search"]);
  search = await d.createAgent(["read", "search"]);
});
beforeEach(async () => {
  root = await d.ownToken(planner);
});

const grantFor = (agent: TestAgent, token: string, fields: Fields = {}, by = d) =>
  by.exchange(agent, token, { requested_token_type: TOKEN_TYPES.jwt, audience: B, ...fields });
const granted = async (agent: TestAgent, token: string, fields: Fields = {}) => {
  const response = await grantFor(agent, token, fields);
  expect(response.status).toBe(200);
  return response.json();
};
/** A person's token, held by an app of theirs. */
const personToken = async (): Promise<string> =>
  (await c.tokensFor(await c.registerPublic({ scope: "read" }), { scope: "read" })).access_token;

describe("§2.3.3: the answer", () => {
  it("is a JWT that is no access token, for a minute, and no refresh token", async () => {
    const { access_token: grant, ...answer } = await granted(search, root, { scope: "search" });
    expect(answer).toEqual({
      issued_token_type: TOKEN_TYPES.jwt,
      token_type: "N_A",
      expires_in: 60,
      scope: "search",
    });
    expect(decodeProtectedHeader(grant).typ).toBe("JWT");
  });

  it("is signed with a published key, for the one server, about the subject and all who act", async () => {
    const { access_token: grant } = await granted(search, root, { scope: "search" });
    const { serverUrl } = t.ctx.settings;
    const jwks = createLocalJWKSet(await t.ctx.keys.jwks());
    const { payload } = await jwtVerify(grant, jwks, {
      issuer: serverUrl,
      audience: B,
      currentDate: t.ctx.now(),
    });
    expect(payload).toEqual({
      iss: serverUrl,
      sub: `client:${planner.clientId}`,
      aud: B,
      jti: expect.stringMatching(/^[0-9a-f-]{36}$/),
      iat: expect.any(Number),
      exp: Number(payload.iat) + 60,
      client_id: search.clientId,
      scope: "search",
      human_root: false,
      act: { sub: `client:${search.clientId}`, iss: serverUrl },
    });
  });

  it("says that a person is at the root", async () => {
    const person = await personToken();
    const { access_token: grant } = await granted(search, person);
    const { sub, human_root } = claimsOf(grant);
    expect([sub, human_root]).toEqual([claimsOf(person).sub, true]);
  });

  it("keeps every actor of a longer chain, the newest outermost", async () => {
    const database = await d.createAgent(["read"]);
    const { access_token: delegated } = await d.exchanged(search, root, { audience: database.clientId });
    const { access_token: grant } = await granted(database, delegated, { scope: "read" });
    const iss = t.ctx.settings.serverUrl;
    expect(claimsOf(grant).act).toEqual({
      sub: `client:${database.clientId}`,
      iss,
      act: { sub: `client:${search.clientId}`, iss },
    });
  });

  it("without scope has what both the subject token and the client have", async () => {
    const { scope, access_token: grant } = await granted(search, root);
    expect([scope, claimsOf(grant).scope]).toEqual(["read search", "read search"]);
  });

  it("never outlives the subject token", async () => {
    const short = await testContext({ env: { ...TARGETS, AUTHGENT_CHAINING_GRANT_TTL: "300" } });
    const by = delegation(connect(short));
    const token = await by.ownToken(planner);
    short.advance(Number(claimsOf(token).exp) - Math.floor(short.ctx.now().getTime() / 1000) - 20);
    const { access_token: grant, expires_in } = await (await grantFor(search, token, {}, by)).json();
    const earlier = Number(claimsOf(token).exp) - Number(claimsOf(grant).exp);
    // Seconds are whole: it may end one earlier.
    expect([earlier === 0 || earlier === 1, expires_in <= 20]).toEqual([true, true]);
  });

  it("is told in the audit trail, and is no token of this server", async () => {
    const { access_token: grant } = await granted(search, root, { scope: "read" });
    const { jti, sub } = claimsOf(grant);
    const event = await t.ctx.db.query.events.findFirst({
      where: (row, { eq }) => eq(row.subject, `token:${jti}`),
    });
    expect(event).toMatchObject({
      type: "token.chaining_grant_issued",
      actor: `client:${search.clientId}`,
      clientId: search.clientId,
      data: {
        principal: sub,
        actors: [`client:${search.clientId}`],
        parent: claimsOf(root).jti,
        scope: ["read"],
        audience: B,
        known_as: sub,
        policy: "builtin/4",
      },
    });
    expect(await c.introspect(grant)).toEqual({ active: false });
    const mcp = await c.json("/mcp", {}, { authorization: `Bearer ${grant}` });
    expect(mcp.status).toBe(401);
    const again = await grantFor(search, grant, { subject_token_type: TOKEN_TYPES.jwt });
    expect(await refusalOf(again)).toEqual({ status: 400, error: "invalid_request" });
  });
});

describe("§2.3.1: which server it is for", () => {
  it.each([
    [{ audience: B }, B],
    [{ audience: `${B}/token` }, B],
    [{ audience: undefined, resource: B }, B],
    [{ audience: B, resource: `${B}/token` }, B],
    [{ audience: "https://as.c.example" }, C],
    [{ audience: C }, C],
  ])("%j", async (fields, aud) => {
    const { access_token: grant } = await granted(search, root, fields);
    expect(claimsOf(grant).aud).toBe(aud);
  });

  it.each<[string, Fields, string]>([
    ["none", { audience: undefined }, "invalid_request"],
    ["an empty one", { audience: "" }, "invalid_request"],
    ["one that nobody trusts", { audience: "https://as.evil.example" }, "invalid_target"],
    ["this server", { audience: "http://localhost:8000" }, "invalid_target"],
    ["two", { audience: B, resource: C }, "invalid_target"],
    ["one known and one not", { audience: B, resource: "https://as.evil.example" }, "invalid_target"],
    ["two resources", { audience: undefined, resource: [B, C] }, "invalid_target"],
  ])("%s", async (_, fields, error) => {
    const response = await unchanged(t, () => grantFor(search, root, fields));
    expect(await refusalOf(response)).toEqual({ status: 400, error });
  });

  it("the refusal names the setting, and none of the servers in it", async () => {
    const { error_description } = await (
      await grantFor(search, root, { audience: "https://x.example" })
    ).json();
    expect(error_description).toBe(
      "No grants are issued for this server. Ask the operator to add it to AUTHGENT_TRUSTED_CHAINING_TARGETS.",
    );
  });

  it("empty settings mean none", async () => {
    const other = delegation(connect(await testContext()));
    const response = await grantFor(search, root, {}, other);
    expect(await refusalOf(response)).toEqual({ status: 400, error: "invalid_target" });
  });
});

describe("§2.3.2: what an access token would not be issued for, a grant is not either", () => {
  const refusal = async (agent: TestAgent, token: string, fields: Fields = {}) => {
    const { error, error_code } = await (await unchanged(t, () => grantFor(agent, token, fields))).json();
    return [error, error_code];
  };

  it("a scope that the subject token does not have", async () => {
    const wide = await d.createAgent(["read", "admin-things"]);
    expect(await refusal(wide, root, { scope: "read admin-things" })).toEqual([
      "invalid_scope",
      "scope_escalation",
    ]);
  });

  it("a scope that the client is not registered for", async () => {
    expect(await refusal(search, root, { scope: "write" })).toEqual(["invalid_scope", "scope_escalation"]);
  });

  it("a client whom the agent does not let act", async () => {
    const closed = await d.createAgent(["read"], { may_act: [planner.clientId] });
    const token = await d.ownToken(closed);
    expect(await refusal(search, token)).toEqual(["unauthorized_client", "may_act_violation"]);
  });

  it("a server that the agent's registration leaves out", async () => {
    const bound = await d.createAgent(["read"], { allowed_exchange_targets: ["https://as.c.example/token"] });
    const token = await d.ownToken(bound);
    expect(await refusal(search, token)).toEqual(["invalid_target", undefined]);
    expect((await grantFor(search, token, { audience: C })).status).toBe(200);
  });

  it("a chain that would be too long", async () => {
    const shallow = await testContext({ env: { ...TARGETS, AUTHGENT_MAX_DELEGATION_DEPTH: "1" } });
    const by = delegation(connect(shallow));
    const database = await by.createAgent(["read"]);
    const { access_token: delegated } = await by.exchanged(search, root, { audience: database.clientId });
    const { error_code } = await (await grantFor(database, delegated, {}, by)).json();
    expect(error_code).toBe("delegation_depth_exceeded");
  });

  it("a token for a resource that the client does not act for", async () => {
    const resource = await c.protect(`https://${unique("api")}.example`, { scopes: ["read"] });
    const token = await d.ownToken(planner, { resource });
    expect(await refusal(search, token)).toEqual(["invalid_request", undefined]);
    expect((await grantFor(planner, token)).status).toBe(200);
  });

  it("a token that was revoked", async () => {
    await c.form("/revoke", { token: root, client_id: planner.clientId, client_secret: planner.secret });
    expect(await refusal(search, root)).toEqual(["invalid_request", undefined]);
  });

  it("a policy that says no", async () => {
    const service = await operatorService({ effect: "deny", reason: "Not abroad." });
    const env = { ...TARGETS, AUTHGENT_POLICY_PROVIDER: "http", AUTHGENT_POLICY_URL: service.url };
    const by = delegation(connect(await testContext({ env })));
    const { error, error_description } = await (await grantFor(search, root, {}, by)).json();
    await service.close();
    expect([error, error_description]).toEqual(["unauthorized_client", "Not abroad."]);
    expect(service.asked).toMatchObject([{ body: { client_id: search.clientId, audience: B } }]);
  });
});

describe("§2.5: AUTHGENT_CHAINING_CLAIMS_POLICY=minimize", () => {
  it("gives a pseudonym for each server, the same every time, and says who it is to the operator alone", async () => {
    const minimal = await testContext({ env: { ...TARGETS, AUTHGENT_CHAINING_CLAIMS_POLICY: "minimize" } });
    const by = delegation(connect(minimal));
    const person = await personToken();
    const claims = async (audience: string) =>
      claimsOf((await (await grantFor(search, person, { audience }, by)).json()).access_token);
    const [first, again, elsewhere] = [await claims(B), await claims(`${B}/token`), await claims(C)];
    const { serverUrl, secretKey } = minimal.ctx.settings;
    const pseudonym = createHmac("sha256", deriveKey(secretKey, "pairwise"))
      .update(JSON.stringify([B, claimsOf(person).sub]))
      .digest("base64url");
    expect(first).toEqual({
      iss: serverUrl,
      sub: pseudonym,
      aud: B,
      jti: first.jti,
      iat: first.iat,
      exp: first.exp,
      scope: "read",
      human_root: true,
    });
    expect(again.sub).toBe(pseudonym);
    expect(elsewhere.sub).not.toBe(pseudonym);
    const event = await t.ctx.db.query.events.findFirst({
      where: (row, { eq }) => eq(row.subject, `token:${first.jti}`),
    });
    expect(event?.data).toMatchObject({ principal: claimsOf(person).sub, known_as: pseudonym });
  });
});

describe("two of these servers chain with each other", () => {
  /** A server at an address of its own, and the one of the operator's tests, which redeems its grants. */
  async function domains(claimsPolicy: "preserve_sub" | "minimize") {
    const a = await listening();
    const b = await publicServer({ env: { AUTHGENT_TRUSTED_CHAINING_ISSUERS: a.url } });
    const trustedChainingTargets = [b.t.ctx.settings.serverUrl];
    const settings = { ...a.t.ctx.settings, trustedChainingTargets, chainingClaimsPolicy: claimsPolicy };
    const from = connect({ ...a.t, ctx: { ...a.t.ctx, settings } });
    const target = { audience: b.t.ctx.settings.serverUrl };
    const resource = await b.createResource(["read", "write"]);
    const app = await createRedeemer(b, { scope: "read write" });
    const by = delegation(from);
    const agent = await by.createAgent(["read", "write"]);
    const grantOf = async (token: string) =>
      (await (await grantFor(agent, token, target, by)).json()).access_token;
    const redeemed = (grant: string) => redeem(b, app, grant, { resource });
    return { a, b, from, by, agent, app, resource, grantOf, redeemed };
  }

  it("person, agent at A, agent at B: who acts is told across, and the scope only shrinks", async () => {
    const { a, b, from, agent, app, resource, grantOf, redeemed } = await domains("preserve_sub");
    const person = await from.tokensFor(await from.registerPublic({ scope: "read" }), { scope: "read" });
    const grant = await grantOf(person.access_token);
    const { access_token: token } = await (await redeemed(grant)).json();
    expect(claimsOf(token)).toMatchObject({
      iss: b.t.ctx.settings.serverUrl,
      aud: resource,
      client_id: app.clientId,
      scope: "read",
      chained_from: a.url,
      human_root: true,
      act: { sub: `client:${app.clientId}`, act: { sub: `client:${agent.clientId}`, iss: a.url } },
    });
    expect(claimsOf(token).sub).not.toBe(claimsOf(person.access_token).sub);
    expect(await refusal(await redeemed(grant))).toEqual({ status: 400, error: "invalid_grant" });
    await a.close();
  });

  it("minimized, B knows the person again and learns nothing of who acts at A", async () => {
    const { a, from, app, grantOf, redeemed } = await domains("minimize");
    const person = await from.tokensFor(await from.registerPublic({ scope: "read" }), { scope: "read" });
    const tokens = [];
    for (const _ of [1, 2]) tokens.push(await (await redeemed(await grantOf(person.access_token))).json());
    const [first, second] = tokens.map(({ access_token }) => claimsOf(access_token));
    expect(first?.sub).toMatch(/^user:/);
    expect(second?.sub).toBe(first?.sub);
    expect(first?.act).toEqual({ sub: `client:${app.clientId}` });
    await a.close();
  });

  it.each(["preserve_sub", "minimize"] as const)("an agent of A is no person at B: %s", async (policy) => {
    const { a, by, agent, grantOf, redeemed } = await domains(policy);
    const response = await redeemed(await grantOf(await by.ownToken(agent)));
    expect(await refusal(response)).toEqual({ status: 400, error: "invalid_grant" });
    await a.close();
  });
});
