import { and, count, eq } from "drizzle-orm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { events } from "@/db/schema/events";
import { accessTokens } from "@/db/schema/tokens";
import { type Attested, attestedBy, forgetTrustDomains, type Instance } from "@/test/support/attested";
import { type App, refusalOf } from "@/test/support/client";
import { testContext, twoInstances, unique } from "@/test/support/context";
import { dumpOf, unchanged } from "@/test/support/digest";
import { type ForeignIssuer, foreignIssuer, newForeignKey, signAs } from "@/test/support/foreign-issuer";
import { operate, PUBLIC_ENV, type PublicServer } from "@/test/support/public-server";
import { type Partner, partner } from "@/test/support/trusted-assertions";

const ISSUER = "https://auth.example.com";
const INVALID_CLIENT = { status: 401, error: "invalid_client" };
const INVALID = { status: 400, error: "invalid_client_attestation" };
const INVALID_PROOF = { status: 400, error: "invalid_dpop_proof" };

let s: PublicServer;
let other: PublicServer;
let closeOther: () => Promise<void>;
let attester: Partner;
let a: Attested;
let service: App;
let instance: Instance;
/** Where nobody has a reason to look: what tokens say of keys elsewhere is never asked. */
let trap: ForeignIssuer;

let bundle: ForeignIssuer;
let workload: App;
let spiffeId: string;

beforeAll(async () => {
  const [first, second, close] = await twoInstances({ env: PUBLIC_ENV });
  [s, other, closeOther] = [operate(first), operate(second), close];
  attester = await partner(s, ["client_auth"]);
  a = attestedBy(s, attester);
  service = await s.createService({ token_endpoint_auth_method: "attest_jwt_client_auth" });
  instance = await a.newInstance();
  trap = await foreignIssuer();

  bundle = await foreignIssuer();
  const trustDomain = `spiffe://${unique()}.example`;
  const terms = { issuer: trustDomain, name: "Cluster", purposes: ["client_auth"], jwks_uri: bundle.jwksUri };
  expect((await s.c.json("/trusted-issuers", terms, s.operator)).status).toBe(201);
  spiffeId = `${trustDomain}/indexer`;
  workload = await s.createService({ token_endpoint_auth_method: "spiffe_jwt", spiffe_id: spiffeId });
});
afterAll(async () => {
  await forgetTrustDomains(s);
  await Promise.all([attester.close(), trap.close(), bundle.close()]);
  await closeOther();
});

type Headers = Record<string, string>;

const ask = (headers: Headers, on = s) => on.c.form("/token", { grant_type: "client_credentials" }, headers);
const refused = (headers: Headers) => unchanged(s.t, async () => refusalOf(await ask(headers)));

const now = () => Math.floor(s.t.ctx.now().getTime() / 1000);
const svid = (claims: Record<string, unknown> = {}, header: Record<string, unknown> = {}) =>
  signAs(bundle.state.key, { sub: spiffeId, aud: [ISSUER], exp: now() + 300, ...claims }, header);
const askAsWorkload = (assertion: string, on = s) =>
  on.c.form("/token", {
    grant_type: "client_credentials",
    client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe",
    client_assertion: assertion,
  });

const issuedTo = async ({ clientId }: App): Promise<number> => {
  const counted = s.t.ctx.db.select({ issued: count() }).from(accessTokens);
  return (await counted.where(eq(accessTokens.clientId, clientId)))[0]?.issued ?? 0;
};

describe("58, 114: what proves possession counts once", () => {
  const ways: [string, () => Promise<Headers>, object][] = [
    ["a proof of an attestation", () => a.headersOf(service, instance), INVALID],
    ["a DPoP proof in its place", () => a.combinedOf(service, instance), INVALID_PROOF],
  ];

  it.each(ways)("%s: of 50 at once on two instances exactly one", async (_, headersFor, refusal) => {
    const headers = await headersFor();
    const before = await issuedTo(service);
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_each, index) => ask(headers, index % 2 ? s : other)),
    );
    const refusals = await Promise.all(answers.filter(({ status }) => status !== 200).map(refusalOf));
    expect(refusals).toEqual(new Array(49).fill(refusal));
    expect((await issuedTo(service)) - before).toBe(1);
  });

  it.each(ways)("%s: also after a restart", async (_, headersFor, refusal) => {
    const headers = await headersFor();
    expect((await ask(headers)).status).toBe(200);
    const restarted = operate(await testContext({ env: PUBLIC_ENV }));
    expect(await refusalOf(await ask(headers, restarted))).toEqual(refusal);
  });

  it("the same jti of two instances of a client is two proofs", async () => {
    const [jti, second] = [unique("jti-"), await a.newInstance()];
    for (const one of [instance, second])
      expect((await ask(await a.headersOf(service, one, { jti }))).status).toBe(200);
  });

  it("a jti of DPoP does not use up one of an attestation", async () => {
    const jti = unique("jti-");
    expect((await ask(await a.combinedOf(service, instance, "/token", { jti }))).status).toBe(200);
    expect((await ask(await a.headersOf(service, instance, { jti }))).status).toBe(200);
  });

  it("a JWT-SVID with a jti: of 50 at once on two instances exactly one", async () => {
    const assertion = await svid({ jti: unique("jti-") });
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) => askAsWorkload(assertion, index % 2 ? s : other)),
    );
    const refusals = await Promise.all(answers.filter(({ status }) => status !== 200).map(refusalOf));
    expect(refusals).toEqual(new Array(49).fill(INVALID_CLIENT));
    const restarted = operate(await testContext({ env: PUBLIC_ENV }));
    expect(await refusalOf(await askAsWorkload(assertion, restarted))).toEqual(INVALID_CLIENT);
  });
});

