import { eq } from "drizzle-orm";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { users } from "@/db/schema/users";
import { startUpstream, type Upstream } from "@/e2e/support/upstream";
import { verifyChain } from "@/lib/oauth/chain-proof";
import { TOKEN_TYPES } from "@/lib/oauth/token-types";
import { pkce } from "@/test/support/client";
import { unique } from "@/test/support/context";
import { delegation, type TestAgent } from "@/test/support/delegation";
import { unchanged } from "@/test/support/digest";
import { type PublicServer, publicServer } from "@/test/support/public-server";
import { claimsOf } from "@/test/support/signer";
import { type Partner, partner, refusal } from "@/test/support/trusted-assertions";

const ISSUER = "https://auth.example.com";

let s: PublicServer;
let d: ReturnType<typeof delegation>;
let corp: Partner;
let agent: TestAgent;
let resource: string;

beforeAll(async () => {
  s = await publicServer({ env: { AUTHGENT_TRUSTED_OIDC_AUDIENCE: "authgent-at-corp" } });
  d = delegation(s.c, s.operator);
  corp = await partner(s, ["id_token"]);
  resource = await s.createResource(["mail:read", "mail:send"]);
  await d.exchanged(
    await d.createAgent(["mail:read"]),
    await idToken({ aud: "authgent-at-corp" }),
    ID_TOKEN(),
  );
});

beforeEach(async () => {
  agent = await d.createAgent(["mail:read", "mail:send"]);
});

afterAll(() => corp.close());

const ID_TOKEN = () => ({ subject_token_type: TOKEN_TYPES.idToken, audience: resource });
const idToken = (more: Record<string, unknown> = {}) =>
  corp.assertion({ aud: agent?.clientId, jti: undefined, ...more });

const exchanged = (token: string, fields: Record<string, string> = {}) =>
  d.exchanged(agent, token, { ...ID_TOKEN(), ...fields });
const refused = (token: string, fields: Record<string, string> = {}) =>
  unchanged(s.t, async () => refusal(await d.exchange(agent, token, { ...ID_TOKEN(), ...fields })));

const INVALID_REQUEST = { status: 400, error: "invalid_request" };

