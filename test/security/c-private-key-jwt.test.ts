import { createHmac, createPublicKey, type JsonWebKey, KeyObject } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Context } from "@/lib/context";
import { signJws } from "@/lib/oauth/jws";
import { OutboundError, type PublicResponse } from "@/lib/outbound/public-fetch";
import { type App, connect, pkce, refusalOf } from "@/test/support/client";
import { assertionOf, type ClientKey, newClientKey, presenting } from "@/test/support/client-assertion";
import { testContext, twoInstances, unique } from "@/test/support/context";
import { unchanged } from "@/test/support/digest";
import { operate, PUBLIC_ENV, type PublicServer, publicServer } from "@/test/support/public-server";

type Json = Record<string, unknown>;

/** The web: what the server fetched, and what it finds there. */
const fetched: string[] = [];
const web = new Map<string, () => PublicResponse>();
const fetchPublic: Context["fetchPublic"] = async (url) => {
  fetched.push(url.href);
  const answer = web.get(url.href);
  if (!answer) throw new OutboundError("unreachable", `${url.host} has nothing there`);
  return answer();
};
const serving = (body: unknown, status = 200, type = "application/json"): PublicResponse => ({
  status,
  headers: new Headers({ "content-type": type, "cache-control": "max-age=300" }),
  body: typeof body === "string" ? body : JSON.stringify(body),
});

let s: PublicServer;
let other: PublicServer;
let close: () => Promise<void>;
let key: ClientKey;
/** A client with its key in its registration, and one with its keys at an address. */
let app: App;
let remote: App & { jwksUri: string };

beforeAll(async () => {
  const [first, second, end] = await twoInstances({ env: PUBLIC_ENV, fetchPublic });
  [s, other, close] = [operate(first), operate(second), end];
  key = await newClientKey("k1");
  app = await createSigner({ jwks: { keys: [key.publicJwk] } });
  remote = await createRemote();
});
afterAll(() => close());
beforeEach(() => {
  fetched.length = 0;
});

const createSigner = (metadata: Json, on = s): Promise<App> =>
  on.createService({ token_endpoint_auth_method: "private_key_jwt", ...metadata });

/** A client whose keys are at an address of its own. */
async function createRemote(on = s): Promise<App & { jwksUri: string }> {
  const jwksUri = `https://${unique("keys-")}.example/jwks.json`;
  web.set(jwksUri, () => serving({ keys: [key.publicJwk] }));
  return { ...(await createSigner({ jwks_uri: jwksUri }, on)), jwksUri };
}

const GRANT = { grant_type: "client_credentials" };
const INVALID_CLIENT = { status: 401, error: "invalid_client" };
const ISSUER = "https://auth.example.com";
const signed = (claims: Json = {}, header: Json = {}, as: App = app, by = key) =>
  assertionOf(s.t, as.clientId, by, claims, header);
const send = (assertion: string, fields: Json = {}, on = s) =>
  on.c.form("/token", { ...GRANT, ...presenting(assertion), ...(fields as Record<string, string>) });

/** Refused as a wrong secret is, with nothing changed. */
async function refused(assertion: string, fields: Json = {}) {
  const response = await unchanged(s.t, () => send(assertion, fields));
  expect(response.headers.get("cache-control")).toBe("no-store");
  expect(await refusalOf(response)).toEqual(INVALID_CLIENT);
}

