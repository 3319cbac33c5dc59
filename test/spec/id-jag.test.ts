import { and, eq } from "drizzle-orm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { events } from "@/db/schema/events";
import { identities, users } from "@/db/schema/users";
import { verifyChain } from "@/lib/oauth/chain-proof";
import { type App, basic, tokensOf } from "@/test/support/client";
import { unique } from "@/test/support/context";
import { unchanged } from "@/test/support/digest";
import { type PublicServer, publicServer } from "@/test/support/public-server";
import { claimsOf } from "@/test/support/signer";
import { createRedeemer, type Partner, partner, redeem, refusal } from "@/test/support/trusted-assertions";

const TYPED = { typ: "oauth-id-jag+jwt" };
const ISSUER = "https://auth.example.com";

let s: PublicServer;
let corp: Partner;
let app: App;
let resource: string;

beforeAll(async () => {
  s = await publicServer();
  corp = await partner(s, ["id_jag"]);
  resource = await s.createResource(["notes:read", "notes:write", "notes:admin"], {
    scopes: [
      { name: "notes:read", description: "Read", risk: "low" },
      { name: "notes:write", description: "Write", risk: "low" },
      { name: "notes:admin", description: "Manage", risk: "high", minimum_role: "admin" },
    ],
  });
  app = await createRedeemer(s, { scope: "notes:read notes:write notes:admin" });
  // Somebody is known already, so that a refusal has nobody to leave behind.
  await tokensOf(await redeem(s, app, await idJag({ scope: "notes:read" })));
});

afterAll(() => corp.close());

const idJag = (more: Record<string, unknown> = {}, header: Record<string, unknown> = TYPED) =>
  corp.assertion({ client_id: app.clientId, resource, scope: "notes:read notes:write", ...more }, header);

const redeemed = async (more: Record<string, unknown> = {}, fields: Record<string, string> = {}) =>
  tokensOf(await redeem(s, app, await idJag(more), fields));

const refused = (assertion: string, fields: Record<string, string> = {}, as: App | undefined = app) =>
  unchanged(s.t, async () => refusal(await redeem(s, as, assertion, fields)));

const INVALID_GRANT = { status: 400, error: "invalid_grant" };
const INVALID_TARGET = { status: 400, error: "invalid_target" };

async function personOf(sub: string) {
  const [row] = await s.t.ctx.db
    .select({ id: users.id, role: users.role, email: users.email })
    .from(identities)
    .innerJoin(users, eq(users.id, identities.userId))
    .where(eq(identities.sub, sub));
  return row;
}