describe("59, 125, 128: headers that would change what is verified", () => {
  const sources = () => ({
    jku: `${trap.issuer}/jwks`,
    x5u: `${trap.issuer}/cert`,
    x5c: ["AAAA"],
    jwk: { kty: "EC", crv: "P-256", x: "AAAA", y: "AAAA" },
    crit: ["exp"],
    b64: false,
    zip: "DEF",
  });

  it.each(["jku", "x5u", "x5c", "jwk", "crit", "b64", "zip"] as const)(
    "%s is refused wherever it stands, and nothing is fetched",
    async (name) => {
      trap.state.asked.length = 0;
      const impostor = await newForeignKey("k1");
      // Signed by whom it names, so that believing the header would be enough.
      const unsigned = async (payload: object, header: object) => {
        const segments = [header, payload].map((part) =>
          Buffer.from(JSON.stringify(part)).toString("base64url"),
        );
        return `${segments.join(".")}.${"A".repeat(86)}`;
      };
      const header = { [name]: sources()[name] };
      const claims = { iss: attester.issuer, sub: service.clientId, iat: now(), exp: now() + 60 };
      const attestation = await unsigned(
        { ...claims, cnf: { jwk: impostor.publicJwk } },
        { alg: "ES256", kid: "k1", typ: "oauth-client-attestation+jwt", ...header },
      );
      const proof = await unsigned(
        { aud: ISSUER, jti: unique(), iat: now() },
        { alg: "ES256", typ: "oauth-client-attestation-pop+jwt", ...header },
      );
      const [good, goodProof] = [await a.attestation(service, instance), await a.possession(instance)];
      expect(
        await refused({ "oauth-client-attestation": attestation, "oauth-client-attestation-pop": goodProof }),
      ).toEqual(INVALID);
      expect(
        await refused({ "oauth-client-attestation": good, "oauth-client-attestation-pop": proof }),
      ).toEqual(INVALID);
      const assertion = await unsigned(
        { sub: spiffeId, aud: ISSUER, exp: now() + 60 },
        { alg: "ES256", kid: "k1", typ: "JWT", ...header },
      );
      expect(await unchanged(s.t, async () => refusalOf(await askAsWorkload(assertion)))).toEqual(
        INVALID_CLIENT,
      );
      expect(trap.state.asked).toEqual([]);
    },
  );

  it("jku, x5u, x5c and jwk are refused also where the signature is right", async () => {
    for (const name of ["jku", "x5u", "x5c", "jwk"] as const) {
      const header = { [name]: sources()[name] };
      const attestation = await a.attestation(service, instance, {}, header);
      const headers = { ...(await a.headersOf(service, instance)), "oauth-client-attestation": attestation };
      expect(await refused(headers)).toEqual(INVALID);
      const proof = await a.possession(instance, {}, header);
      expect(
        await refused({ ...(await a.headersOf(service, instance)), "oauth-client-attestation-pop": proof }),
      ).toEqual(INVALID);
      const answer = await unchanged(s.t, async () => refusalOf(await askAsWorkload(await svid({}, header))));
      expect(answer).toEqual(INVALID_CLIENT);
    }
    expect(trap.state.asked).toEqual([]);
  });

  it.each(["../../etc/passwd", "' or 1=1 --", "k".repeat(10_000), "\u0000"])(
    "59: a kid that is %j names no key",
    async (kid) => {
      const attestation = await a.attestation(service, instance, {}, { kid });
      const headers = { ...(await a.headersOf(service, instance)), "oauth-client-attestation": attestation };
      expect(await refused(headers)).toEqual(INVALID);
      const answer = await unchanged(s.t, async () =>
        refusalOf(await askAsWorkload(await svid({}, { kid }))),
      );
      expect(answer).toEqual(INVALID_CLIENT);
    },
  );

  it("64: an attestation of 64 KB is refused unread", async () => {
    const headers = { "oauth-client-attestation": "e".repeat(65_536), "oauth-client-attestation-pop": "e" };
    expect(await refused(headers)).toEqual(INVALID);
  });
});

