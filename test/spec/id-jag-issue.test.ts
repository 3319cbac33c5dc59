import { createLocalJWKSet, jwtVerify } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { GRANT_TYPES, TOKEN_TYPES } from "@/lib/oauth/token-types";
import { narrowGrant, stopGrant } from "@/lib/services/grants";
import { changeUserStatus } from "@/lib/services/users";
import { ADMIN_KEY, type App, basic, type Person, type Tokens, tokensOf } from "@/test/support/client";
import { unchanged } from "@/test/support/digest";
import { keyHolder } from "@/test/support/dpop";
import { ownDomain } from "@/test/support/own-domain";
import { operate, type PublicServer, publicServer } from "@/test/support/public-server";
import { claimsOf, ownSigner } from "@/test/support/signer";
import { createRedeemer, redeem, refusal } from "@/test/support/trusted-assertions";

const B = "https://auth.example.com";
const SOMEWHERE = "https://as.c.example";
const NOTES = "https://notes.c.example/mcp";
const FILES = "https://files.c.example/mcp";

type Json = Record<string, unknown>;
type Fields = Record<string, string | readonly string[] | undefined>;

/** Server A signs people in, on a port of its own; B has its own people and knows A by what A publishes. */
let domain: Awaited<ReturnType<typeof ownDomain>>;
let a: PublicServer;
let b: PublicServer;
/** What A's client is called at B, and what it is to use there. */
let atB: App;
let orders: string;
/** A's client, as its operator registered it. */
let app: App;
let ada: Person;
let signIn: Tokens;

beforeAll(async () => {
  domain = await ownDomain({ AUTHGENT_ADMIN_API_KEY: ADMIN_KEY });
  a = operate(domain.t);
  b = await publicServer();
  const people = { create: true, allowed_domains: [] };
  const trust = { issuer: domain.url, name: "A", purposes: ["id_jag"], people };
  await b.c.json("/trusted-issuers", trust, b.operator);
  orders = await b.createResource(["orders:read", "orders:write"]);
  atB = await createRedeemer(b, { scope: "orders:read orders:write" });
  app = await createClient([
    { issuer: B, client_id: atB.clientId, resources: [orders], scope: "orders:read orders:write" },
    { issuer: SOMEWHERE, client_id: "our name there", resources: [NOTES, FILES] },
    { issuer: `${SOMEWHERE}/any`, client_id: "x" },
  ]);
  ada = await a.c.signIn();
  signIn = await a.c.tokensFor(app, { scope: "openid email" }, { person: ada });
});

afterAll(() => domain.close());

const createClient = (targets: readonly Json[], more: Json = {}): Promise<App> =>
  a.createApp({
    redirect_uris: ["https://app.example/cb"],
    token_endpoint_auth_method: "client_secret_basic",
    grant_types: ["authorization_code", "refresh_token", GRANT_TYPES.tokenExchange],
    id_jag_targets: targets,
    ...more,
  });

const requestOf = (fields: Fields): Fields => ({
  grant_type: GRANT_TYPES.tokenExchange,
  requested_token_type: TOKEN_TYPES.idJag,
  subject_token: signIn.id_token,
  subject_token_type: TOKEN_TYPES.idToken,
  audience: B,
  ...fields,
});

/** A request of A's client for an assertion for B, from Ada's sign-in, unless told otherwise. */
const ask = (fields: Fields = {}, as = app): Promise<Response> => a.c.token(as, requestOf(fields));

const assertionOf = async (fields: Fields = {}): Promise<string> =>
  (await tokensOf(await ask(fields))).access_token;

const refused = (fields: Fields, as = app) => unchanged(a.t, async () => refusal(await ask(fields, as)));

const INVALID = { status: 400, error: "invalid_request" };
const INVALID_TARGET = { status: 400, error: "invalid_target" };
const ESCALATION = { status: 400, error: "invalid_scope", error_code: "scope_escalation" };