describe("an assertion with a registered key proves a client (RFC 7523 §3)", () => {
  it.each(["ES256", "ES384", "RS256", "PS256", "Ed25519", "EdDSA"])("signed with %s", async (alg) => {
    const one = await newClientKey(unique("key-"), alg);
    const client = await createSigner({ jwks: { keys: [one.publicJwk] } });
    expect((await send(await signed({}, {}, client, one))).status).toBe(200);
  });

  it.each([
    ["with client_id beside it", {}, {}, (of: App) => ({ client_id: of.clientId })],
    ["with aud as a list of one", { aud: [ISSUER] }, {}, () => ({})],
    ["without iat", { iat: undefined }, {}, () => ({})],
    ["without typ", {}, { typ: undefined }, () => ({})],
    ["with typ JWT", {}, { typ: "JWT" }, () => ({})],
    ["without kid, where one key fits", {}, { kid: undefined }, () => ({})],
  ])("%s", async (_what, claims, header, fields) => {
    expect((await send(await signed(claims, header), fields(app))).status).toBe(200);
  });

  it("with its keys at an address, which is asked once", async () => {
    const client = await createRemote();
    const answers = [];
    for (let n = 0; n < 3; n++) answers.push((await send(await signed({}, {}, client))).status);
    expect([answers, fetched]).toEqual([[200, 200, 200], [client.jwksUri]]);
  });

  it("at /par, /introspect and /revoke as at /token", async () => {
    const web_ = await s.createApp({
      token_endpoint_auth_method: "private_key_jwt",
      jwks: { keys: [key.publicJwk] },
    });
    const by = async (of: App) => presenting(await signed({}, {}, of));
    const { access_token } = await (await send(await signed())).json();
    const pushed = await s.c.form("/par", {
      ...(await by(web_)),
      ...{ response_type: "code", redirect_uri: web_.redirectUri },
      ...{ code_challenge: pkce().challenge, code_challenge_method: "S256" },
    });
    const seen = await s.c.form("/introspect", { ...(await by(app)), token: access_token });
    const revoked = await s.c.form("/revoke", { ...(await by(app)), token: access_token });
    expect([pushed.status, (await seen.json()).active, revoked.status]).toEqual([201, true, 200]);
    expect(await s.introspect(access_token)).toEqual({ active: false });
  });

  it("for codes and refresh tokens, with a new one each time", async () => {
    const client = await s.createApp({
      token_endpoint_auth_method: "private_key_jwt",
      jwks: { keys: [key.publicJwk] },
    });
    const { code, verifier } = await s.c.codeFor(client);
    const fields = { grant_type: "authorization_code", code, code_verifier: verifier };
    const { refresh_token } = await (await send(await signed({}, {}, client), fields)).json();
    const next = await send(await signed({}, {}, client), { grant_type: "refresh_token", refresh_token });
    expect(next.status).toBe(200);
  });
});

describe("56: signatures", () => {
  const withAlg = async (header: Json, mac: (input: string) => string) => {
    const [, body] = (await signed()).split(".");
    const input = `${Buffer.from(JSON.stringify({ kid: "k1", ...header })).toString("base64url")}.${body}`;
    return `${input}.${mac(input)}`;
  };

  it.each(["none", "None", "NONE", ""])("alg %j is refused, with a signature and without", async (alg) => {
    await refused(await withAlg({ alg }, () => ""));
    await refused(await withAlg({ alg }, () => "AAAA"));
  });

  it("HS256 with the public key as the secret is refused, however the key is written", async () => {
    const publicKey = createPublicKey({ key: key.publicJwk as JsonWebKey, format: "jwk" });
    const secrets = [
      publicKey.export({ type: "spki", format: "pem" }),
      publicKey.export({ type: "spki", format: "der" }),
      JSON.stringify(key.publicJwk),
      String(key.publicJwk.x),
    ];
    for (const secret of secrets)
      await refused(
        await withAlg({ alg: "HS256" }, (input) =>
          createHmac("sha256", secret).update(input).digest("base64url"),
        ),
      );
  });

  it("another key by the registered kid, and the registered key by another kid, are refused", async () => {
    await refused(await signed({}, {}, app, await newClientKey("k1")));
    await refused(await signed({}, { kid: "k2" }));
  });

  it("another client's key is refused", async () => {
    const theirs = await newClientKey();
    await createSigner({ jwks: { keys: [theirs.publicJwk] } });
    await refused(await signed({}, {}, app, theirs));
  });

  it("a changed claim, a cut signature and a signature of nothing are refused", async () => {
    const [head = "", , tail = ""] = (await signed()).split(".");
    const [, body = ""] = (await signed({ exp: 4e9 })).split(".");
    for (const text of [`${head}.${body}.${tail}`, `${head}.${body}.${tail.slice(4)}`, `${head}.${body}.`])
      await refused(text);
  });

  it("without kid nobody is let choose among several keys", async () => {
    const second = await newClientKey();
    const client = await createSigner({ jwks: { keys: [key.publicJwk, second.publicJwk] } });
    await refused(await signed({}, { kid: undefined }, client));
    expect((await send(await signed({}, { kid: second.kid }, client, second))).status).toBe(200);
  });

  it("another algorithm than the registered token_endpoint_auth_signing_alg is refused", async () => {
    const { alg: _, ...bare } = (await newClientKey("rsa", "PS256")).publicJwk;
    const rsa = await newClientKey("rsa", "RS256");
    const client = await createSigner({
      jwks: { keys: [bare, rsa.publicJwk].map((jwk, n) => ({ ...jwk, kid: `rsa${n}` })) },
      token_endpoint_auth_signing_alg: "PS256",
    });
    await refused(await signed({}, { kid: "rsa1" }, client, rsa));
  });

  it.each(["dpop+jwt", "at+jwt", "oauth-id-jag+jwt", 7])("an assertion of typ %j is refused", async (typ) => {
    await refused(await signed({}, { typ }));
  });
});