describe("RFC 8693 §3: an ID token as subject token", () => {
  it("becomes a token for the person, with the agent as actor, chained from the provider", async () => {
    const later = Math.floor(s.t.ctx.now().getTime() / 1000) + 600;
    const token = await idToken({ exp: later, auth_time: 1_700_000_000, amr: ["pwd"] });
    const answer = await exchanged(token);
    expect({ ...answer, access_token: "" }).toEqual({
      access_token: "",
      issued_token_type: TOKEN_TYPES.accessToken,
      token_type: "Bearer",
      expires_in: 300,
      scope: "mail:read mail:send",
    });
    const { iat, exp, jti, sub, rcpt, ...claims } = claimsOf(answer.access_token);
    expect(sub).toMatch(/^user:[0-9A-Z]{26}$/);
    expect(claims).toEqual({
      iss: ISSUER,
      aud: resource,
      client_id: agent.clientId,
      scope: "mail:read mail:send",
      act: { sub: `client:${agent.clientId}` },
      human_root: true,
      auth_time: 1_700_000_000,
      amr: ["pwd"],
      chained_from: corp.issuer,
    });
  });

  it("is proven by a receipt that names the provider", async () => {
    const { access_token: token } = await exchanged(await idToken());
    const bundle = await (await s.c.form("/receipts", { token }, s.operator)).json();
    expect(verifyChain({ token, bundle, now: s.t.ctx.now() })).toMatchObject({
      ok: true,
      origin: { issuer: corp.issuer, sub: "alice" },
    });
  });

  it("D19: a scope that takes a role is not passed on by somebody who does not have it", async () => {
    const [pay, see] = [unique("pay:"), unique("see:")];
    const scopes = [
      { name: pay, description: "Pay", risk: "high", minimum_role: "approver" },
      { name: see, description: "See", risk: "low" },
    ];
    const audience = `https://${unique("bank")}.example`;
    await s.c.json("/resources", { resource: audience, name: "Bank", scopes }, s.operator);
    agent = await d.createAgent([pay, see]);
    const token = await idToken({ sub: unique("clerk-") });
    expect((await exchanged(token, { audience })).scope).toBe(see);
    expect(await refused(token, { audience, scope: pay })).toEqual({
      status: 400,
      error: "invalid_scope",
      error_code: "scope_escalation",
    });
  });

  it("the token never outlives the ID token", async () => {
    const exp = Math.floor(s.t.ctx.now().getTime() / 1000) + 100;
    expect((await exchanged(await idToken({ exp }))).expires_in).toBeLessThanOrEqual(100);
  });

  it("without jti it may be exchanged again, with one it is used up", async () => {
    const [plain, once] = [await idToken(), await idToken({ jti: unique() })];
    await exchanged(plain);
    await exchanged(plain);
    await exchanged(once);
    expect(await refused(once)).toEqual(INVALID_REQUEST);
  });

  it("of 50 exchanges at once of one with jti exactly one is answered with a token", async () => {
    const token = await idToken({ jti: unique() });
    const answers = await Promise.all(Array.from({ length: 50 }, () => d.exchange(agent, token, ID_TOKEN())));
    const refusals = await Promise.all(answers.filter(({ status }) => status !== 200).map(refusal));
    expect(refusals).toEqual(Array(49).fill(INVALID_REQUEST));
  });

  it("a refused exchange uses nothing up and makes nobody known", async () => {
    const token = await idToken({ jti: unique(), sub: unique("new-") });
    expect(await refused(token, { scope: "mail:delete" })).toMatchObject({ error: "invalid_scope" });
    expect((await exchanged(token)).scope).toBe("mail:read mail:send");
  });

  it("108: the scope comes from registrations, never from the ID token or the request", async () => {
    expect(await refused(await idToken({ scope: "mail:read admin:agents" }))).toEqual(INVALID_REQUEST);
    const token = await idToken();
    expect((await exchanged(token)).scope).toBe("mail:read mail:send");
    expect(await refused(token, { scope: "admin:agents" })).toEqual({
      status: 400,
      error: "invalid_scope",
      error_code: "scope_escalation",
    });
  });

  it("the operator's limit on the provider bounds what comes of its tokens", async () => {
    const limited = await partner(s, ["id_token"], { scope: "mail:read" });
    const token = await limited.assertion({ aud: agent.clientId });
    expect((await exchanged(token)).scope).toBe("mail:read");
    expect(await refused(token, { scope: "mail:send" })).toMatchObject({ error: "invalid_scope" });
    await limited.close();
  });

  it("the audience may be the client itself, or the one this server was told of", async () => {
    for (const aud of [agent.clientId, [agent.clientId], "authgent-at-corp"])
      expect((await exchanged(await idToken({ aud }))).token_type).toBe("Bearer");
  });

  it.each([
    ["no aud", { aud: undefined }],
    ["an ID token made for another client", { aud: "another-client" }],
    ["two audiences", { aud: ["authgent-at-corp", "another-client"] }],
    ["our issuer as audience", { aud: ISSUER }],
    ["no exp", { exp: undefined }],
    ["one that has expired", { exp: 1_700_000_000 }],
    ["no iat", { iat: undefined }],
    ["no sub", { sub: undefined }],
    ["another iss", { iss: "https://elsewhere.example" }],
    ["half a character in sub", { sub: "\ud800" }],
    ["half a character in act", { act: { sub: "\ud800" } }],
    ["a client_id, as access tokens have", { client_id: "machine" }],
    ["a key it asks to be bound to", { requested_cnf: {} }],
    ["a tenant of ours", { aud_tenant: "acme" }],
    ["a subject of ours", { aud_sub: "user:1" }],
    ["a key it is bound to", { cnf: { jkt: "A".repeat(43) } }],
  ])("108, D21: %s is refused", async (_, claims) => {
    expect(await refused(await idToken(claims))).toEqual(INVALID_REQUEST);
  });

  it.each(["at+jwt", "oauth-id-jag+jwt", "logout+jwt"])("typ %s is no ID token", async (typ) => {
    expect(await refused(await corp.assertion({ aud: agent.clientId }, { typ }))).toEqual(INVALID_REQUEST);
  });

  it("alg none is refused", async () => {
    const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const claims = { iss: corp.issuer, ...corp.claims({ aud: agent.clientId }) };
    expect(await refused(`${encoded({ alg: "none" })}.${encoded(claims)}.`)).toEqual(INVALID_REQUEST);
  });

  it("D19: nobody is found by e-mail", async () => {
    const { user } = await s.c.signIn();
    const { access_token } = await exchanged(
      await idToken({ sub: unique(), email: user.email, email_verified: true }),
    );
    expect(claimsOf(access_token).sub).not.toBe(`user:${user.id}`);
  });

  it("a person who is not active here gets nothing, and what they had is dead", async () => {
    const sub = unique();
    const { access_token } = await exchanged(await idToken({ sub }));
    const id = String(claimsOf(access_token).sub).slice("user:".length);
    await s.t.ctx.db.update(users).set({ status: "disabled" }).where(eq(users.id, id));
    expect(await s.isActive(access_token)).toBe(false);
    expect(await refused(await idToken({ sub }))).toEqual(INVALID_REQUEST);
  });

  it("may_act in it is obeyed", async () => {
    expect(await refused(await idToken({ may_act: { sub: "client:another" } }))).toEqual({
      status: 400,
      error: "unauthorized_client",
      error_code: "may_act_violation",
    });
  });
});

