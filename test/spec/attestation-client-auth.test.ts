import { eq } from "drizzle-orm";
import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT } from "jose";
import * as oauth from "oauth4webapi";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { pushedRequests } from "@/db/schema/pushed-requests";
import { refreshTokens } from "@/db/schema/tokens";
import { hashSecret } from "@/lib/ids";
import { type Attested, attestedBy, type Instance, publicKeyOf } from "@/test/support/attested";
import { type App, approvalOf, newBrowser, pkce, refusalOf, tokensOf } from "@/test/support/client";
import { unique } from "@/test/support/context";
import { unchanged } from "@/test/support/digest";
import { newForeignKey, signAs } from "@/test/support/foreign-issuer";
import { listening } from "@/test/support/listening";
import { operate, type PublicServer, publicServer } from "@/test/support/public-server";
import { claimsOf } from "@/test/support/signer";
import { type Partner, partner } from "@/test/support/trusted-assertions";

const ISSUER = "https://auth.example.com";
const GRANT = { grant_type: "client_credentials" };
const INVALID_CLIENT = { status: 401, error: "invalid_client" };
const INVALID = { status: 400, error: "invalid_client_attestation" };
const STALE = { status: 400, error: "use_fresh_attestation" };
const CHALLENGE = "oauth-client-attestation-challenge";

let s: PublicServer;
let attester: Partner;
let a: Attested;
let service: App;
let instance: Instance;

beforeAll(async () => {
  s = await publicServer();
  attester = await partner(s, ["client_auth"]);
  a = attestedBy(s, attester);
  service = await s.createService({ token_endpoint_auth_method: "attest_jwt_client_auth" });
  instance = await a.newInstance();
});
afterAll(() => attester.close());

type Headers = Record<string, string>;

const ask = (headers: Headers, fields: Record<string, string> = {}, on = s) =>
  on.c.form("/token", { ...GRANT, ...fields }, headers);
const refused = (headers: Headers, fields: Record<string, string> = {}) =>
  unchanged(s.t, async () => refusalOf(await ask(headers, fields)));

/** The usual headers with another attestation, or another proof. */
const withAttestation = async (token: string | undefined): Promise<Headers> => ({
  ...(token !== undefined && { "oauth-client-attestation": token }),
  "oauth-client-attestation-pop": await a.possession(instance),
});
const withProof = async (token: string | undefined): Promise<Headers> => ({
  "oauth-client-attestation": await a.attestation(service, instance),
  ...(token !== undefined && { "oauth-client-attestation-pop": token }),
});

const now = () => Math.floor(s.t.ctx.now().getTime() / 1000);
const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

describe("§7.5: client authentication", () => {
  it("an attested instance gets a token, with client_id and without", async () => {
    for (const fields of [{}, { client_id: service.clientId }]) {
      const tokens = await tokensOf(await ask(await a.headersOf(service, instance), fields));
      expect([tokens.token_type, claimsOf(tokens.access_token).client_id]).toEqual([
        "Bearer",
        service.clientId,
      ]);
    }
  });

  it("a client_id that is not the sub of the attestation is refused", async () => {
    const other = await s.createService({ token_endpoint_auth_method: "attest_jwt_client_auth" });
    const headers = await a.headersOf(service, instance);
    expect(await refused(headers, { client_id: other.clientId })).toEqual(INVALID_CLIENT);
  });

  it.each(["client_secret_basic", "private_key_jwt", "none"])(
    "a client registered for %s is not authenticated by an attestation",
    async (method) => {
      const key = await newForeignKey("k");
      const jwks = method === "private_key_jwt" ? { keys: [key.publicJwk] } : undefined;
      const app = await s.createApp({ token_endpoint_auth_method: method, jwks });
      expect(await refused(await a.headersOf(app, instance))).toEqual(INVALID_CLIENT);
    },
  );

  it("a client registered for attestations is authenticated by nothing less", async () => {
    expect(await refused({}, { client_id: service.clientId })).toEqual(INVALID_CLIENT);
    expect(await refused({}, { client_id: service.clientId, client_secret: "sec_x" })).toEqual(
      INVALID_CLIENT,
    );
  });

  it("an unknown client and one that is disabled get the same answer, byte for byte", async () => {
    const disabled = await s.createService({ token_endpoint_auth_method: "attest_jwt_client_auth" });
    await s.setClientStatus(disabled, "disabled");
    const unknown = { clientId: "app_unknown", redirectUri: "" };
    const answers = [];
    for (const app of [unknown, disabled]) {
      const response = await ask(await a.headersOf(app, instance));
      answers.push([response.status, await response.text()]);
    }
    expect(answers[0]).toEqual(answers[1]);
    expect(answers[0]?.[0]).toBe(401);
  });

  it.each(["/introspect", "/revoke"])("%s takes it as well", async (path) => {
    const { access_token: token } = await tokensOf(await ask(await a.headersOf(service, instance)));
    expect((await s.c.form(path, { token })).status).toBe(401);
    expect((await s.c.form(path, { token }, await a.headersOf(service, instance))).status).toBe(200);
    expect((await s.c.form(path, { token }, await a.combinedOf(service, instance, path))).status).toBe(200);
  });

  it("beside a secret, a header or an assertion it is one method too many (RFC 6749 §2.3)", async () => {
    const more: [Headers, Record<string, string>][] = [
      [{}, { client_id: service.clientId, client_secret: "sec_x" }],
      [{ authorization: `Basic ${btoa(`${service.clientId}:sec_x`)}` }, {}],
      [{}, { client_assertion: "x", client_assertion_type: "y" }],
    ];
    for (const [headers, fields] of more)
      expect(await refused({ ...(await a.headersOf(service, instance)), ...headers }, fields)).toEqual({
        status: 400,
        error: "invalid_request",
      });
  });
});

