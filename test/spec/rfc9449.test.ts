import { beforeAll, describe, expect, it } from "vitest";
import { type App, basic, refusalOf, tokensOf } from "@/test/support/client";
import { delegation } from "@/test/support/delegation";
import { PROOFS, unchanged } from "@/test/support/digest";
import { type KeyHolder, keyHolder } from "@/test/support/dpop";
import { type PublicServer, publicServer } from "@/test/support/public-server";
import { pushedCode } from "@/test/support/pushed";
import { claimsOf } from "@/test/support/signer";

const ISSUER = "https://auth.example.com";
const MCP = `${ISSUER}/mcp`;
const ALGS = "ES256 ES384 RS256 PS256 Ed25519 EdDSA";

let s: PublicServer;
let key: KeyHolder;
let other: KeyHolder;
let service: App;
let resource: string;

beforeAll(async () => {
  s = await publicServer();
  [key, other] = [await keyHolder(s), await keyHolder(s)];
  resource = await s.createResource(["read", "write"]);
  service = await s.createService({ scope: "read" });
});

const own = { grant_type: "client_credentials" };
const REFUSED = { status: 400, error: "invalid_dpop_proof" };

/** What is answered to a token request with this proof; the refusal leaves nothing behind. */
const refused = (proof: string) =>
  unchanged(s.t, async () => refusalOf(await key.token(service, own, proof)));

describe("RFC 9449 §4.3: checking proofs", () => {
  it("1: there is not more than one DPoP header", async () => {
    const pair: [string, string][] = [
      ["dpop", await key.proof()],
      ["dpop", await key.proof()],
      ["authorization", basic(service).authorization],
    ];
    expect(await unchanged(s.t, async () => refusalOf(await s.c.form("/token", own, pair)))).toEqual(REFUSED);
  });

  it.each(["", "proof", "a.b", "a.b.c", "e30.e30.e30", `${"a".repeat(16_400)}.b.c`])(
    "2: its value is a well-formed JWT, not %.20s",
    async (proof) => {
      expect(await refused(proof)).toEqual(REFUSED);
    },
  );

  it.each(["jti", "htm", "htu", "iat"])("3: it has %s", async (name) => {
    expect(await refused(await key.proof({ changes: { [name]: undefined } }))).toEqual(REFUSED);
  });

  it.each([undefined, "JWT", "jwt", "at+jwt", "DPOP+JWT"])("4: its typ is dpop+jwt, not %s", async (typ) => {
    expect(await refused(await key.proof({ header: { typ } }))).toEqual(REFUSED);
  });

  it("5: its algorithm is one that the metadata names, and every one of those is taken", async () => {
    const metadata = await (await s.c.call("/.well-known/oauth-authorization-server")).json();
    expect(metadata.dpop_signing_alg_values_supported.join(" ")).toBe(ALGS);
    for (const alg of metadata.dpop_signing_alg_values_supported) {
      const holder = await keyHolder(s, alg);
      expect(claimsOf(await holder.ownToken(service)).cnf).toEqual({ jkt: holder.jkt });
    }
    const unknown = await keyHolder(s, "ES512");
    expect(await refused(await unknown.proof())).toEqual(REFUSED);
  });

  it("6: its signature is of the key in its header", async () => {
    expect(await refused(await key.proof({ header: { jwk: other.jwk } }))).toEqual(REFUSED);
  });

  it("7: its jwk is there, and has no private part", async () => {
    expect(await refused(await key.proof({ header: { jwk: { ...key.jwk, d: key.jwk.x } } }))).toEqual(
      REFUSED,
    );
    expect(await refused(await key.proof({ header: { jwk: undefined } }))).toEqual(REFUSED);
  });

  it("8: its htm is the method of the request", async () => {
    expect(await refused(await key.proof({ method: "GET" }))).toEqual(REFUSED);
  });

  it("9: its htu is the address of the request, but for query and fragment", async () => {
    expect(await refused(await key.proof({ path: "/par" }))).toEqual(REFUSED);
    const spelled = await key.proof({ changes: { htu: "HTTPS://auth.example.com:443/%74oken?a=b#c" } });
    expect((await key.token(service, own, spelled)).status).toBe(200);
    const queried = await s.c.form("/token?a=b", own, { ...basic(service), dpop: await key.proof() });
    expect(queried.status).toBe(200);
  });

  it("10: its nonce, if it has one, is one of this server's", async () => {
    const other = { status: 400, error: "use_dpop_nonce" };
    expect(await refused(await key.proof({ nonce: "made-up" }))).toEqual(other);
    expect(await refused(await key.proof({ nonce: "" }))).toEqual(other);
  });

  it.each([
    ["just made", 0, 200],
    ["300 seconds old", -300, 200],
    ["of 30 seconds from now", 30, 200],
    ["older", -301, 400],
    ["of later", 31, 400],
  ])("11: its iat is of now: one that is %s", async (_, seconds, status) => {
    const iat = Math.floor(s.t.ctx.now().getTime() / 1000) + seconds;
    expect((await key.token(service, own, await key.proof({ changes: { iat } }))).status).toBe(status);
  });
});