describe("RFC 8693 §3: a JWT as subject token", () => {
  const JWT = { subject_token_type: TOKEN_TYPES.jwt };

  it("is one of our own access tokens", async () => {
    const own = await d.ownToken(agent, { resource });
    expect(claimsOf((await d.exchanged(agent, own, JWT)).access_token).sub).toBe(`client:${agent.clientId}`);
  });

  it("or the grant of another domain, with its actors and no more than its scope", async () => {
    const other = await partner(s, ["chaining"]);
    const grant = await other.assertion({ scope: "mail:read billing", act: { sub: "theirs" } });
    expect(await refused(grant, { ...JWT, scope: "mail:send" })).toMatchObject({ error: "invalid_scope" });
    const { access_token, scope } = await exchanged(grant, JWT);
    expect(scope).toBe("mail:read");
    expect(claimsOf(access_token).act).toEqual({
      sub: `client:${agent.clientId}`,
      act: { sub: "theirs", iss: other.issuer },
    });
    expect(await refused(grant, JWT)).toEqual(INVALID_REQUEST);
    await other.close();
  });

  it("an ID token is no grant, and a grant is no ID token", async () => {
    const other = await partner(s, ["chaining"]);
    expect(await refused(await idToken(), JWT)).toEqual(INVALID_REQUEST);
    expect(await refused(await other.assertion({ aud: agent.clientId }))).toEqual(INVALID_REQUEST);
    await other.close();
  });

  it("what is no JWT at all", async () => {
    expect(await refused("nonsense", JWT)).toEqual(INVALID_REQUEST);
  });
});

describe("an ID token as an OpenID provider makes it (oidc-provider)", () => {
  const CALLBACK = "http://127.0.0.1:7777/callback";
  let upstream: Upstream;

  beforeAll(async () => {
    upstream = await startUpstream(CALLBACK, {
      ada: { name: "Ada", email: "ada@corp.example", email_verified: true },
    });
    const people = { create: true, allowed_domains: [] };
    const body = {
      issuer: upstream.issuer,
      name: "Corp",
      purposes: ["id_token"],
      audiences: ["authgent"],
      people,
    };
    await s.c.json("/trusted-issuers", body, s.operator);
  });

  afterAll(() => upstream.stop());

  /** Signs in as a browser does, with the cookies the provider sets. */
  async function signedIn(): Promise<string> {
    const cookies = new Map<string, string>();
    const { verifier, challenge } = pkce();
    const params = { client_id: "authgent", redirect_uri: CALLBACK, response_type: "code", scope: "openid" };
    const proof = { code_challenge: challenge, code_challenge_method: "S256" };
    let url = new URL(`/auth?${new URLSearchParams({ ...params, ...proof })}`, upstream.issuer);
    while (!url.href.startsWith(CALLBACK)) {
      if (url.pathname.startsWith("/interaction/")) url.searchParams.set("as", "ada");
      const cookie = [...cookies].map((pair) => pair.join("=")).join("; ");
      const response = await fetch(url, { headers: { cookie }, redirect: "manual" });
      for (const set of response.headers.getSetCookie()) {
        const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(set) ?? [];
        cookies.set(name, value);
      }
      url = new URL(response.headers.get("location") ?? "", url);
    }
    const secret = upstream.env.UPSTREAM_CLIENT_SECRET ?? "";
    const body = new URLSearchParams({
      ...{ grant_type: "authorization_code", redirect_uri: CALLBACK, code_verifier: verifier },
      ...{ code: url.searchParams.get("code") ?? "" },
    });
    const headers = { authorization: `Basic ${btoa(`authgent:${secret}`)}` };
    const answer = await fetch(`${upstream.issuer}/token`, { method: "POST", body, headers });
    return (await answer.json()).id_token;
  }

  it("is exchanged for a token of the person it is about", async () => {
    const idToken = await signedIn();
    // The provider goes by the clock on the wall.
    s.t.advance((Date.now() - s.t.ctx.now().getTime()) / 1000);
    const { access_token } = await exchanged(idToken);
    expect(claimsOf(access_token)).toMatchObject({ chained_from: upstream.issuer, human_root: true });
    expect(await s.isActive(access_token)).toBe(true);
  });
});