describe("§4, §7.1: the attestation", () => {
  it.each([
    ["another typ", {}, { typ: "JWT" }],
    ["the typ of its proof", {}, { typ: "oauth-client-attestation-pop+jwt" }],
    ["no sub", { sub: undefined }, {}],
    ["a sub with NUL", { sub: "app_\u0000" }, {}],
    ["an iss with half a character", { iss: "https://attester.example/\ud800" }, {}],
    ["no exp", { exp: undefined }, {}],
    ["an exp in words", { exp: "tomorrow" }, {}],
    ["no cnf", { cnf: undefined }, {}],
    ["a cnf without jwk", { cnf: { jkt: "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs" } }, {}],
    ["an iat in the future", { iat: 4e9 }, {}],
    ["an nbf in the future", { nbf: 4e9 }, {}],
    ["an iss nobody trusts", { iss: "https://attester.example" }, {}],
    ["an iss that is another client", { iss: "app_other" }, {}],
  ])("%s is refused", async (_, claims, header) => {
    const token = await a.attestation(service, instance, claims, header);
    expect(await refused(await withAttestation(token))).toEqual(INVALID);
  });

  it("a proof without an attestation is refused", async () => {
    expect(await refused(await withAttestation(undefined))).toEqual(INVALID);
  });

  it("two of them are refused", async () => {
    const token = await a.attestation(service, instance);
    expect(await refused(await withAttestation(`${token}, ${token}`))).toEqual(INVALID);
  });

  it("claims nobody knows are ignored", async () => {
    const token = await a.attestation(service, instance, { "urn:example:wallet": true });
    expect((await ask(await withAttestation(token))).status).toBe(200);
  });

  it("a private key in cnf is refused, and so is a symmetric or a weak one", async () => {
    const { privateKey } = await generateKeyPair("ES256", { extractable: true });
    const weak = { kty: "RSA", n: Buffer.alloc(64, 255).toString("base64url"), e: "AQAB" };
    for (const jwk of [await exportJWK(privateKey), { kty: "oct", k: "c2VjcmV0" }, weak]) {
      const token = await a.attestation(service, instance, { cnf: { jwk } });
      expect(await refused(await withAttestation(token))).toEqual(INVALID);
    }
  });

  it("alg none and a MAC are refused", async () => {
    const payload = encoded({ iss: attester.issuer, sub: service.clientId, exp: now() + 60 });
    for (const alg of ["none", "HS256"]) {
      const header = encoded({ alg, typ: "oauth-client-attestation+jwt", kid: "k1" });
      expect(await refused(await withAttestation(`${header}.${payload}.AAAA`))).toEqual(INVALID);
    }
  });

  it("one that is expired is refused: get a fresh one (§7.4)", async () => {
    const token = await a.attestation(service, instance, { exp: now() - 1 });
    expect(await refused(await withAttestation(token))).toEqual(STALE);
  });

  it("one older than a day is not fresh enough, whenever it expires; without iat, one good for longer", async () => {
    const old = { iat: now() - 86_401, exp: now() + 3600 };
    const long = { iat: undefined, exp: now() + 86_401 };
    for (const claims of [old, long]) {
      const token = await a.attestation(service, instance, claims);
      expect(await refused(await withAttestation(token))).toEqual(STALE);
    }
    const young = { iat: now() - 86_399, exp: now() + 1 };
    for (const claims of [young, { iat: undefined, exp: now() + 86_400 }, { exp: now() + 1e9 }]) {
      const token = await a.attestation(service, instance, claims);
      expect((await ask(await withAttestation(token))).status).toBe(200);
    }
  });

  it("how fresh is for the operator to say", async () => {
    const strict = await publicServer({ env: { AUTHGENT_ATTESTATION_MAX_AGE: "60" } });
    const headers = await withAttestation(
      await a.attestation(service, instance, { iat: now() - 61, exp: now() + 600 }),
    );
    expect(await refusalOf(await ask(headers, {}, strict))).toEqual(STALE);
  });

  it("§10.2: it serves again and again with new proofs", async () => {
    const token = await a.attestation(service, instance);
    for (let time = 0; time < 3; time++) expect((await ask(await withAttestation(token))).status).toBe(200);
  });

  it.each(["ES384", "RS256", "PS256", "Ed25519", "EdDSA"])(
    "an instance may hold a key for %s",
    async (alg) => {
      const other = await a.newInstance(alg);
      expect((await ask(await a.headersOf(service, other))).status).toBe(200);
    },
  );
});