describe("RFC 9449 §5: access tokens that are bound to a key", () => {
  it("§5: the answer says DPoP, and the token names the key (§6.1)", async () => {
    const answer = await key.token(service, own);
    const { access_token, ...rest } = await tokensOf(answer);
    expect([rest.token_type, claimsOf(access_token).cnf]).toEqual(["DPoP", { jkt: key.jkt }]);
  });

  it("§5: without a proof it is a bearer token, bound to nothing", async () => {
    const { access_token, token_type } = await tokensOf(await s.c.token(service, own));
    expect([token_type, claimsOf(access_token).cnf]).toEqual(["Bearer", undefined]);
  });

  it("§5: a code and an exchange bind to the key of their own request", async () => {
    const app = await s.createApp();
    const fromCode = await key.tokensFor(app, { resource });
    expect([fromCode.token_type, claimsOf(fromCode.access_token).cnf]).toEqual(["DPoP", { jkt: key.jkt }]);
    const d = delegation(s.c, s.operator);
    const [agent, actor] = [await d.createAgent(["read"]), await d.createAgent(["read"])];
    const bearer = await d.ownToken(agent, { resource });
    const handed = (await d.exchanged(agent, bearer, { audience: actor.clientId })).access_token;
    const exchanged = await tokensOf(await other.exchange(actor, handed, { audience: resource }));
    expect([exchanged.token_type, claimsOf(exchanged.access_token).cnf]).toEqual([
      "DPoP",
      { jkt: other.jkt },
    ]);
  });

  it("§6.2: introspection says DPoP and the key", async () => {
    const { token_type, cnf } = await s.introspect(await key.ownToken(service));
    expect([token_type, cnf]).toEqual(["DPoP", { jkt: key.jkt }]);
    const bearer = await s.introspect(await delegation(s.c).ownToken(service));
    expect([bearer.token_type, "cnf" in bearer]).toEqual(["Bearer", false]);
  });

  it("the address of an earlier system's clients is one of its own: htu is what was called", async () => {
    const alias = await key.form("/oauth/token", service, own);
    expect((await tokensOf(alias)).token_type).toBe("DPoP");
    const crossed = await key.form("/oauth/token", service, own, await key.proof({ path: "/token" }));
    expect(await refusalOf(crossed)).toEqual(REFUSED);
  });
});

describe("RFC 9449 §5: refresh tokens", () => {
  it("of a public client are bound: no proof, or another key, refreshes nothing", async () => {
    const app = await s.createApp();
    const { refresh_token: token } = await key.tokensFor(app, { resource });
    const bare = await unchanged(s.t, () => s.c.refresh(app, token));
    const foreign = await unchanged(s.t, () => other.refresh(app, token), PROOFS);
    expect([await refusalOf(bare), await refusalOf(foreign)]).toEqual([
      REFUSED,
      { status: 400, error: "invalid_grant" },
    ]);
    const next = await tokensOf(await key.refresh(app, token));
    expect([next.token_type, claimsOf(next.access_token).cnf]).toEqual(["DPoP", { jkt: key.jkt }]);
    expect(await refusalOf(await other.refresh(app, next.refresh_token))).toEqual({
      status: 400,
      error: "invalid_grant",
    });
  });

  it("of a confidential client take a new key, and never make a bearer token again", async () => {
    const app = await s.createApp({ token_endpoint_auth_method: "client_secret_basic" });
    const { refresh_token: token } = await key.tokensFor(app, { resource });
    const bare = await unchanged(s.t, () => s.c.refresh(app, token));
    expect(await refusalOf(bare)).toEqual(REFUSED);
    const next = await tokensOf(await other.refresh(app, token));
    expect([next.token_type, claimsOf(next.access_token).cnf]).toEqual(["DPoP", { jkt: other.jkt }]);
    expect(await refusalOf(await s.c.refresh(app, next.refresh_token))).toEqual(REFUSED);
  });

  it("that were bound to nothing are bound by the first proof", async () => {
    const app = await s.createApp();
    const { refresh_token } = await s.c.tokensFor(app, { resource });
    const next = await tokensOf(await key.refresh(app, refresh_token));
    expect(next.token_type).toBe("DPoP");
    expect(await refusalOf(await s.c.refresh(app, next.refresh_token))).toEqual(REFUSED);
  });

  it("D10: within the overlap the same answer is given to the same key, and to no other", async () => {
    const app = await s.createApp({ token_endpoint_auth_method: "client_secret_basic" });
    const { refresh_token: token } = await key.tokensFor(app, { resource });
    const next = await tokensOf(await key.refresh(app, token));
    expect(await tokensOf(await key.refresh(app, token))).toEqual(next);
    expect(await refusalOf(await other.refresh(app, token))).toEqual({ status: 400, error: "invalid_grant" });
  });
});