describe("ID-JAG -04 §4.3: the assertion", () => {
  it("§4.3: answers a JWT that is no access token, for five minutes, and nothing that renews it", async () => {
    const response = await ask({ scope: "orders:read" });
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect({ ...(await response.json()), access_token: "" }).toEqual({
      access_token: "",
      issued_token_type: "urn:ietf:params:oauth:token-type:id-jag",
      token_type: "N_A",
      expires_in: 300,
      scope: "orders:read",
    });
  });

  it("§3.1: says who the person is, for the one server, for the client as it is known there", async () => {
    const jwks = createLocalJWKSet(await a.t.ctx.keys.jwks());
    const expected = { issuer: domain.url, audience: B, typ: "oauth-id-jag+jwt", currentDate: a.t.ctx.now() };
    const { payload } = await jwtVerify(await assertionOf({ scope: "orders:read" }), jwks, expected);
    const { sub, auth_time, amr } = claimsOf(signIn.id_token ?? "");
    expect(payload).toEqual({
      iss: domain.url,
      sub,
      aud: B,
      client_id: atB.clientId,
      resource: orders,
      scope: "orders:read",
      jti: expect.stringMatching(/^[0-9a-f-]{36}$/),
      iat: Math.floor(a.t.ctx.now().getTime() / 1000),
      exp: Math.floor(a.t.ctx.now().getTime() / 1000) + 300,
      auth_time,
      amr,
      email: ada.user.email,
      email_verified: true,
    });
  });

  it("§4.3: a refresh token of the client's stands for the sign-in as well, and stays good", async () => {
    const fields = { subject_token: signIn.refresh_token, subject_token_type: TOKEN_TYPES.refreshToken };
    const [one, other] = [await assertionOf(fields), await assertionOf(fields)];
    const { jti, ...claims } = claimsOf(one);
    expect(claimsOf(other)).toEqual({ ...claims, jti: expect.not.stringMatching(String(jti)) });
    expect(claims.sub).toBe(`user:${ada.user.id}`);
  });

  it("an ID token is good for several, until it ends", async () => {
    const jtis = await Promise.all([1, 2, 3].map(async () => claimsOf(await assertionOf()).jti));
    expect(new Set(jtis).size).toBe(3);
  });

  it("never outlives the ID token it comes from", async () => {
    const later = operate(domain.t);
    const own = await a.c.tokensFor(app, { scope: "openid" }, { person: ada });
    const left = Number(claimsOf(own.id_token ?? "").exp) - Math.floor(a.t.ctx.now().getTime() / 1000) - 20;
    later.t.advance(left);
    const { expires_in } = await tokensOf(await ask({ subject_token: own.id_token }));
    expect(expires_in).toBeLessThanOrEqual(20);
    later.t.advance(-left);
  });

  it("tells the address only where the person gave it, and somebody vouches for it", async () => {
    const { id_token } = await a.c.tokensFor(app, { scope: "openid" }, { person: await a.c.signIn() });
    expect(claimsOf(await assertionOf({ subject_token: id_token }))).not.toHaveProperty("email");
  });

  it("is told in the audit trail, and is no token of this server", async () => {
    const assertion = await assertionOf({ scope: "orders:read" });
    const { jti, sub } = claimsOf(assertion);
    const event = await a.t.ctx.db.query.events.findFirst({
      where: (row, { eq }) => eq(row.subject, `token:${jti}`),
    });
    expect(event).toMatchObject({
      type: "token.id_jag_issued",
      actor: `client:${app.clientId}`,
      data: { principal: sub, audience: B, resource: orders, known_as: atB.clientId, scope: ["orders:read"] },
    });
    expect(await a.introspect(assertion)).toEqual({ active: false });
  });

  it("an actor token of the client's own says that it acts", async () => {
    const own = await createClient([{ issuer: B, client_id: atB.clientId, resources: [orders] }], {
      grant_types: ["authorization_code", "client_credentials", GRANT_TYPES.tokenExchange],
    });
    const { id_token } = await a.c.tokensFor(own, { scope: "openid" });
    const actor = await tokensOf(await a.c.token(own, { grant_type: "client_credentials" }));
    const fields = { actor_token: actor.access_token, actor_token_type: TOKEN_TYPES.accessToken };
    const { access_token } = await tokensOf(await ask({ subject_token: id_token, ...fields }, own));
    expect(claimsOf(access_token).act).toEqual({ sub: `client:${own.clientId}`, iss: domain.url });
    const { access_token: token } = await tokensOf(await redeem(b, atB, access_token));
    expect(claimsOf(token)).toMatchObject({
      human_root: true,
      act: { sub: `client:${atB.clientId}`, act: { sub: `client:${own.clientId}`, iss: domain.url } },
    });
  });
});