describe("§10.8: who vouches", () => {
  /** The usual headers, but of another attester. */
  const vouchedBy = async (other: Pick<Partner, "sign">, app = service) =>
    attestedBy(s, other).headersOf(app, instance);

  it("an attester for something else, one that is disabled, and an unknown key are told the same", async () => {
    const [workloads, disabled] = [await partner(s, ["workload"]), await partner(s, ["client_auth"])];
    await disabled.change({ status: "disabled" });
    const impostor = await newForeignKey("k1");
    const forged = {
      sign: (claims = {}, header = {}) => signAs(impostor, { iss: attester.issuer, ...claims }, header),
    };
    const bodies = [];
    for (const one of [workloads, disabled, forged])
      bodies.push(await (await ask(await vouchedBy(one))).text());
    expect(new Set(bodies).size).toBe(1);
    expect(JSON.parse(bodies[0] ?? "").error).toBe("invalid_client_attestation");
    await Promise.all([workloads.close(), disabled.close()]);
  });

  it("an attester with rules vouches for the clients in them, and for no other", async () => {
    const other = await s.createService({ token_endpoint_auth_method: "attest_jwt_client_auth" });
    const workloads = [{ claims: { sub: service.clientId }, client_id: service.clientId }];
    const bounded = await partner(s, ["client_auth"], { workloads });
    expect((await ask(await vouchedBy(bounded))).status).toBe(200);
    expect(await refused(await vouchedBy(bounded, other))).toEqual(INVALID);
    await bounded.close();
  });

  it("a client vouches for its own instances with its registered keys, where nobody else is named", async () => {
    const backend = await newForeignKey("backend");
    const own = await s.createService({
      token_endpoint_auth_method: "attest_jwt_client_auth",
      jwks: { keys: [backend.publicJwk] },
    });
    const unnamed = { sign: (claims = {}, header = {}) => signAs(backend, claims, header) };
    const named = {
      sign: (claims = {}, header = {}) => signAs(backend, { iss: own.clientId, ...claims }, header),
    };
    expect((await ask(await vouchedBy(unnamed, own))).status).toBe(200);
    expect((await ask(await vouchedBy(named, own))).status).toBe(200);
    // Its word is its own, and for itself alone.
    const foreign = {
      sign: (claims = {}, header = {}) => signAs(backend, { iss: "https://x.example", ...claims }, header),
    };
    expect(await refused(await vouchedBy(foreign, own))).toEqual(INVALID);
    expect(await refused(await vouchedBy(unnamed))).toEqual(INVALID);
    expect(await refused(await vouchedBy(named))).toEqual(INVALID);
  });

  it("keys that cannot be read are no fault of the client: 503, and the same request counts later", async () => {
    const away = await partner(s, ["client_auth"]);
    await away.close();
    const response = await ask(await vouchedBy(away));
    expect([response.status, response.headers.get("retry-after")]).toEqual([503, "10"]);
  });
});