describe("129: tokens of other kinds", () => {
  it("an attestation is no proof, no client assertion and no workload's assertion; nor are they attestations", async () => {
    const attestation = await a.attestation(service, instance, { aud: ISSUER, jti: unique() });
    const proof = await a.possession(instance, {
      iss: service.clientId,
      sub: service.clientId,
      exp: now() + 60,
    });
    expect(
      await refused({ "oauth-client-attestation": proof, "oauth-client-attestation-pop": attestation }),
    ).toEqual(INVALID);
    for (const [type, token] of [
      ["urn:ietf:params:oauth:client-assertion-type:jwt-bearer", attestation],
      ["urn:ietf:params:oauth:client-assertion-type:jwt-bearer", proof],
      ["urn:ietf:params:oauth:client-assertion-type:jwt-spiffe", attestation],
    ]) {
      const fields = {
        grant_type: "client_credentials",
        client_assertion_type: type,
        client_assertion: token,
      };
      expect(await refusalOf(await s.c.form("/token", fields))).toEqual(INVALID_CLIENT);
    }
    const redeemed = await s.c.form("/token", {
      grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer",
      assertion: attestation,
    });
    expect((await refusalOf(redeemed)).status).toBe(400);
  });

  it("a JWT-SVID for this server proves a client, and redeems nothing where its domain is not trusted for that", async () => {
    const assertion = await svid();
    const grant_type = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    expect(await refusalOf(await s.c.form("/token", { grant_type, assertion }))).toEqual({
      status: 400,
      error: "invalid_grant",
    });
    expect((await askAsWorkload(assertion)).status).toBe(200);
  });
});

describe("stopping", () => {
  it("a frozen client is told to wait, once it proved itself; nobody else is told anything", async () => {
    const frozen = await s.createService({ token_endpoint_auth_method: "attest_jwt_client_auth" });
    const order = { action: "freeze", target: { client: frozen.clientId } };
    expect((await s.c.json("/kill-switch", order, s.operator)).status).toBe(200);
    expect(await refusalOf(await ask(await a.headersOf(frozen, instance)))).toEqual({
      status: 400,
      error: "unauthorized_client",
    });
    const stranger = await a.newInstance();
    const stolen = {
      "oauth-client-attestation": await a.attestation(frozen, instance),
      "oauth-client-attestation-pop": await a.possession(stranger),
    };
    expect(await refused(stolen)).toEqual(INVALID);
  });

  it("an attester that is disabled vouches for nobody: here at once, elsewhere within a second", async () => {
    const short = await partner(s, ["client_auth"]);
    const theirs = attestedBy(s, short);
    expect((await ask(await theirs.headersOf(service, instance), other)).status).toBe(200);
    await short.change({ status: "disabled" });
    expect(await refused(await theirs.headersOf(service, instance))).toEqual(INVALID);
    other.t.advance(1);
    expect(await refusalOf(await ask(await theirs.headersOf(service, instance), other))).toEqual(INVALID);
    other.t.advance(-1);
    await short.close();
  });

  it("a workload's client that is disabled is refused at once, also by its SPIFFE ID alone", async () => {
    const id = `${spiffeId}/short`;
    const short = await s.createService({ token_endpoint_auth_method: "spiffe_jwt", spiffe_id: id });
    expect((await askAsWorkload(await svid({ sub: id }))).status).toBe(200);
    await s.setClientStatus(short, "disabled");
    expect(await refusalOf(await askAsWorkload(await svid({ sub: id })))).toEqual(INVALID_CLIENT);
  });
});

describe("traces (product decision D26)", () => {
  const denials = async ({ clientId }: App) =>
    (
      await s.t.ctx.db
        .select({ type: events.type, data: events.data })
        .from(events)
        .where(and(eq(events.clientId, clientId), eq(events.type, "token_request.denied")))
    ).length;

  it("what an attested client is refused leaves a row; who proved nothing leaves none", async () => {
    const app = await s.createService({ token_endpoint_auth_method: "attest_jwt_client_auth" });
    const fields = { grant_type: "authorization_code", code: "x", code_verifier: "y" };
    await s.c.form("/token", fields, await a.headersOf(app, instance));
    expect(await denials(app)).toBe(1);
    const headers = {
      "oauth-client-attestation": await a.attestation(app, instance),
      "oauth-client-attestation-pop": await a.possession(await a.newInstance()),
    };
    await s.c.form("/token", fields, headers);
    expect(await denials(app)).toBe(1);
  });

  it("77: neither the log nor the database keeps an attestation, a proof or a JWT-SVID", async () => {
    const headers = await a.headersOf(service, instance);
    const assertion = await svid();
    await ask(headers);
    await ask(headers);
    await askAsWorkload(assertion);
    const kept = `${await dumpOf(s.t.ctx)}\n${s.t.lines.join("\n")}`;
    const sent = [...Object.values(headers), assertion].map((token) => token.split(".")[2] ?? token);
    expect(sent.filter((signature) => kept.includes(signature))).toEqual([]);
    expect(kept).toContain(workload.clientId);
  });
});
