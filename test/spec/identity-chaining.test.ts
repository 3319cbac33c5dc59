import { eq } from "drizzle-orm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { users } from "@/db/schema/users";
import { verifyChain } from "@/lib/oauth/chain-proof";
import { GRANT_TYPES, TOKEN_TYPES } from "@/lib/oauth/token-types";
import { type App, tokensOf } from "@/test/support/client";
import { unique } from "@/test/support/context";
import { delegation } from "@/test/support/delegation";
import { unchanged } from "@/test/support/digest";
import { type PublicServer, publicServer } from "@/test/support/public-server";
import { claimsOf } from "@/test/support/signer";
import { createRedeemer, type Partner, partner, redeem, refusal } from "@/test/support/trusted-assertions";

const ISSUER = "https://auth.example.com";

let s: PublicServer;
let other: Partner;
let app: App;
let resource: string;

beforeAll(async () => {
  s = await publicServer();
  other = await partner(s, ["chaining"]);
  resource = await s.createResource(["orders:read", "orders:write"]);
  app = await createRedeemer(s, { scope: "orders:read orders:write" });
  await chained();
});

afterAll(() => other.close());

const grant = (more: Record<string, unknown> = {}, header: Record<string, unknown> = {}) =>
  other.assertion({ scope: "orders:read orders:write billing", ...more }, header);

const chained = async (more: Record<string, unknown> = {}, fields: Record<string, string> = {}) =>
  tokensOf(await redeem(s, app, await grant(more), { resource, ...fields }));

const refused = (assertion: string, fields: Record<string, string> = {}) =>
  unchanged(s.t, async () => refusal(await redeem(s, app, assertion, { resource, ...fields })));

const INVALID_GRANT = { status: 400, error: "invalid_grant" };

describe("identity chaining -17 §2.4: a grant of another domain", () => {
  it("becomes a token for our person, by our client, chained from there", async () => {
    const tokens = await chained({ act: { sub: "client:agnt_theirs" }, auth_time: 1_700_000_000 });
    expect({ ...tokens, access_token: "" }).toEqual({
      access_token: "",
      token_type: "Bearer",
      expires_in: 900,
      scope: "orders:read orders:write",
    });
    const { iat, exp, jti, sub, rcpt, ...claims } = claimsOf(tokens.access_token);
    expect(sub).toMatch(/^user:[0-9A-Z]{26}$/);
    expect(claims).toEqual({
      iss: ISSUER,
      aud: resource,
      client_id: app.clientId,
      scope: "orders:read orders:write",
      act: { sub: `client:${app.clientId}`, act: { sub: "client:agnt_theirs", iss: other.issuer } },
      human_root: true,
      auth_time: 1_700_000_000,
      chained_from: other.issuer,
    });
  });

  it("without actors of theirs, our client is the first", async () => {
    const { access_token } = await chained();
    expect(claimsOf(access_token).act).toEqual({ sub: `client:${app.clientId}` });
  });

  it("is proven by a receipt that names where it came from", async () => {
    const jti = unique("grant-");
    const { access_token: token } = await chained({ jti, act: { sub: "agent" } });
    const bundle = await (await s.c.form("/receipts", { token }, s.operator)).json();
    expect(verifyChain({ token, bundle, now: s.t.ctx.now() })).toMatchObject({
      ok: true,
      origin: { issuer: other.issuer, sub: "alice", jti, act: { sub: "agent", iss: other.issuer } },
      hops: [{ actor: `client:${app.clientId}`, scopeAfter: ["orders:read", "orders:write"] }],
    });
  });

  it("may be delegated on here, with the foreign actors still inside", async () => {
    const d = delegation(s.c, s.operator);
    const agent = await d.createAgent(["orders:read"]);
    const front = await createRedeemer(s, {
      grant_types: [GRANT_TYPES.jwtBearer, GRANT_TYPES.tokenExchange],
      scope: "orders:read",
    });
    const first = await tokensOf(
      await redeem(s, front, await grant({ act: { sub: "theirs" } }), { resource }),
    );
    const handed = await d.exchanged(front, first.access_token, { audience: agent.clientId, scope: "" });
    const { access_token: token } = await d.exchanged(agent, handed.access_token, { audience: resource });
    expect(claimsOf(token).act).toEqual({
      sub: `client:${agent.clientId}`,
      act: { sub: `client:${front.clientId}`, act: { sub: "theirs", iss: other.issuer } },
    });
    const bundle = await (await s.c.form("/receipts", { token }, s.operator)).json();
    expect(verifyChain({ token, bundle, now: s.t.ctx.now() }).ok).toBe(true);
  });

  it.each([ISSUER, `${ISSUER}/token`, [ISSUER]])("§2.3: aud may be %j", async (aud) => {
    expect((await chained({ aud })).token_type).toBe("Bearer");
  });

  it("without a resource it is for the one registered for the client, or else for this server", async () => {
    const registered = await createRedeemer(s, { scope: "orders:read", allowed_resources: [resource] });
    const there = await tokensOf(await redeem(s, registered, await grant()));
    const here = await tokensOf(await redeem(s, app, await grant({ scope: "" })));
    expect([claimsOf(there.access_token).aud, claimsOf(here.access_token).aud]).toEqual([resource, ISSUER]);
  });

  it("a scope we do not know is another domain's own and dropped, as long as one is left", async () => {
    expect((await chained({ scope: "billing orders:read" })).scope).toBe("orders:read");
    expect(await refused(await grant({ scope: "billing" }))).toEqual({ status: 400, error: "invalid_scope" });
  });

  it("a grant without scope gives none, whatever the client is registered for", async () => {
    expect((await chained({ scope: undefined })).scope).toBe("");
    expect(await refused(await grant({ scope: undefined }), { scope: "orders:read" })).toEqual({
      status: 400,
      error: "invalid_scope",
      error_code: "scope_escalation",
    });
  });

  it("scope is never more than the grant's, what was asked for and the client's", async () => {
    expect((await chained({}, { scope: "orders:write" })).scope).toBe("orders:write");
    const narrow = await createRedeemer(s, { scope: "orders:read" });
    expect((await tokensOf(await redeem(s, narrow, await grant(), { resource }))).scope).toBe("orders:read");
    expect(await refused(await grant({ scope: "orders:read" }), { scope: "orders:write" })).toEqual({
      status: 400,
      error: "invalid_scope",
      error_code: "scope_escalation",
    });
  });
});