describe("57: claims", () => {
  const now = () => Math.floor(s.t.ctx.now().getTime() / 1000);

  it.each([
    ["aud is another server", () => ({ aud: "https://other.example" })],
    ["aud has another server, too", () => ({ aud: [ISSUER, "https://other.example"] })],
    ["aud has us twice", () => ({ aud: [ISSUER, ISSUER] })],
    ["aud is the token endpoint", () => ({ aud: `${ISSUER}/token` })],
    ["aud is the endpoint of pushed requests", () => ({ aud: `${ISSUER}/par` })],
    ["aud has a slash at its end", () => ({ aud: `${ISSUER}/` })],
    ["aud begins like us", () => ({ aud: `${ISSUER}.evil.example` })],
    ["aud is empty", () => ({ aud: [] })],
    ["aud is missing", () => ({ aud: undefined })],
    ["aud is a number", () => ({ aud: 7 })],
    ["exp is missing", () => ({ exp: undefined })],
    ["exp is now", () => ({ exp: now() })],
    ["exp is text", () => ({ exp: String(now() + 60) })],
    ["exp is negative", () => ({ exp: -1 })],
    ["exp is beyond time", () => ({ exp: 1e15 })],
    ["exp is more than 10 minutes ahead", () => ({ exp: now() + 611 })],
    ["iat is in the future", () => ({ iat: now() + 12 })],
    ["iat is text", () => ({ iat: "now" })],
    ["nbf is in the future", () => ({ nbf: now() + 12 })],
    ["iss is another client", () => ({ iss: remote.clientId })],
    ["iss is missing", () => ({ iss: undefined })],
    ["iss is our own", () => ({ iss: ISSUER })],
    ["sub is another client", () => ({ sub: remote.clientId })],
    ["sub is nobody", () => ({ sub: "app_unknown" })],
    ["sub is missing", () => ({ sub: undefined })],
    ["jti is missing", () => ({ jti: undefined })],
    ["jti is empty", () => ({ jti: "" })],
    ["jti is a number", () => ({ jti: 1 })],
  ])("%s", async (_what, claims) => {
    await refused(await signed(claims()));
  });

  it("10 minutes ahead is not too far", async () => {
    expect((await send(await signed({ exp: now() + 600 }))).status).toBe(200);
  });

  it("claims that are no JSON object are refused", async () => {
    const [head = "", , tail = ""] = (await signed()).split(".");
    for (const claims of ["[]", "7", '"x"', "null", "{"])
      await refused(`${head}.${Buffer.from(claims).toString("base64url")}.${tail}`);
  });

  it("a client_id that is another client's, or somebody's who is not there, is refused", async () => {
    for (const client_id of [remote.clientId, "app_unknown"]) await refused(await signed(), { client_id });
  });

  it("what an operator said of one client counts for it: the token endpoint as aud, and nothing else", async () => {
    const legacy = await createSigner({ jwks: { keys: [key.publicJwk] }, legacy_assertion_audience: true });
    const statusOf = async (aud: unknown) => (await send(await signed({ aud }, {}, legacy))).status;
    expect([
      await statusOf(ISSUER),
      await statusOf(`${ISSUER}/token`),
      await statusOf(`${ISSUER}/oauth/token`),
    ]).toEqual([200, 200, 200]);
    expect([
      await statusOf(`${ISSUER}/par`),
      await statusOf([ISSUER, `${ISSUER}/token`]),
      await statusOf("https://other.example/token"),
    ]).toEqual([401, 401, 401]);
    const change = { legacy_assertion_audience: false };
    await s.c.json(`/clients/one?client_id=${legacy.clientId}`, change, s.operator, "PATCH");
    expect(await statusOf(`${ISSUER}/token`)).toBe(401);
  });

  it("nobody says it of themselves", async () => {
    const body = {
      redirect_uris: ["http://127.0.0.1/cb"],
      token_endpoint_auth_method: "private_key_jwt",
      ...{ jwks: { keys: [key.publicJwk] }, legacy_assertion_audience: true },
    };
    const { client_id: clientId } = await (await s.c.json("/register", body)).json();
    const fields = { grant_type: "refresh_token", refresh_token: "none" };
    const answers = [];
    for (const aud of [`${ISSUER}/token`, ISSUER])
      answers.push((await send(await signed({ aud }, {}, { clientId, redirectUri: "" }), fields)).status);
    expect(answers).toEqual([401, 400]);
  });
});