describe("ID-JAG -04 §4.3: how far", () => {
  it.each<[string, Fields, Json]>([
    ["without scope all that is registered", {}, { scope: "orders:read orders:write" }],
    ["a scope of those", { scope: "orders:write" }, { scope: "orders:write" }],
    ["the resource that is asked for", { audience: SOMEWHERE, resource: FILES }, { resource: FILES }],
    [
      "any scope where none is registered",
      { audience: SOMEWHERE, resource: NOTES, scope: "z" },
      { scope: "z" },
    ],
    [
      "any resource where none is registered",
      { audience: `${SOMEWHERE}/any`, resource: "https://x.example/" },
      { resource: "https://x.example/" },
    ],
  ])("%s", async (_what, fields, claims) => {
    expect(claimsOf(await assertionOf(fields))).toMatchObject(claims);
  });

  it("authorization_details are the other server's to judge: asking for some is refused", async () => {
    expect(await refused({ authorization_details: '[{"type":"payment"}]' })).toEqual({
      status: 400,
      error: "invalid_authorization_details",
    });
  });

  it("no scope is named where none is asked for or registered", async () => {
    const answer = await tokensOf(await ask({ audience: SOMEWHERE, resource: NOTES }));
    expect([answer.scope, "scope" in claimsOf(answer.access_token)]).toEqual([undefined, false]);
  });

  it.each<[string, Fields, Json]>([
    ["no audience", { audience: undefined }, INVALID],
    ["an empty audience", { audience: "" }, INVALID],
    ["a server that is not registered for it", { audience: "https://as.evil.example" }, INVALID_TARGET],
    ["a server written with another slash", { audience: `${B}/` }, INVALID_TARGET],
    ["another resource of that server", { resource: "https://other.example/" }, INVALID_TARGET],
    ["no resource where there are two", { audience: SOMEWHERE }, INVALID],
    ["no resource where any may be asked for", { audience: `${SOMEWHERE}/any` }, INVALID],
    ["two resources", { audience: SOMEWHERE, resource: [NOTES, FILES] }, INVALID_TARGET],
    ["a resource that is none", { audience: `${SOMEWHERE}/any`, resource: "urn:x" }, INVALID_TARGET],
    [
      "a resource with a fragment",
      { audience: `${SOMEWHERE}/any`, resource: "https://x.example/#f" },
      INVALID_TARGET,
    ],
    ["more scope than is registered", { scope: "orders:read orders:delete" }, ESCALATION],
    [
      "an access token as subject",
      { subject_token: "x", subject_token_type: TOKEN_TYPES.accessToken },
      INVALID,
    ],
    ["a JWT as subject", { subject_token_type: TOKEN_TYPES.jwt }, INVALID],
  ])("refused: %s", async (_what, fields, expected) => {
    expect(await refused(fields)).toEqual(expected);
  });

  it("a client without targets gets none", async () => {
    const other = await createClient([]);
    const { id_token } = await a.c.tokensFor(other, { scope: "openid" }, { person: ada });
    expect(await refused({ subject_token: id_token }, other)).toEqual(INVALID_TARGET);
  });

  it("a public client gets none, whatever it was registered for", async () => {
    const other = await createClient([{ issuer: B, client_id: atB.clientId, resources: [orders] }], {
      token_endpoint_auth_method: "none",
    });
    const { id_token } = await a.c.tokensFor(other, { scope: "openid" }, { person: ada });
    expect(await refused({ subject_token: id_token }, other)).toEqual({
      status: 400,
      error: "unauthorized_client",
    });
  });

  it("the policy may say no", async () => {
    const { policy } = a.t.ctx;
    const asked: Json[] = [];
    a.t.ctx.policy = {
      decide: async (request) => {
        asked.push(request);
        return {
          effect: "deny",
          version: "1",
          denials: [{ code: "access_denied", description: "Not today." }],
        };
      },
    };
    expect(await refused({ scope: "orders:read" })).toEqual({ status: 400, error: "access_denied" });
    a.t.ctx.policy = policy;
    expect(asked).toMatchObject([
      { clientId: app.clientId, subject: `user:${ada.user.id}`, audience: B, scope: ["orders:read"] },
    ]);
  });
});