describe("ID-JAG -04 §4.4: the resource's server of an enterprise", () => {
  it("gives an access token for the person and the resource, and nothing that renews it", async () => {
    const sub = unique("alice-");
    const tokens = await redeemed({ sub, email: "Alice@corp.example", email_verified: true });
    expect({ ...tokens, access_token: "" }).toEqual({
      access_token: "",
      token_type: "Bearer",
      expires_in: 900,
      scope: "notes:read notes:write",
    });
    const person = await personOf(sub);
    expect(person).toMatchObject({ role: "member", email: "Alice@corp.example" });
    const { iat, exp, jti, ...claims } = claimsOf(tokens.access_token);
    expect(claims).toEqual({
      iss: ISSUER,
      sub: `user:${person?.id}`,
      aud: resource,
      client_id: app.clientId,
      scope: "notes:read notes:write",
      chained_from: corp.issuer,
    });
    expect([Number(exp) - Number(iat), await s.isActive(tokens.access_token)]).toEqual([900, true]);
    expect(jti).toMatch(/^[0-9a-f-]{36}$/);
  });

  it("the same sub is the same person again", async () => {
    const sub = unique();
    const [one, other] = [await redeemed({ sub }), await redeemed({ sub })];
    expect(claimsOf(one.access_token).sub).toBe(claimsOf(other.access_token).sub);
  });

  it("of ten first assertions at once, each gets a token of the same person", async () => {
    const sub = unique("new-");
    const tokens = await Promise.all(Array.from({ length: 10 }, () => redeemed({ sub })));
    const subjects = tokens.map(({ access_token }) => claimsOf(access_token).sub);
    expect(new Set(subjects)).toEqual(new Set([`user:${(await personOf(sub))?.id}`]));
  });

  it("D19: a policy that says no leaves nobody behind, and is asked about the person there would be", async () => {
    const { policy } = s.t.ctx;
    const sub = unique("new-");
    const asked: string[] = [];
    s.t.ctx.policy = {
      decide: async (request) => {
        asked.push(request.subject);
        const denial = { code: "unauthorized_client", description: "Not today." } as const;
        return { effect: "deny", version: "1", denials: [denial] };
      },
    };
    expect(await refused(await idJag({ sub }))).toMatchObject({ error: "unauthorized_client" });
    s.t.ctx.policy = policy;
    expect(await personOf(sub)).toBe(undefined);
    expect(asked).toEqual([expect.stringMatching(/^user:[0-9A-HJKMNP-TV-Z]{26}$/)]);
  });

  it("an e-mail that the enterprise has not verified is nobody's", async () => {
    const sub = unique("alice-");
    await redeemed({ sub, email: "root@corp.example" });
    expect(await personOf(sub)).toMatchObject({ email: "" });
  });

  it("is told in the audit trail with the assertion it came from", async () => {
    const jti = unique("jag-");
    const { access_token } = await redeemed({ jti });
    const [event] = await s.t.ctx.db
      .select()
      .from(events)
      .where(eq(events.subject, `token:${claimsOf(access_token).jti}`));
    expect(event).toMatchObject({
      type: "token.issued",
      actor: `client:${app.clientId}`,
      data: {
        grantType: "urn:ietf:params:oauth:grant-type:jwt-bearer",
        principal: claimsOf(access_token).sub,
        issuer: corp.issuer,
        assertion: jti,
        profile: "id_jag",
        audience: resource,
      },
    });
  });

  it("carries when and how the person signed in at the enterprise", async () => {
    const { access_token } = await redeemed({ auth_time: 1_700_000_000, amr: ["pwd", "otp"] });
    expect(claimsOf(access_token)).toMatchObject({ auth_time: 1_700_000_000, amr: ["pwd", "otp"] });
  });

  it("leaves out a sign-in that cannot be read", async () => {
    const { access_token } = await redeemed({ auth_time: "yesterday", amr: "pwd" });
    expect(claimsOf(access_token)).not.toHaveProperty("auth_time");
    expect(claimsOf(access_token)).not.toHaveProperty("amr");
  });

  it("keeps who acted already, each with the server that knows them, inside the client, with a receipt", async () => {
    const act = { sub: "agent-7", act: { sub: "agent-1", iss: "https://other.example" } };
    const { access_token } = await redeemed({ act });
    const claims = claimsOf(access_token);
    expect(claims.act).toEqual({
      sub: `client:${app.clientId}`,
      act: { sub: "agent-7", iss: corp.issuer, act: { sub: "agent-1", iss: "https://other.example" } },
    });
    expect(claims.human_root).toBe(true);
    const bundle = await (await s.c.form("/receipts", { token: access_token }, s.operator)).json();
    const proof = verifyChain({ token: access_token, bundle, now: s.t.ctx.now() });
    expect(proof).toMatchObject({ ok: true, origin: { issuer: corp.issuer, sub: "alice" } });
  });

  it("the resource may be named by the request, or by both in two spellings", async () => {
    const named = await redeemed({ resource: undefined }, { resource });
    const both = await redeemed({ resource: [resource] }, { resource: resource.replace("https", "HTTPS") });
    expect([claimsOf(named.access_token).aud, claimsOf(both.access_token).aud]).toEqual([resource, resource]);
  });

  it("of several resources the request says which", async () => {
    const other = "https://other.example/mcp";
    const { access_token } = await redeemed({ resource: [other, resource] }, { resource });
    expect(claimsOf(access_token).aud).toBe(resource);
    expect(await refused(await idJag({ resource: [other, resource] }))).toEqual(INVALID_TARGET);
  });

  it("the scope is what the assertion says, what was asked for, and what the client may have", async () => {
    expect((await redeemed({}, { scope: "notes:read" })).scope).toBe("notes:read");
    const narrow = await createRedeemer(s, { scope: "notes:read" });
    const assertion = await idJag({ client_id: narrow.clientId });
    expect((await tokensOf(await redeem(s, narrow, assertion))).scope).toBe("notes:read");
  });

  it("an assertion without scope leaves it to what is registered here, and to the person's role", async () => {
    expect((await redeemed({ scope: undefined })).scope).toBe("notes:read notes:write");
  });

  it("D19: a scope that takes a role is given to people who have it", async () => {
    const sub = unique("boss-");
    expect((await redeemed({ sub, scope: "notes:read notes:admin" })).scope).toBe("notes:read");
    const person = await personOf(sub);
    await s.t.ctx.db
      .update(users)
      .set({ role: "admin" })
      .where(eq(users.id, person?.id ?? ""));
    expect((await redeemed({ sub, scope: "notes:read notes:admin" })).scope).toBe("notes:read notes:admin");
  });

  it("the operator's limit on an issuer bounds all of its assertions", async () => {
    const limited = await partner(s, ["id_jag"], { scope: "notes:read" });
    const assertion = await limited.assertion({ client_id: app.clientId, resource }, TYPED);
    expect((await tokensOf(await redeem(s, app, assertion))).scope).toBe("notes:read");
    await limited.close();
  });

  it("the token dies with the person here", async () => {
    const sub = unique("leaver-");
    const { access_token } = await redeemed({ sub });
    const person = await personOf(sub);
    await s.t.ctx.db
      .update(users)
      .set({ status: "disabled" })
      .where(eq(users.id, person?.id ?? ""));
    expect(await s.isActive(access_token)).toBe(false);
    expect(await refused(await idJag({ sub }))).toEqual(INVALID_GRANT);
  });
});