describe("58: an assertion counts once", () => {
  it("a second use is refused, at another endpoint and on another instance, too", async () => {
    const assertion = await signed();
    expect((await send(assertion)).status).toBe(200);
    await refused(assertion);
    expect((await send(assertion, {}, other)).status).toBe(401);
    const elsewhere = await s.c.form("/introspect", { ...presenting(assertion), token: "x" });
    expect(await refusalOf(elsewhere)).toEqual(INVALID_CLIENT);
  });

  it("of 50 uses at once on two instances exactly one succeeds", async () => {
    const assertion = await signed();
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, n) => send(assertion, {}, n % 2 ? s : other)),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(49).fill(401)]);
  });

  it("a restart forgets nothing", async () => {
    const exp = Math.floor(s.t.ctx.now().getTime() / 1000) + 590;
    const [used, unused] = [await signed({ exp }), await signed({ exp })];
    expect((await send(used)).status).toBe(200);
    const restarted = operate(await testContext({ env: PUBLIC_ENV, fetchPublic }));
    expect([(await send(used, {}, restarted)).status, (await send(unused, {}, restarted)).status]).toEqual([
      401, 200,
    ]);
  });

  it("two clients may use the same jti", async () => {
    const jti = unique("jti-");
    const twin = await createSigner({ jwks: { keys: [key.publicJwk] } });
    const answers = [];
    for (const one of [app, twin]) answers.push((await send(await signed({ jti }, {}, one))).status);
    expect(answers).toEqual([200, 200]);
  });

  it("nobody but the holder of the key uses a jti up", async () => {
    const jti = unique("jti-");
    await refused(await signed({ jti }, {}, app, await newClientKey("k1")));
    expect((await send(await signed({ jti }))).status).toBe(200);
  });
});