describe("RFC 9449 §5.2: dpop_bound_access_tokens", () => {
  it("a client that registered it gets no bearer token, and is told so with a nonce for its proof", async () => {
    const app = await s.createService({ dpop_bound_access_tokens: true });
    const response = await unchanged(s.t, () => s.c.token(app, own));
    const { error, error_description } = await response.json();
    expect([response.status, error, error_description]).toEqual([
      400,
      "invalid_dpop_proof",
      "Send a DPoP proof: this client registered dpop_bound_access_tokens.",
    ]);
    const nonce = response.headers.get("dpop-nonce") ?? "";
    const retried = await key.token(app, own, await key.proof({ nonce }));
    expect((await tokensOf(retried)).token_type).toBe("DPoP");
  });

  it("RFC 7591 §3.2.1: the answer to a registration says it again", async () => {
    const metadata = { redirect_uris: ["http://127.0.0.1:1/cb"], token_endpoint_auth_method: "none" };
    const response = await s.c.json("/register", { ...metadata, dpop_bound_access_tokens: true });
    const { client_id: clientId, dpop_bound_access_tokens } = await response.json();
    expect([response.status, dpop_bound_access_tokens]).toEqual([201, true]);
    const app = { clientId, redirectUri: metadata.redirect_uris[0] ?? "" };
    const code = await s.c.codeFor(app, { resource });
    expect(await refusalOf(await unchanged(s.t, () => s.c.redeem(app, code)))).toEqual(REFUSED);
    expect((await key.redeem(app, code)).status).toBe(200);
  });
});

/** The challenge of an answer, without its words for people. */
const challengeOf = (response: Response): string =>
  (response.headers.get("www-authenticate") ?? "").replace(/error_description="[^"]*", /, "");
const METADATA = `resource_metadata="${ISSUER}/.well-known/oauth-protected-resource/mcp", scope="mcp:tools"`;