describe("ID-JAG -04 §4.3: whose sign-in, and whether it still counts", () => {
  /** A new person who signed in to the app. */
  async function newSignIn(as = app, params: Fields = { scope: "openid" }) {
    const person = await a.c.signIn();
    return { person, ...(await a.c.tokensFor(as, params, { person })) };
  }
  const grantOf = async ({ user }: Person) => {
    const grant = await a.t.ctx.db.query.grants.findFirst({
      where: (row, { eq }) => eq(row.userId, user.id),
    });
    return { userId: user.id, grantId: grant?.id ?? "" };
  };

  it("an ID token that was issued to another client is refused (security case 108)", async () => {
    const other = await createClient([]);
    const { id_token, refresh_token } = await newSignIn(other);
    expect(await refused({ subject_token: id_token })).toEqual(INVALID);
    const asRefresh = { subject_token: refresh_token, subject_token_type: TOKEN_TYPES.refreshToken };
    expect(await refused(asRefresh)).toEqual(INVALID);
  });

  it("an expired one is refused", async () => {
    const { id_token } = await newSignIn();
    a.t.advance(3600);
    expect(await refused({ subject_token: id_token })).toEqual(INVALID);
    a.t.advance(-3600);
  });

  it.each<[string, Json, Json]>([
    ["another issuer", { iss: "https://other.example" }, {}],
    ["two audiences", { aud: ["{app}", "x"] }, {}],
    ["another person", { sub: "user:somebody" }, {}],
    ["no exp", { exp: undefined }, {}],
    ["no family", { family: undefined }, {}],
    ["the family of nobody", { family: "019ae0a8-0000-7000-8000-000000000001" }, {}],
    ["typ at+jwt", {}, { typ: "at+jwt" }],
    ["typ oauth-id-jag+jwt", {}, { typ: "oauth-id-jag+jwt" }],
    ["no typ", {}, { typ: undefined }],
    ["another key", {}, { kid: "unknown" }],
    ["a key that it brings along", {}, { jwk: {} }],
  ])(
    "one with %s is refused, although this server's own key signed it (security case 108)",
    async (_what, change, header) => {
      const signer = await ownSigner(a.t.ctx);
      const claims = JSON.parse(
        JSON.stringify({ ...claimsOf(signIn.id_token ?? ""), ...change }).replace("{app}", app.clientId),
      );
      const genuine = signer.sign(claimsOf(signIn.id_token ?? ""), { typ: "JWT" });
      expect((await ask({ subject_token: genuine })).status).toBe(200);
      expect(await refused({ subject_token: signer.sign(claims, { typ: "JWT", ...header }) })).toEqual(
        INVALID,
      );
    },
  );

  it("one that is not signed, or that was changed, is refused (security case 108)", async () => {
    const [head, body, tail] = (signIn.id_token ?? "").split(".");
    const none = `${Buffer.from('{"alg":"none","typ":"JWT"}').toString("base64url")}.${body}.`;
    const changed = Buffer.from(
      JSON.stringify({ ...claimsOf(signIn.id_token ?? ""), sub: "user:x" }),
    ).toString("base64url");
    for (const token of [none, `${head}.${body}.`, `${head}.${changed}.${tail}`, "x.y.z", ""])
      expect(await refused({ subject_token: token })).toEqual(INVALID);
  });

  it("after the person stopped the app it counts no more, also when they allowed it again", async () => {
    const { person, id_token } = await newSignIn();
    await stopGrant(a.t.ctx, await grantOf(person));
    expect(await refused({ subject_token: id_token })).toEqual(INVALID);
    await a.c.tokensFor(app, { scope: "openid" }, { person });
    expect(await refused({ subject_token: id_token })).toEqual(INVALID);
  });

  it("after the person took openid back it counts no more", async () => {
    const { person, id_token, refresh_token } = await newSignIn(app, { scope: "openid account:read" });
    await narrowGrant(a.t.ctx, { ...(await grantOf(person)), keep: ["account:read"] });
    expect(await refused({ subject_token: id_token })).toEqual(INVALID);
    const asRefresh = { subject_token: refresh_token, subject_token_type: TOKEN_TYPES.refreshToken };
    expect(await refused(asRefresh)).toEqual(INVALID);
  });

  it("of a person who was stopped it counts no more", async () => {
    const { person, id_token } = await newSignIn();
    await changeUserStatus(a.t.ctx, person.user.id, "disabled");
    expect(await refused({ subject_token: id_token })).toEqual(INVALID);
  });

  it("what a client held when it was disabled does not come back with it", async () => {
    const own = await createClient([{ issuer: B, client_id: atB.clientId, resources: [orders] }]);
    const { id_token } = await newSignIn(own);
    expect((await ask({ subject_token: id_token }, own)).status).toBe(200);
    a.t.advance(2);
    await a.setClientStatus(own, "disabled");
    await a.setClientStatus(own, "active");
    a.t.advance(2);
    expect(await refused({ subject_token: id_token }, own)).toEqual(INVALID);
  });

  it("what came of a code that was used twice counts no more", async () => {
    const code = await a.c.codeFor(app, { scope: "openid" });
    const { id_token } = await tokensOf(await a.c.redeem(app, code));
    await a.c.redeem(app, code);
    expect(await refused({ subject_token: id_token })).toEqual(INVALID);
  });

  it("a refresh token that was used, or that gives no sign-in, is refused", async () => {
    const { refresh_token } = await newSignIn();
    await a.c.refresh(app, refresh_token);
    const refresh = { subject_token_type: TOKEN_TYPES.refreshToken };
    expect(await refused({ ...refresh, subject_token: refresh_token })).toEqual(INVALID);
    const other = await newSignIn(app, { scope: "account:read" });
    expect(await refused({ ...refresh, subject_token: other.refresh_token })).toEqual(INVALID);
  });

  it("an ID token of ours is exchanged for nothing else (security case 129)", async () => {
    for (const requested_token_type of [
      TOKEN_TYPES.accessToken,
      TOKEN_TYPES.jwt,
      TOKEN_TYPES.txnToken,
      undefined,
    ]) {
      const asIdToken = { requested_token_type, audience: undefined };
      const asAccessToken = { ...asIdToken, subject_token_type: TOKEN_TYPES.accessToken };
      expect([await refused(asIdToken), await refused(asAccessToken)]).toEqual([INVALID, INVALID]);
    }
  });
});