describe("59: what the header says of the key", () => {
  const KIDS: [string, string][] = [
    ["of a file", "../../etc/passwd"],
    ["of a statement", "k1'; drop table clients; --"],
    ["with NUL", "k1\0"],
    ["of 10 KB", "k".repeat(10_000)],
    ["without a character", ""],
    ["with a space before it", " k1"],
  ];

  it.each(KIDS)("a kid %s is nobody's, and nothing is fetched", async (_what, kid) => {
    await refused(await signed({}, { kid }));
    expect(fetched).toEqual([]);
  });

  it.each([7, null, ["k1"], { kid: "k1" }, true])("the kid %j, which is no text, is refused", async (kid) => {
    const [, body] = (await signed()).split(".");
    const head = Buffer.from(JSON.stringify({ alg: "ES256", kid })).toString("base64url");
    await refused(`${head}.${body}.AAAA`);
  });

  it("made-up kids make the server ask the registered address once in ten seconds, and no other", async () => {
    const client = await createRemote();
    for (const [, kid] of KIDS) await refused(await signed({}, { kid }, client));
    expect(fetched).toEqual([client.jwksUri]);
  });

  it.each(["jku", "x5u", "jwk", "x5c", "crit", "b64", "zip"])(
    "a header with %s is refused, whoever signed it, and nothing is fetched",
    async (name) => {
      const evil = await newClientKey("k1");
      const values: Json = {
        jku: "https://evil.example/jwks.json",
        x5u: "https://evil.example/cert.pem",
        jwk: evil.publicJwk,
        x5c: ["AAAA"],
        crit: ["exp"],
        b64: true,
        zip: "DEF",
      };
      for (const client of [app, await createRemote()])
        for (const by of [key, evil]) {
          const [, claims = ""] = (await signed({}, {}, client)).split(".");
          const payload = Buffer.from(claims, "base64url").toString();
          const signing = { alg: "ES256", key: KeyObject.from(by.privateKey) } as const;
          await refused(signJws({ kid: "k1", [name]: values[name] }, payload, signing));
        }
      expect(fetched).toEqual([]);
    },
  );
});

describe("50 to 54: which way a client proves itself", () => {
  it("52: a client that signs is refused with a secret, and by its name alone", async () => {
    const secret = `sec_${"x".repeat(43)}`;
    const answers = [
      await s.c.form("/token", { ...GRANT, client_id: app.clientId, client_secret: secret }),
      await s.c.token({ ...app, secret }, GRANT),
      await s.c.form("/token", { ...GRANT, client_id: app.clientId }),
    ];
    expect(await Promise.all(answers.map(refusalOf))).toEqual(Array(3).fill(INVALID_CLIENT));
  });

  it("52: a client that has a secret, or none, is refused with an assertion, though its keys are registered", async () => {
    const keys = { jwks: { keys: [key.publicJwk] } };
    for (const client of [await s.createService(keys), await s.createApp(keys)])
      await refused(await signed({}, {}, client));
  });

  it("50: an assertion beside a secret or an Authorization header is invalid_request", async () => {
    const assertion = await signed();
    const answers = [
      await send(assertion, { client_id: app.clientId, client_secret: "x" }),
      await s.c.token({ ...app, secret: "x" }, { ...GRANT, ...presenting(assertion) }),
    ];
    expect(await Promise.all(answers.map(refusalOf))).toEqual(
      Array(2).fill({ status: 400, error: "invalid_request" }),
    );
    expect((await send(assertion)).status).toBe(200);
  });

  it.each([
    ["another type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"],
    ["an unknown type", "jwt"],
    ["no type", undefined],
  ])("an assertion of %s is refused", async (_what, client_assertion_type) => {
    const fields = { ...GRANT, client_assertion: await signed(), client_assertion_type };
    expect(await refusalOf(await s.c.form("/token", fields))).toEqual(INVALID_CLIENT);
  });

  it("51: a type without an assertion is no credential", async () => {
    const { client_assertion_type } = presenting("");
    const fields = { ...GRANT, client_id: app.clientId, client_assertion_type };
    expect(await refusalOf(await s.c.form("/token", fields))).toEqual(INVALID_CLIENT);
  });

  it("48: an unknown client, a disabled one, a wrong signature and a used assertion get one answer", async () => {
    const disabled = await createSigner({ jwks: { keys: [key.publicJwk] } });
    await s.setClientStatus(disabled, "disabled");
    const used = await signed();
    await send(used);
    const answers = [
      await send(await signed({}, {}, { clientId: "app_unknown", redirectUri: "" })),
      await send(await signed({}, {}, disabled)),
      await send(await signed({}, {}, app, await newClientKey("k1"))),
      await send(used),
    ];
    const bodies = await Promise.all(answers.map((answer) => answer.text()));
    expect([answers.map(({ status }) => status), new Set(bodies).size]).toEqual([[401, 401, 401, 401], 1]);
  });

  it("a frozen client that proves itself is told to wait", async () => {
    const frozen = await createSigner({ jwks: { keys: [key.publicJwk] } });
    const order = { action: "freeze", target: { client: frozen.clientId } };
    expect((await s.c.json("/kill-switch", order, s.operator)).status).toBe(200);
    const right = await send(await signed({}, {}, frozen));
    const wrong = await send(await signed({}, {}, frozen, await newClientKey("k1")));
    expect([await refusalOf(right), await refusalOf(wrong)]).toEqual([
      { status: 400, error: "unauthorized_client" },
      INVALID_CLIENT,
    ]);
  });

  it("in local mode a bad assertion is refused at /introspect, and not taken for nobody", async () => {
    const local = connect(await testContext());
    const response = await local.form("/introspect", { token: "x", ...presenting(await signed()) });
    expect(await refusalOf(response)).toEqual(INVALID_CLIENT);
  });

  it("64: an assertion of 1 MB is refused unread, and one of 17 KB unverified", async () => {
    expect(await refusalOf(await send("e".repeat(1_000_000)))).toEqual({
      status: 413,
      error: "content_too_large",
    });
    await refused(await signed({ padding: "x".repeat(13_000) }));
  });
});