describe("§5.1, §7.2: the proof of possession", () => {
  it.each([
    ["another typ", {}, { typ: "JWT" }],
    ["the typ of the attestation", {}, { typ: "oauth-client-attestation+jwt" }],
    ["no aud", { aud: undefined }, {}],
    ["another aud", { aud: "https://other.example" }, {}],
    ["the token endpoint as aud", { aud: `${ISSUER}/token` }, {}],
    ["our issuer with a slash as aud", { aud: `${ISSUER}/` }, {}],
    ["our issuer and another as aud", { aud: [ISSUER, "https://other.example"] }, {}],
    ["no jti", { jti: undefined }, {}],
    ["no iat", { iat: undefined }, {}],
    ["an iat in words", { iat: "now" }, {}],
    ["an exp that is over", { exp: 1 }, {}],
    ["an nbf to come", { nbf: 4e9 }, {}],
  ])("%s is refused", async (_, claims, header) => {
    expect(await refused(await withProof(await a.possession(instance, claims, header)))).toEqual(INVALID);
  });

  it("iat counts for five minutes, and may be 30 seconds ahead", async () => {
    const at = async (seconds: number) => withProof(await a.possession(instance, { iat: now() + seconds }));
    expect([await refused(await at(-302)), await refused(await at(32))]).toEqual([INVALID, INVALID]);
    expect([(await ask(await at(-299))).status, (await ask(await at(29))).status]).toEqual([200, 200]);
  });

  it("aud may be a list of our issuer alone", async () => {
    const headers = await withProof(await a.possession(instance, { aud: [ISSUER] }));
    expect((await ask(headers)).status).toBe(200);
  });

  it("one signed with another key is refused, and so is one with a MAC or none", async () => {
    const other = await a.newInstance();
    expect(await refused(await withProof(await a.possession(other)))).toEqual(INVALID);
    const payload = encoded({ aud: ISSUER, jti: unique(), iat: now() });
    for (const alg of ["none", "HS256"]) {
      const header = encoded({ alg, typ: "oauth-client-attestation-pop+jwt" });
      expect(await refused(await withProof(`${header}.${payload}.AAAA`))).toEqual(INVALID);
    }
  });

  it("an attestation without any proof is refused", async () => {
    expect(await refused(await withProof(undefined))).toEqual(INVALID);
  });

  it("two of them are refused", async () => {
    const proof = await a.possession(instance);
    expect(await refused(await withProof(`${proof}, ${proof}`))).toEqual(INVALID);
  });

  it("§12.1: the same one again is refused", async () => {
    const headers = await a.headersOf(service, instance);
    expect((await ask(headers)).status).toBe(200);
    expect(await refused(headers)).toEqual(INVALID);
  });
});