describe("a sign-in that is bound to a key (RFC 9449 §5)", () => {
  it("a refresh token that is bound stands for it only with a proof of that key", async () => {
    const key = await keyHolder(a);
    const { refresh_token } = await key.tokensFor(app, { scope: "openid" });
    const fields = { subject_token: refresh_token, subject_token_type: TOKEN_TYPES.refreshToken };
    expect(await refused(fields)).toEqual({ status: 400, error: "invalid_dpop_proof" });
    const { access_token } = await tokensOf(await key.token(app, requestOf(fields)));
    expect(claimsOf(access_token).cnf).toEqual({ jkt: key.jkt });
  });
});

describe("what the operator registers: POST /clients, PATCH /clients/one", () => {
  const target = { issuer: B, client_id: "our name", resources: [NOTES], scope: "a b" };
  const create = (targets: unknown) =>
    a.c.json(
      "/clients",
      { client_name: "X", redirect_uris: ["https://x.example/cb"], id_jag_targets: targets },
      a.operator,
    );
  const patch = (clientId: string, body: Json) =>
    a.c.json(`/clients/one?client_id=${encodeURIComponent(clientId)}`, body, a.operator, "PATCH");

  it("is told back as it was sent, and changed as a whole", async () => {
    const { client_id, id_jag_targets } = await (await create([target])).json();
    expect(id_jag_targets).toEqual([target]);
    const other = { issuer: SOMEWHERE, client_id: "y" };
    const changed = await (await patch(client_id, { id_jag_targets: [other] })).json();
    expect(changed.id_jag_targets).toEqual([{ ...other, resources: [] }]);
    const event = await a.t.ctx.db.query.events.findFirst({
      where: (row, { and, eq }) =>
        and(eq(row.subject, `client:${client_id}`), eq(row.type, "client.updated")),
    });
    expect(event).toMatchObject({
      actor: "operator",
      data: { changed: ["idJagTargets"], idJagTargets: [{ issuer: SOMEWHERE, knownAs: "y" }] },
    });
    const both = await (await patch(client_id, { id_jag_targets: [], status: "disabled" })).json();
    expect([both.id_jag_targets, both.status]).toEqual([[], "disabled"]);
  });

  it.each<[string, unknown, string]>([
    ["this server itself", "{own}", "id_jag_targets.0.issuer"],
    ["no https", "http://as.example", "id_jag_targets.0.issuer"],
    ["a query", "https://as.example/?x", "id_jag_targets.0.issuer"],
    ["a host in capitals", "https://AS.example", "id_jag_targets.0.issuer"],
    ["a number", 1, "id_jag_targets.0.issuer"],
  ])("an issuer of %s is 422 with the field named", async (_what, issuer, field) => {
    const wrong = { ...target, issuer: issuer === "{own}" ? domain.url : issuer };
    const answers = await unchanged(a.t, async () => [
      await create([wrong]),
      await patch(app.clientId, { id_jag_targets: [wrong] }),
    ]);
    for (const answer of answers) {
      const { errors } = await answer.json();
      expect([answer.status, errors.map(({ field: name }: { field: string }) => name)]).toEqual([
        422,
        [field],
      ]);
    }
  });

  it.each<[string, unknown, string]>([
    ["the same issuer twice", [target, target], "id_jag_targets"],
    ["no client_id", [{ ...target, client_id: "" }], "id_jag_targets.0.client_id"],
    ["a resource that is none", [{ ...target, resources: ["urn:x"] }], "id_jag_targets.0.resources.0"],
    ["a scope with a quote", [{ ...target, scope: 'a"b' }], "id_jag_targets.0.scope"],
    ["an unknown member", [{ ...target, tenant: "x" }], "id_jag_targets.0"],
  ])("%s is 422 with the field named", async (_what, targets, field) => {
    const answer = await unchanged(a.t, () => create(targets));
    const { errors } = await answer.json();
    expect([answer.status, errors.map(({ field: name }: { field: string }) => name)]).toEqual([422, [field]]);
  });

  it("an unknown client is 404, and whoever is no operator may not", async () => {
    expect((await patch("app_none", { id_jag_targets: [] })).status).toBe(404);
    const anonymous = await a.c.json(
      `/clients/one?client_id=${app.clientId}`,
      { id_jag_targets: [] },
      {},
      "PATCH",
    );
    expect(anonymous.status).toBe(401);
  });

  it("no client registers itself for it", async () => {
    const metadata = { redirect_uris: ["http://127.0.0.1/cb"], id_jag_targets: [target] };
    const { client_id } = await (await a.c.json("/register", metadata)).json();
    const told = await (
      await a.c.call(`/clients/one?client_id=${client_id}`, { headers: a.operator })
    ).json();
    expect(told.id_jag_targets).toEqual([]);
  });
});