describe("keys at an address of the client's", () => {
  let own: PublicServer;
  let client: App & { jwksUri: string };

  beforeEach(async () => {
    own = await publicServer({ fetchPublic });
    client = await createRemote(own);
    fetched.length = 0;
  });

  const publish = (...keys: ClientKey[]) =>
    web.set(client.jwksUri, () => serving({ keys: keys.map(({ publicJwk }) => publicJwk) }));
  const statusWith = async (by: ClientKey) =>
    (await send(await assertionOf(own.t, client.clientId, by), {}, own)).status;

  it("a new kid is good ten seconds after the last look; made-up ones are looked for no more often", async () => {
    const next = await newClientKey();
    expect(await statusWith(key)).toBe(200);
    publish(key, next);
    own.t.advance(10);
    expect([await statusWith(next), await statusWith(key)]).toEqual([200, 200]);
    for (let n = 0; n < 20; n++) expect(await statusWith(await newClientKey())).toBe(401);
    expect(fetched).toEqual([client.jwksUri, client.jwksUri]);
    own.t.advance(10);
    expect(await statusWith(await newClientKey())).toBe(401);
    expect(fetched).toHaveLength(3);
  });

  it("a key that is published no more is dead within ten minutes", async () => {
    const next = await newClientKey();
    expect(await statusWith(key)).toBe(200);
    publish(next);
    own.t.advance(599);
    expect(await statusWith(key)).toBe(200);
    await own.t.settled();
    expect(await statusWith(key)).toBe(401);
    publish(key);
    own.t.advance(600);
    expect([await statusWith(next), await statusWith(key)]).toEqual([401, 200]);
  });

  it("50 requests at once are one look", async () => {
    const answers = await Promise.all(Array.from({ length: 50 }, () => statusWith(key)));
    expect([new Set(answers), fetched]).toEqual([new Set([200]), [client.jwksUri]]);
  });

  const away = (reason: OutboundError["reason"]) => () => {
    throw new OutboundError(reason, "as if");
  };
  it.each<[string, () => PublicResponse]>([
    ["redirects", away("redirect")],
    ["is at a private address", away("not_public")],
    ["is too large", away("too_large")],
    ["takes too long", away("timeout")],
    ["answers 500", () => serving("", 500)],
    ["answers 404", () => serving({ keys: [] }, 404)],
    ["is no JSON", () => serving("<html>")],
    ["is of another type", () => serving({ keys: [] }, 200, "text/html")],
    ["is no JWK Set", () => serving([])],
  ])("an address that %s is 503 with Retry-After, and nothing is used up", async (_what, answer) => {
    web.set(client.jwksUri, answer);
    const assertion = await assertionOf(own.t, client.clientId, key);
    const response = await unchanged(own.t, () => send(assertion, {}, own));
    expect(response.headers.get("retry-after")).toBe("10");
    expect(await refusalOf(response)).toEqual({ status: 503, error: "temporarily_unavailable" });
    publish(key);
    own.t.advance(10);
    expect((await send(assertion, {}, own)).status).toBe(200);
  });

  it("while it is away known keys serve for an hour, and an unknown one may be the client's: 503", async () => {
    expect(await statusWith(key)).toBe(200);
    web.set(client.jwksUri, away("unreachable"));
    own.t.advance(3590);
    expect(await statusWith(key)).toBe(200);
    await own.t.settled();
    expect(await statusWith(await newClientKey())).toBe(503);
    own.t.advance(10);
    expect(await statusWith(key)).toBe(503);
  });

  it("one caller makes the server look 20 times a minute, and keeps nobody else's keys from being read", async () => {
    const clients = [];
    for (let n = 0; n < 21; n++) clients.push(await createRemote(own));
    const from = async (of: App, peer: string) => {
      const fields = { ...GRANT, ...presenting(await assertionOf(own.t, of.clientId, key)) };
      return (await own.c.form("/token", fields, {}, peer)).status;
    };
    const statuses = [];
    for (const one of clients) statuses.push(await from(one, "198.51.100.1"));
    expect(statuses).toEqual([...Array(20).fill(200), 503]);
    const last = clients.at(-1);
    if (!last) throw new Error("there are 21");
    expect(await from(last, "198.51.100.2")).toBe(200);
  });

  it("many made-up addresses of one host are looked at 60 times a minute, and what serves there goes on", async () => {
    expect(await statusWith(key)).toBe(200);
    const { host } = new URL(client.jwksUri);
    for (let n = 0; n < 61; n++) {
      const jwksUri = `https://${host}/${n}`;
      const made = await createSigner({ jwks_uri: jwksUri }, own);
      const fields = { ...GRANT, ...presenting(await assertionOf(own.t, made.clientId, key)) };
      await own.c.form("/token", fields, {}, `198.51.100.${n}`);
    }
    expect(fetched).toHaveLength(60);
    const next = await newClientKey();
    publish(next);
    own.t.advance(10);
    expect(await statusWith(next)).toBe(200);
  });

  it("loopback addresses are asked in local mode and nowhere else", async () => {
    const asked: boolean[] = [];
    const noting: Context["fetchPublic"] = async (_url, { allowLoopback = false }) => {
      asked.push(allowLoopback);
      return serving({ keys: [key.publicJwk] });
    };
    const local = await testContext({ fetchPublic: noting });
    const remote_ = await publicServer({ fetchPublic: noting });
    for (const [t, c] of [[local, connect(local)] as const, [remote_.t, remote_.c] as const]) {
      const body = {
        redirect_uris: ["http://127.0.0.1/cb"],
        token_endpoint_auth_method: "private_key_jwt",
        jwks_uri: `http://127.0.0.1:9999/${unique()}`,
      };
      const { client_id } = await (await c.json("/register", body)).json();
      const assertion = await assertionOf(t, client_id, key);
      await c.form("/token", { grant_type: "refresh_token", refresh_token: "x", ...presenting(assertion) });
    }
    expect(asked).toEqual([true, false]);
  });
});