describe("RFC 9449 §7: a protected resource", () => {
  let bound: string;
  beforeAll(async () => {
    const app = await s.createApp();
    bound = (await key.tokensFor(app, { resource: MCP })).access_token;
  });

  it("§7.1: takes a bound token with a proof of its key", async () => {
    expect((await key.mcp(bound)).status).toBe(200);
    const lower = await key.mcp(bound, await key.proof({ path: "/mcp", accessToken: bound }), "dpop");
    expect(lower.status).toBe(200);
  });

  const proofs: [string, () => Promise<string | null>, string][] = [
    ["without a proof", async () => null, "invalid_dpop_proof"],
    ["with a proof that has no ath", () => key.proof({ path: "/mcp" }), "invalid_dpop_proof"],
    [
      "with a proof for another token",
      () => key.proof({ path: "/mcp", accessToken: `${bound}x` }),
      "invalid_dpop_proof",
    ],
    [
      "with another key's proof",
      () => other.proof({ path: "/mcp", accessToken: bound }),
      "invalid_dpop_proof",
    ],
    [
      "with a proof for GET",
      () => key.proof({ path: "/mcp", method: "GET", accessToken: bound }),
      "invalid_dpop_proof",
    ],
    ["with a proof for another address", () => key.proof({ accessToken: bound }), "invalid_dpop_proof"],
    [
      "with a proof with a foreign nonce",
      () => key.proof({ path: "/mcp", accessToken: bound, nonce: "made-up" }),
      "use_dpop_nonce",
    ],
  ];
  it.each(proofs)("§7.1: refuses a bound token %s", async (_, make, error) => {
    const proof = await make();
    const response = await unchanged(s.t, () => key.mcp(bound, proof));
    expect([response.status, challengeOf(response)]).toEqual([
      401,
      `DPoP error="${error}", ${METADATA}, algs="${ALGS}"`,
    ]);
    expect((await response.json()).error).toBe(error);
  });

  it("§7.2: refuses a bound token as a bearer token, with a proof as well", async () => {
    const proof = await key.proof({ path: "/mcp", accessToken: bound });
    for (const sent of [null, proof]) {
      const response = await unchanged(s.t, () => key.mcp(bound, sent, "Bearer"));
      expect([response.status, challengeOf(response)]).toEqual([
        401,
        `DPoP error="invalid_token", ${METADATA}, algs="${ALGS}"`,
      ]);
    }
    // Nothing was used up: as what it is, the same proof counts.
    expect((await key.mcp(bound, proof)).status).toBe(200);
  });

  it("§7.1: refuses a token that is bound to nothing with a proof of any key", async () => {
    const { access_token } = await s.c.tokensFor(await s.createApp(), { resource: MCP });
    const response = await unchanged(s.t, () => key.mcp(access_token));
    expect([response.status, challengeOf(response)]).toEqual([
      401,
      `DPoP error="invalid_token", ${METADATA}, algs="${ALGS}"`,
    ]);
    expect((await key.mcp(access_token, null, "Bearer")).status).toBe(200);
  });

  it("§7.1: refuses a bound token that was revoked, whatever is proven", async () => {
    const app = await s.createApp();
    const { access_token: token } = await key.tokensFor(app, { resource: MCP });
    await s.c.form("/revoke", { client_id: app.clientId, token });
    const response = await key.mcp(token);
    expect([response.status, challengeOf(response)]).toEqual([
      401,
      `DPoP error="invalid_token", ${METADATA}, algs="${ALGS}"`,
    ]);
  });
});

describe("RFC 9449 §8, §9: nonces", () => {
  let strict: PublicServer;
  let holder: KeyHolder;
  beforeAll(async () => {
    strict = await publicServer({ env: { AUTHGENT_DPOP_NONCE: "required" } });
    holder = await keyHolder(strict);
  });
  const nonceOf = (response: Response): string => response.headers.get("dpop-nonce") ?? "";
  /** A nonce that is good now. */
  const nonce = async () => nonceOf(await holder.token(service, own));

  it("§8: a proof without one is refused with one, and the next proof with it counts", async () => {
    const response = await unchanged(s.t, () => holder.token(service, own));
    expect(await refusalOf(response)).toEqual({ status: 400, error: "use_dpop_nonce" });
    expect(nonceOf(response)).toMatch(/^[\w-]{32}$/);
    const retried = await holder.token(service, own, await holder.proof({ nonce: nonceOf(response) }));
    expect((await tokensOf(retried)).token_type).toBe("DPoP");
  });

  it("§9: a protected resource asks for one with 401 and a challenge", async () => {
    const app = await s.createApp();
    const { code, verifier } = await s.c.codeFor(app, { resource: MCP });
    const fields = { grant_type: "authorization_code", code, code_verifier: verifier };
    const redeemed = await holder.token(app, fields, await holder.proof({ nonce: await nonce() }));
    const { access_token: bound } = await tokensOf(redeemed);
    const response = await unchanged(strict.t, () => holder.mcp(bound));
    expect([response.status, challengeOf(response)]).toEqual([
      401,
      `DPoP error="use_dpop_nonce", ${METADATA}, algs="${ALGS}"`,
    ]);
    const again = { path: "/mcp", accessToken: bound, nonce: nonceOf(response) };
    expect((await holder.mcp(bound, await holder.proof(again))).status).toBe(200);
  });

  it("§8.2: a success brings the next one, and so does a refusal of another kind", async () => {
    const current = await nonce();
    const success = await holder.token(service, own, await holder.proof({ nonce: current }));
    const failure = await holder.token(
      service,
      { ...own, scope: "delete" },
      await holder.proof({ nonce: current }),
    );
    expect([success.status, failure.status]).toEqual([200, 400]);
    expect([nonceOf(success), nonceOf(failure)]).toEqual([current, current]);
  });

  it("§8: one is good for as long again as it is given out, then it is old", async () => {
    const mine = await publicServer({ env: { AUTHGENT_DPOP_NONCE: "required" } });
    const at = await keyHolder(mine);
    const statusWith = async (given: string) =>
      (await at.token(service, own, await at.proof({ nonce: given }))).status;
    const first = nonceOf(await at.token(service, own));
    mine.t.advance(300);
    const second = nonceOf(await at.token(service, own));
    expect([first === second, await statusWith(first), await statusWith(second)]).toEqual([false, 200, 200]);
    mine.t.advance(300);
    const old = await at.token(service, own, await at.proof({ nonce: first }));
    expect(await refusalOf(old)).toEqual({ status: 400, error: "use_dpop_nonce" });
    expect(await statusWith(second)).toBe(200);
  });

  it("§8: without the setting none is needed, but one that is there has to be good", async () => {
    expect((await key.token(service, own)).status).toBe(200);
    const good = nonceOf(await key.token(service, own));
    expect((await key.token(service, own, await key.proof({ nonce: good }))).status).toBe(200);
  });

  it("RFC 10017: a browser client may read it, and send proofs", async () => {
    const response = await key.token(service, own);
    expect(response.headers.get("access-control-expose-headers")?.split(", ")).toContain("DPoP-Nonce");
    const preflight = await s.c.call("/token", { method: "OPTIONS" });
    expect(preflight.headers.get("access-control-allow-headers")?.split(", ")).toContain("dpop");
  });
});