describe("ID-JAG -04 §4.4.1: what is refused, and changes nothing", () => {
  it("a public client, before anything is read", async () => {
    const open = await s.createApp({
      grant_types: ["authorization_code", "urn:ietf:params:oauth:grant-type:jwt-bearer"],
    });
    const assertion = await idJag({ client_id: open.clientId });
    expect(await refused(assertion, {}, open)).toEqual({ status: 400, error: "unauthorized_client" });
  });

  it("a client that does not authenticate", async () => {
    expect(
      await refused(await idJag(), { client_id: app.clientId }, { clientId: "", redirectUri: "" }),
    ).toEqual({
      status: 401,
      error: "invalid_client",
    });
  });

  it("nobody at all", async () => {
    const nobody = () => redeem(s, undefined, assertion);
    const assertion = await idJag();
    expect(await unchanged(s.t, async () => refusal(await nobody()))).toEqual({
      status: 401,
      error: "invalid_client",
    });
  });

  it("a client that is not registered for the grant", async () => {
    const service = await s.createService();
    const assertion = await idJag({ client_id: service.clientId });
    expect(await refused(assertion, {}, service)).toEqual({ status: 400, error: "unauthorized_client" });
  });

  it("an assertion for another client", async () => {
    const other = await createRedeemer(s);
    expect(await refused(await idJag(), {}, other)).toEqual(INVALID_GRANT);
  });

  it.each([
    ["client_id", { client_id: undefined }],
    ["jti", { jti: undefined }],
    ["iat", { iat: undefined }],
    ["exp", { exp: undefined }],
    ["sub", { sub: undefined }],
    ["iss", { iss: undefined }],
    ["aud", { aud: undefined }],
  ])("§3.1: an assertion without %s", async (_, claims) => {
    expect(await refused(await idJag(claims))).toEqual(INVALID_GRANT);
  });

  it.each([
    ["another audience", { aud: "https://other.example" }],
    ["the token endpoint as audience", { aud: `${ISSUER}/token` }],
    ["two audiences", { aud: [ISSUER, "https://other.example"] }],
    ["our audience with a slash", { aud: `${ISSUER}/` }],
    ["a key it is bound to: DPoP follows", { cnf: { jkt: "A".repeat(43) } }],
    ["a tenant, which would be dropped", { tenant: "t1" }],
    ["an act that is no object", { act: "agent" }],
    ["an act without sub", { act: { iss: "https://corp.example" } }],
    ["a resource that is no URI", { resource: 7 }],
  ])("%s", async (_, claims) => {
    expect(await refused(await idJag(claims))).toEqual(INVALID_GRANT);
  });

  it("authorization_details of a type that the resource does not have: they would be dropped", async () => {
    expect(await refused(await idJag({ authorization_details: [{ type: "payment" }] }))).toEqual({
      status: 400,
      error: "invalid_authorization_details",
    });
  });

  it("an array with the one audience is as good as the string", async () => {
    expect((await redeemed({ aud: [ISSUER] })).token_type).toBe("Bearer");
  });

  it("one that has expired", async () => {
    const exp = Math.floor(s.t.ctx.now().getTime() / 1000);
    expect(await refused(await idJag({ exp }))).toEqual(INVALID_GRANT);
  });

  it.each(["JWT", "at+jwt", undefined])("typ %s", async (typ) => {
    expect(await refused(await idJag({}, { typ }))).toEqual(INVALID_GRANT);
  });

  it("108: a second use, also where the first was another client's mistake", async () => {
    const assertion = await idJag();
    const other = await createRedeemer(s);
    expect(await refused(assertion, {}, other)).toEqual(INVALID_GRANT);
    expect((await redeem(s, app, assertion)).status).toBe(200);
    expect(await refused(assertion)).toEqual(INVALID_GRANT);
  });

  it("a refusal uses nothing up", async () => {
    const assertion = await idJag();
    expect(await refused(assertion, { scope: "notes:delete" })).toMatchObject({ error: "invalid_scope" });
    expect((await redeem(s, app, assertion)).status).toBe(200);
  });

  it("no resource anywhere", async () => {
    expect(await refused(await idJag({ resource: undefined }))).toEqual(INVALID_TARGET);
  });

  it("a resource this server does not know", async () => {
    expect(await refused(await idJag({ resource: "https://elsewhere.example/mcp" }))).toEqual(INVALID_TARGET);
  });

  it("a request for another resource than the assertion's", async () => {
    expect(await refused(await idJag(), { resource: ISSUER })).toEqual(INVALID_TARGET);
  });

  it("a scope the resource does not know", async () => {
    const assertion = await idJag({ scope: "notes:read notes:fly" });
    expect(await refused(assertion)).toEqual({ status: 400, error: "invalid_scope" });
  });

  it.each(["notes:read", ""])("a request for more than the assertion's %j", async (scope) => {
    expect(await refused(await idJag({ scope }), { scope: "notes:write" })).toEqual({
      status: 400,
      error: "invalid_scope",
      error_code: "scope_escalation",
    });
  });

  it("more hops than are allowed, whatever the actors call themselves", async () => {
    const act = { sub: "user:1", act: { sub: "user:2", act: { sub: "user:3", act: { sub: "user:4" } } } };
    expect((await redeem(s, app, await idJag({ act }))).status).toBe(200);
    expect(await refused(await idJag({ act: { sub: "user:0", act } }))).toEqual({
      status: 400,
      error: "invalid_request",
      error_code: "delegation_depth_exceeded",
    });
  });

  it("an act nested without end", async () => {
    let act: Record<string, unknown> = { sub: "a" };
    for (let depth = 0; depth < 100; depth++) act = { sub: "a", act };
    expect(await refused(await idJag({ act }))).toEqual(INVALID_GRANT);
  });

  it("D19: somebody new where only linked people come in", async () => {
    const strict = await partner(s, ["id_jag"], { people: { create: false, allowed_domains: [] } });
    const assertion = await strict.assertion({ client_id: app.clientId, resource }, TYPED);
    expect(await refused(assertion)).toEqual(INVALID_GRANT);
    await strict.close();
  });

  it("somebody new for whom something else is wrong is not made known", async () => {
    const assertion = await idJag({ sub: unique("new-") });
    expect(await refused(assertion, { scope: "notes:delete" })).toMatchObject({ error: "invalid_scope" });
  });

  it.each([["chaining"], ["id_token"]])("an issuer that is trusted for %s only", async (purpose) => {
    const other = await partner(s, [purpose]);
    const assertion = await other.assertion({ client_id: app.clientId, resource }, TYPED);
    expect(await refused(assertion)).toEqual(INVALID_GRANT);
    await other.close();
  });

  it("an issuer the operator has disabled", async () => {
    const former = await partner(s, ["id_jag"]);
    await former.change({ status: "disabled" });
    const assertion = await former.assertion({ client_id: app.clientId, resource }, TYPED);
    expect(await refused(assertion)).toEqual(INVALID_GRANT);
    await former.close();
  });

  it("what a client that proved itself was refused is in the audit trail", async () => {
    const own = await createRedeemer(s);
    await redeem(s, own, await idJag({ client_id: own.clientId, aud: "https://other.example" }));
    const told = await s.t.ctx.db
      .select({ clientId: events.clientId, data: events.data })
      .from(events)
      .where(and(eq(events.type, "token_request.denied"), eq(events.clientId, own.clientId)));
    const data = { error: "invalid_grant", reason: "aud is another" };
    expect(told).toEqual([{ clientId: own.clientId, data }]);
  });

  it("Basic and the body prove the client alike", async () => {
    const fields = { grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer" };
    const byBody = { client_id: app.clientId, client_secret: app.secret };
    const posted = await s.c.form("/token", { ...fields, assertion: await idJag(), ...byBody });
    const basicly = await s.c.form("/token", { ...fields, assertion: await idJag() }, basic(app));
    expect([posted.status, basicly.status]).toEqual([200, 200]);
  });
});

describe("ID-JAG -04 §6: metadata", () => {
  it("tells that the profile is spoken, and of nobody whose assertions are taken", async () => {
    const text = await (await s.c.call("/.well-known/oauth-authorization-server")).text();
    const metadata = JSON.parse(text);
    expect(metadata.authorization_grant_profiles_supported).toEqual([
      "urn:ietf:params:oauth:grant-profile:id-jag",
    ]);
    expect(metadata.grant_types_supported).toContain("urn:ietf:params:oauth:grant-type:jwt-bearer");
    expect(text).not.toContain(corp.issuer);
  });
});