it("the metadata say what is issued: grants of the domain too, where they are (IdP metadata)", async () => {
  const typesAt = async (c: PublicServer["c"]) =>
    (await (await c.call("/.well-known/oauth-authorization-server")).json())
      .identity_chaining_requested_token_types_supported;
  expect(await typesAt(a.c)).toEqual([TOKEN_TYPES.idJag]);
  const chains = await publicServer({ env: { AUTHGENT_TRUSTED_CHAINING_TARGETS: SOMEWHERE } });
  expect(await typesAt(chains.c)).toEqual([TOKEN_TYPES.idJag, TOKEN_TYPES.jwt]);
});

describe("two servers: A signs the person in, B gives the token", () => {
  const redeemed = async (assertion: string) => tokensOf(await redeem(b, atB, assertion));
  const refusedAtB = (assertion: string) =>
    unchanged(b.t, async () => refusal(await redeem(b, atB, assertion)));

  it("A's assertion becomes a token of B for that resource, about B's own person, and nothing that renews it", async () => {
    const tokens = await redeemed(await assertionOf({ scope: "orders:read" }));
    expect([tokens.scope, "refresh_token" in tokens]).toEqual(["orders:read", false]);
    const claims = claimsOf(tokens.access_token);
    expect(claims).toMatchObject({ iss: B, aud: orders, client_id: atB.clientId, chained_from: domain.url });
    expect(claims.sub).not.toBe(`user:${ada.user.id}`);
    expect(claimsOf((await redeemed(await assertionOf())).access_token).sub).toBe(claims.sub);
    expect(await b.isActive(tokens.access_token)).toBe(true);
  });

  it("it counts once, and for B alone: at home it is refused", async () => {
    const assertion = await assertionOf();
    await redeemed(assertion);
    expect(await refusedAtB(assertion)).toEqual({ status: 400, error: "invalid_grant" });
    const atHome = await a.createService({ grant_types: [GRANT_TYPES.jwtBearer] });
    const fields = { grant_type: GRANT_TYPES.jwtBearer, assertion: await assertionOf() };
    expect(await unchanged(a.t, async () => refusal(await a.c.token(atHome, fields)))).toEqual({
      status: 400,
      error: "invalid_grant",
    });
  });

  it("at B another client cannot use it", async () => {
    const thief = await createRedeemer(b, { scope: "orders:read" });
    const assertion = await assertionOf();
    expect(await unchanged(b.t, async () => refusal(await redeem(b, thief, assertion)))).toEqual({
      status: 400,
      error: "invalid_grant",
    });
  });

  it("B finds the address that A vouches for", async () => {
    await redeemed(await assertionOf());
    const identity = await b.t.ctx.db.query.identities.findFirst({
      where: (row, { eq }) => eq(row.sub, `user:${ada.user.id}`),
    });
    const person = await b.t.ctx.db.query.users.findFirst({
      where: (row, { eq }) => eq(row.id, identity?.userId ?? ""),
    });
    expect([identity?.issuer, person?.email]).toEqual([domain.url, ada.user.email]);
  });

  it("with a proof the assertion is bound to the key, and B wants the same one (Proof-of-Possession)", async () => {
    const [key, other] = [await keyHolder(b), await keyHolder(b)];
    const dpop = await key.proof({ changes: { htu: `${domain.url}/token` } });
    const asked = await a.c.form("/token", requestOf({}), { ...basic(app), dpop });
    const { access_token: assertion } = await tokensOf(asked);
    expect(claimsOf(assertion).cnf).toEqual({ jkt: key.jkt });
    const fields = { grant_type: GRANT_TYPES.jwtBearer, assertion };
    const refusals = [
      await refusal(await redeem(b, atB, assertion)),
      await refusal(await other.token(atB, fields)),
    ];
    expect(refusals).toEqual(Array(2).fill({ status: 400, error: "invalid_grant" }));
    const bound = await tokensOf(await key.token(atB, fields));
    expect([bound.token_type, claimsOf(bound.access_token).cnf]).toEqual(["DPoP", { jkt: key.jkt }]);
  });
});