describe("§5.2, §7.3: a DPoP proof in its place", () => {
  it("authenticates the instance and binds the token to the same key, with one proof", async () => {
    const tokens = await tokensOf(await ask(await a.combinedOf(service, instance)));
    expect(tokens.token_type).toBe("DPoP");
    const { cnf } = claimsOf(tokens.access_token) as { cnf: { jkt: string } };
    expect(cnf.jkt).toBe(await calculateJwkThumbprint(publicKeyOf(instance)));
  });

  it("either proof serves, whichever of the two methods the client registered", async () => {
    const combined = await s.createService({ token_endpoint_auth_method: "attest_jwt_client_auth_dpop" });
    expect((await ask(await a.headersOf(combined, instance))).status).toBe(200);
    expect((await ask(await a.combinedOf(combined, instance))).status).toBe(200);
  });

  it("the same proof again is refused as any DPoP proof is", async () => {
    const headers = await a.combinedOf(service, instance);
    expect((await ask(headers)).status).toBe(200);
    expect(await refused(headers)).toEqual({ status: 400, error: "invalid_dpop_proof" });
  });

  it("a proof with another key is refused, and is not used up", async () => {
    const other = await a.newInstance();
    const headers = {
      "oauth-client-attestation": await a.attestation(service, instance),
      dpop: await a.dpop(other, "/token"),
    };
    expect(await refused(headers)).toEqual(INVALID);
  });

  it("a proof for another address is refused", async () => {
    expect(await refused(await a.combinedOf(service, instance, "/par"))).toEqual({
      status: 400,
      error: "invalid_dpop_proof",
    });
  });

  it("§7: beside a proof of its own, a DPoP proof may have another key: the token is bound to that", async () => {
    const other = await a.newInstance();
    const headers = { ...(await a.headersOf(service, instance)), dpop: await a.dpop(other, "/token") };
    const tokens = await tokensOf(await ask(headers));
    expect(claimsOf(tokens.access_token).cnf).toEqual({
      jkt: await calculateJwkThumbprint(publicKeyOf(other)),
    });
  });
});

describe("§6: challenges", () => {
  const challenge = async () =>
    (await (await s.c.call("/challenge", { method: "POST" })).json()).attestation_challenge;

  it("§6.3: POST /challenge gives one out, not to be cached, with a DPoP nonce", async () => {
    const response = await s.c.call("/challenge", { method: "POST" });
    expect([response.status, response.headers.get("cache-control")]).toEqual([200, "no-store"]);
    expect(response.headers.get("dpop-nonce")).toMatch(/^[\w-]{32}$/);
    const { attestation_challenge, ...rest } = await response.json();
    expect([rest, attestation_challenge]).toEqual([{}, expect.stringMatching(/^[\w-]{32}$/)]);
    expect(attestation_challenge).not.toBe(response.headers.get("dpop-nonce"));
  });

  it("§6.3, §8: the metadata say where, and which algorithms are taken", async () => {
    const metadata = await (await s.c.call("/.well-known/oauth-authorization-server")).json();
    const algorithms = ["ES256", "ES384", "RS256", "PS256", "Ed25519", "EdDSA"];
    expect(metadata).toMatchObject({
      challenge_endpoint: `${ISSUER}/challenge`,
      client_attestation_signing_alg_values_supported: algorithms,
      client_attestation_pop_signing_alg_values_supported: algorithms,
    });
    expect(metadata.token_endpoint_auth_methods_supported).toEqual(
      expect.arrayContaining(["attest_jwt_client_auth", "attest_jwt_client_auth_dpop"]),
    );
    // Attestations are not taken beside another method (§7.6).
    expect(metadata).not.toHaveProperty("client_attestation_pop_methods_supported");
  });

  it("§6.2: every answer to an attested request carries one, success or refusal, and it counts", async () => {
    const good = await ask(await a.headersOf(service, instance));
    const bad = await ask(await withProof(await a.possession(instance, { aud: "https://x.example" })));
    const plain = await ask({}, { client_id: service.clientId });
    expect([good.status, bad.status, plain.headers.get(CHALLENGE)]).toEqual([200, 400, null]);
    for (const { headers } of [good, bad]) {
      const next = await a.headersOf(service, instance, { challenge: headers.get(CHALLENGE) });
      expect((await ask(next)).status).toBe(200);
    }
  });

  it("§6.1: one that is not ours, or old, is refused with a fresh one, and the repeat counts", async () => {
    const old = await challenge();
    s.t.advance(601);
    for (const given of ["never-issued-here", old]) {
      const response = await unchanged(s.t, async () =>
        ask(await a.headersOf(service, instance, { challenge: given })),
      );
      const fresh = response.headers.get(CHALLENGE);
      expect(await refusalOf(response)).toEqual({ status: 400, error: "use_attestation_challenge" });
      expect((await ask(await a.headersOf(service, instance, { challenge: fresh }))).status).toBe(200);
    }
    s.t.advance(-601);
  });

  it("§6: one may serve in several proofs", async () => {
    const given = await challenge();
    for (let time = 0; time < 2; time++)
      expect((await ask(await a.headersOf(service, instance, { challenge: given }))).status).toBe(200);
  });

  it("a DPoP nonce is no challenge, nor the reverse", async () => {
    const response = await s.c.call("/challenge", { method: "POST" });
    const nonce = response.headers.get("dpop-nonce");
    const { attestation_challenge } = await response.json();
    expect(await refused(await a.headersOf(service, instance, { challenge: nonce }))).toEqual({
      status: 400,
      error: "use_attestation_challenge",
    });
    expect(
      await refused(await a.combinedOf(service, instance, "/token", { nonce: attestation_challenge })),
    ).toEqual({ status: 400, error: "use_dpop_nonce" });
  });

  describe("where the operator requires them", () => {
    let strict: PublicServer;
    beforeAll(async () => {
      strict = await publicServer({ env: { AUTHGENT_ATTESTATION_CHALLENGE: "required" } });
    });

    it("§6.1: a proof without one is refused with one, and the repeat counts", async () => {
      const response = await ask(await a.headersOf(service, instance), {}, strict);
      const fresh = response.headers.get(CHALLENGE);
      expect(await refusalOf(response)).toEqual({ status: 400, error: "use_attestation_challenge" });
      const again = await ask(await a.headersOf(service, instance, { challenge: fresh }), {}, strict);
      expect(again.status).toBe(200);
    });

    it("§7.4: a DPoP proof in its place needs a nonce", async () => {
      const response = await ask(await a.combinedOf(service, instance), {}, strict);
      const nonce = response.headers.get("dpop-nonce");
      expect(await refusalOf(response)).toEqual({ status: 400, error: "use_dpop_nonce" });
      const again = await ask(await a.combinedOf(service, instance, "/token", { nonce }), {}, strict);
      expect(again.status).toBe(200);
    });
  });
});