describe("apps that describe themselves", () => {
  let own: PublicServer;
  beforeEach(async () => {
    own = await publicServer({ fetchPublic });
  });

  /** An app with a document of its own, which a person has connected to. */
  async function connected(clientId: string, members: Json) {
    const client: App = { clientId, redirectUri: "https://app.example/cb" };
    const publish = (more: Json) =>
      web.set(clientId, () =>
        serving({
          ...{ client_id: clientId, client_name: "App", redirect_uris: [client.redirectUri] },
          ...more,
        }),
      );
    publish(members);
    const code = await own.c.codeFor(client);
    fetched.length = 0;
    const redeem = async (by: ClientKey | undefined, claims: Json = {}) => {
      const proof = by ? presenting(await assertionOf(own.t, clientId, by, claims)) : { client_id: clientId };
      const fields = { grant_type: "authorization_code", code: code.code, code_verifier: code.verifier };
      return refusalOf(await own.c.form("/token", { ...fields, ...proof }));
    };
    return { publish, redeem };
  }
  const fresh = () => `https://${unique("app-")}.example/client.json`;
  const signs = (...keys: ClientKey[]) => ({
    token_endpoint_auth_method: "private_key_jwt",
    jwks: { keys: keys.map(({ publicJwk }) => publicJwk) },
  });
  const DONE = { status: 200, error: undefined };

  it("a document that says that the app signs is held to it", async () => {
    const { redeem } = await connected(fresh(), signs(key));
    expect(await redeem(undefined)).toEqual(INVALID_CLIENT);
    expect(await redeem(await newClientKey("k1"))).toEqual(INVALID_CLIENT);
    expect(await redeem(key)).toEqual(DONE);
    expect(fetched).toEqual([]);
  });

  it("D21: chatgpt.com may name the token endpoint as aud, and nobody who only sounds like it", async () => {
    const aud = { aud: `${ISSUER}/token` };
    const theirs = await connected(`https://chatgpt.com/oauth/${unique()}/client.json`, signs(key));
    expect(await theirs.redeem(key, aud)).toEqual(DONE);
    for (const host of ["evil.chatgpt.com", "chatgpt.com.evil.example", "notchatgpt.com"]) {
      const { redeem } = await connected(`https://${host}/${unique()}/client.json`, signs(key));
      expect(await redeem(key, aud)).toEqual(INVALID_CLIENT);
    }
  });

  it("Q19: an app that signs from now on, or with a new key, is believed once its copy here may be out of date", async () => {
    const clientId = fresh();
    const { publish, redeem } = await connected(clientId, {});
    publish(signs(key));
    expect(await redeem(key)).toEqual(INVALID_CLIENT);
    expect(fetched).toEqual([]);
    own.t.advance(301);
    const asked = await redeem(key, { iat: undefined });
    expect(fetched).toEqual([clientId]);
    // The code lived for a minute; that the app is known is what counts here.
    expect(asked).toEqual({ status: 400, error: "invalid_grant" });
    const next = await newClientKey();
    publish(signs(next));
    own.t.advance(301);
    expect(await redeem(next)).toEqual({ status: 400, error: "invalid_grant" });
    expect(await redeem(key)).toEqual(INVALID_CLIENT);
    expect(fetched).toEqual([clientId, clientId]);
  });

  it("an app whose document cannot be read anew waits, and is not told to register again", async () => {
    const clientId = fresh();
    const { redeem } = await connected(clientId, {});
    web.set(clientId, () => serving("", 500));
    own.t.advance(301);
    expect(await redeem(key)).toEqual({ status: 503, error: "temporarily_unavailable" });
    expect(await redeem(undefined)).toEqual({ status: 400, error: "invalid_grant" });
  });

  it("the document of an app that an operator stopped is not read for it", async () => {
    const clientId = fresh();
    const { redeem } = await connected(clientId, {});
    await own.setClientStatus({ clientId, redirectUri: "" }, "disabled");
    own.t.advance(90_000);
    expect([await redeem(key), await redeem(undefined), fetched]).toEqual([
      INVALID_CLIENT,
      INVALID_CLIENT,
      [],
    ]);
  });
});