describe("RFC 9449 §10: codes that are bound to a key", () => {
  const KEY = () => ({ resource, dpop_jkt: key.jkt });

  it("§10: a code that was asked for with dpop_jkt is redeemed with that key alone", async () => {
    const app = await s.createApp();
    const code = await s.c.codeFor(app, KEY());
    const bare = await unchanged(s.t, () => s.c.redeem(app, code));
    const foreign = await unchanged(s.t, () => other.redeem(app, code), PROOFS);
    expect([await refusalOf(bare), await refusalOf(foreign)]).toEqual([
      REFUSED,
      { status: 400, error: "invalid_grant" },
    ]);
    expect((await tokensOf(await key.redeem(app, code))).token_type).toBe("DPoP");
  });

  it.each(["x", "a".repeat(42), "a".repeat(44), `${"a".repeat(42)}=`, `${"a".repeat(42)}+`])(
    "§10: dpop_jkt %j is no thumbprint",
    async (dpop_jkt) => {
      const answer = await s.c.answerFor(await s.createApp(), { resource, dpop_jkt });
      expect(answer.searchParams.get("error")).toBe("invalid_request");
    },
  );

  it("§10.1: a proof at the pushed authorization request endpoint binds as dpop_jkt does", async () => {
    const app = await s.createApp();
    const code = await pushedCode(s.c, app, { resource }, { dpop: await key.proof({ path: "/par" }) });
    expect([
      await refusalOf(await s.c.redeem(app, code)),
      await refusalOf(await other.redeem(app, code)),
    ]).toEqual([REFUSED, { status: 400, error: "invalid_grant" }]);
    expect((await key.redeem(app, code)).status).toBe(200);
  });

  it("§10.1: dpop_jkt and the proof agree", async () => {
    const app = await s.createApp();
    const code = await pushedCode(s.c, app, KEY(), { dpop: await key.proof({ path: "/par" }) });
    expect((await key.redeem(app, code)).status).toBe(200);
    const fields = { ...s.c.requestOf(app, { resource }), dpop_jkt: other.jkt };
    const response = await unchanged(s.t, () => key.form("/par", app, fields), PROOFS);
    expect(await refusalOf(response)).toEqual(REFUSED);
  });

  it("§10.1: dpop_jkt is pushed without a proof as well", async () => {
    const app = await s.createApp();
    const code = await pushedCode(s.c, app, KEY());
    expect(await refusalOf(await other.redeem(app, code))).toEqual({ status: 400, error: "invalid_grant" });
    expect((await key.redeem(app, code)).status).toBe(200);
  });
});