describe("§10: what is bound to the instance", () => {
  let app: App;
  let other: Instance;
  let resource: string;

  beforeAll(async () => {
    app = await s.createApp({ token_endpoint_auth_method: "attest_jwt_client_auth" });
    other = await a.newInstance();
    resource = await s.createResource(["read"]);
  });

  const redeem = async (code: { code: string; verifier: string }, by = instance) =>
    s.c.form(
      "/token",
      { grant_type: "authorization_code", code: code.code, code_verifier: code.verifier },
      await a.headersOf(app, by),
    );
  const refresh = async (token: string, headers: Headers) =>
    s.c.form("/token", { grant_type: "refresh_token", refresh_token: token }, headers);

  it("§10.3: a refresh token serves the instance it was issued to, and no other", async () => {
    const tokens = await tokensOf(await redeem(await s.c.codeFor(app, { resource })));
    const stolen = await refresh(tokens.refresh_token, await a.headersOf(app, other));
    expect(await refusalOf(stolen)).toEqual({ status: 400, error: "invalid_grant" });
    const next = await tokensOf(await refresh(tokens.refresh_token, await a.headersOf(app, instance)));
    expect(await refusalOf(await refresh(next.refresh_token, await a.combinedOf(app, other)))).toEqual({
      status: 400,
      error: "invalid_grant",
    });
    expect((await refresh(next.refresh_token, await a.combinedOf(app, instance))).status).toBe(200);
  });

  it("§10.3: one of before is bound when it is next used", async () => {
    const tokens = await tokensOf(await redeem(await s.c.codeFor(app, { resource })));
    await s.t.ctx.db
      .update(refreshTokens)
      .set({ instanceJkt: null })
      .where(eq(refreshTokens.tokenHash, hashSecret(tokens.refresh_token)));
    const next = await tokensOf(await refresh(tokens.refresh_token, await a.headersOf(app, instance)));
    expect(await refusalOf(await refresh(next.refresh_token, await a.headersOf(app, other)))).toEqual({
      status: 400,
      error: "invalid_grant",
    });
  });

  it("§10.6: with another key it is another instance, whatever its attester says", async () => {
    const tokens = await tokensOf(await redeem(await s.c.codeFor(app, { resource })));
    const renewed = await a.headersOf(app, await a.newInstance());
    expect((await refresh(tokens.refresh_token, renewed)).status).toBe(400);
  });

  /** A code for a request that an instance pushed. */
  async function pushedCode(by: Instance, fields: Record<string, string> = {}) {
    const { verifier, challenge } = pkce();
    const request = s.c.requestOf(app, { resource, code_challenge: challenge, ...fields });
    const pushed = await s.c.form("/par", request, await a.headersOf(app, by));
    expect(pushed.status).toBe(201);
    const { request_uri } = await pushed.json();
    const from = { person: await s.c.signIn(), browser: newBrowser() };
    const asked = await s.c.authorize({ client_id: app.clientId, request_uri }, from);
    const answered = await s.c.consent(approvalOf(asked) ?? "", from);
    const code = new URL(answered.headers.get("location") ?? "").searchParams.get("code") ?? "";
    return { code, verifier };
  }

  it("§10.4: a code that an instance asked for by /par is for that instance", async () => {
    const code = await pushedCode(instance);
    expect(await refusalOf(await redeem(code, other))).toEqual({ status: 400, error: "invalid_grant" });
    expect((await redeem(code, instance)).status).toBe(200);
  });

  it("§10.4: which instance asked is what it proved, not what it says", async () => {
    const { kty, crv, x, y } = publicKeyOf(other);
    const code = await pushedCode(instance, { instanceJkt: JSON.stringify({ kty, crv, x, y }) });
    expect((await redeem(code, instance)).status).toBe(200);
    const rows = await s.t.ctx.db
      .select({ params: pushedRequests.params })
      .from(pushedRequests)
      .where(eq(pushedRequests.clientId, app.clientId));
    expect(rows.filter(({ params }) => params.instanceJkt === undefined)).toEqual([]);
  });

  it("a code asked for at /authorize alone is for any instance of the client", async () => {
    expect((await redeem(await s.c.codeFor(app, { resource }), other)).status).toBe(200);
  });
});