describe("identity chaining -17 §2.4: what is refused, and changes nothing", () => {
  it.each([
    ["no jti: it could be used again", { jti: undefined }],
    ["no sub", { sub: undefined }],
    ["no exp", { exp: undefined }],
    ["another audience", { aud: "https://other.example" }],
    ["our token endpoint and another server", { aud: [`${ISSUER}/token`, "https://other.example"] }],
    ["a life of more than an hour", { exp: 4_102_444_800 }],
    ["an agent of theirs, which is no person here", { sub: "client:agnt_theirs" }],
    ["a pseudonym that is said to be no person's", { human_root: false }],
    ["a key it is bound to", { cnf: { jkt: "A".repeat(43) } }],
    ["may_act for somebody else", { may_act: { sub: "client:somebody" } }, "unauthorized_client"],
  ])("%s", async (_, claims, error = "invalid_grant") => {
    expect(await refused(await grant(claims))).toMatchObject({ status: 400, error });
  });

  it("a second use", async () => {
    const assertion = await grant();
    expect((await redeem(s, app, assertion, { resource })).status).toBe(200);
    expect(await refused(assertion)).toEqual(INVALID_GRANT);
  });

  it("a second use as another thing: a grant that was exchanged is used up", async () => {
    const both = await createRedeemer(s, {
      grant_types: [GRANT_TYPES.jwtBearer, GRANT_TYPES.tokenExchange],
      scope: "orders:read",
    });
    const assertion = await grant({ scope: "orders:read" });
    const type = { subject_token_type: TOKEN_TYPES.jwt, audience: resource };
    await delegation(s.c).exchanged(both, assertion, type);
    expect(await unchanged(s.t, async () => refusal(await redeem(s, both, assertion, { resource })))).toEqual(
      INVALID_GRANT,
    );
  });

  it("a person nobody can identify", async () => {
    const strict = await partner(s, ["chaining"], {
      people: { create: true, allowed_domains: ["corp.example"] },
    });
    for (const claims of [
      {},
      { email: "a@other.example", email_verified: true },
      { email: "a@corp.example" },
    ]) {
      expect(await refused(await strict.assertion(claims))).toEqual(INVALID_GRANT);
    }
    const welcome = { email: "a@corp.example", email_verified: true, scope: "orders:read" };
    expect((await redeem(s, app, await strict.assertion(welcome), { resource })).status).toBe(200);
    await strict.close();
  });

  it("a person who is frozen here", async () => {
    const sub = unique("frozen-");
    const { access_token } = await chained({ sub });
    const id = String(claimsOf(access_token).sub).slice("user:".length);
    await s.t.ctx.db.update(users).set({ status: "frozen" }).where(eq(users.id, id));
    expect(await refused(await grant({ sub }))).toEqual(INVALID_GRANT);
    expect(await s.isActive(access_token)).toBe(false);
  });

  it("a public client", async () => {
    const open = await s.createApp({ grant_types: ["authorization_code", GRANT_TYPES.jwtBearer] });
    const answer = async () => refusal(await redeem(s, open, await grant(), { resource }));
    expect(await unchanged(s.t, answer)).toEqual({ status: 400, error: "unauthorized_client" });
  });

  it("nobody at all", async () => {
    const answer = async () => refusal(await redeem(s, undefined, await grant(), { resource }));
    expect(await unchanged(s.t, answer)).toEqual({ status: 401, error: "invalid_client" });
  });

  it("more hops than are allowed, theirs counted", async () => {
    const act = { sub: "4", act: { sub: "3", act: { sub: "2", act: { sub: "1" } } } };
    expect((await redeem(s, app, await grant({ act }), { resource })).status).toBe(200);
    expect(await refused(await grant({ act: { sub: "5", act } }))).toEqual({
      status: 400,
      error: "invalid_request",
      error_code: "delegation_depth_exceeded",
    });
  });
});