describe("§8, §9: registration", () => {
  it.each(["attest_jwt_client_auth", "attest_jwt_client_auth_dpop"])(
    "a client may register itself for %s, and gets no secret",
    async (method) => {
      const server = await listening();
      const c = operate(server.t).c;
      const response = await c.json("/register", {
        redirect_uris: ["http://127.0.0.1/cb"],
        token_endpoint_auth_method: method,
      });
      const registered = await response.json();
      expect([response.status, registered.token_endpoint_auth_method, registered.client_secret]).toEqual([
        201,
        method,
        undefined,
      ]);
      await server.close();
    },
  );
});

describe("interoperability (oauth4webapi), over real HTTP", () => {
  it("a client whose method of authentication is a function of its own gets a DPoP token in the combined mode", async () => {
    const insecure = { [oauth.allowInsecureRequests]: true };
    const server = await listening();
    const issuer = new URL(server.url);
    const as = await oauth.processDiscoveryResponse(
      issuer,
      await oauth.discoveryRequest(issuer, { algorithm: "oauth2", ...insecure }),
    );
    expect(as.token_endpoint_auth_methods_supported).toContain("attest_jwt_client_auth_dpop");
    const backend = await newForeignKey("backend");
    const client = await oauth.processDynamicClientRegistrationResponse(
      await oauth.dynamicClientRegistrationRequest(
        as,
        {
          grant_types: ["client_credentials"],
          token_endpoint_auth_method: "attest_jwt_client_auth_dpop",
          jwks: { keys: [backend.publicJwk] },
        },
        insecure,
      ),
    );
    const keys = await oauth.generateKeyPair("ES256", { extractable: true });
    const auth: oauth.ClientAuth = async (_as, { client_id }, _body, headers) => {
      const attestation = await new SignJWT({ cnf: { jwk: await exportJWK(keys.publicKey) } })
        .setProtectedHeader({ alg: "ES256", kid: "backend", typ: "oauth-client-attestation+jwt" })
        .setSubject(client_id)
        .setIssuedAt()
        .setExpirationTime("1h")
        .sign(backend.privateKey);
      headers.set("OAuth-Client-Attestation", attestation);
    };
    const response = await oauth.clientCredentialsGrantRequest(as, client, auth, new URLSearchParams(), {
      DPoP: oauth.DPoP({}, keys),
      ...insecure,
    });
    const tokens = await oauth.processClientCredentialsResponse(as, client, response);
    expect(tokens.token_type).toBe("dpop");
    await server.close();
  });
});
