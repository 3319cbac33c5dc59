import { createHmac, createSign, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { CompactEncrypt, calculateJwkThumbprint } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type App, basic, refusalOf } from "@/test/support/client";
import { testContext, twoInstances } from "@/test/support/context";
import { denialsOf } from "@/test/support/denials";
import { PROOFS, unchanged } from "@/test/support/digest";
import { athOf, type KeyHolder, keyHolder } from "@/test/support/dpop";
import { operate, PUBLIC_ENV, type PublicServer } from "@/test/support/public-server";

const MCP = "https://auth.example.com/mcp";

let s: PublicServer;
let other: PublicServer;
let close: () => Promise<void>;
let service: App;
/** The same key, in front of each of two instances. */
let key: KeyHolder;
/** An access token for the MCP endpoint that is bound to it. */
let bound: string;

beforeAll(async () => {
  const [first, second, end] = await twoInstances({ env: PUBLIC_ENV });
  [s, other, close] = [operate(first), operate(second), end];
  key = await keyHolder(s);
  service = await s.createService({ scope: "mcp:tools" });
  bound = await key.ownToken(service, { resource: MCP });
});
afterAll(() => close());

type Json = Record<string, unknown>;
const own = { grant_type: "client_credentials" };
const headersOf = (proof: string) => ({ ...basic(service), dpop: proof });
const ask = ({ c }: PublicServer, proof: string) => c.form("/token", own, headersOf(proof));
const call = ({ c }: PublicServer, proof: string) =>
  c.call("/mcp", { method: "POST", headers: { authorization: `DPoP ${bound}`, dpop: proof } });

const REFUSED = { status: 400, error: "invalid_dpop_proof" };
const REFUSED_THERE = { status: 401, error: "invalid_dpop_proof" };

type Made = { path?: string; accessToken?: string };

/** What both endpoints and both instances make of a proof that would otherwise count there; nothing is left behind. */
async function judged(make: (of: Made, server: PublicServer) => string | Promise<string>) {
  const answers: unknown[] = [];
  for (const server of [s, other]) {
    const atToken = await make({}, server);
    const atMcp = await make({ path: "/mcp", accessToken: bound }, server);
    answers.push(await unchanged(s.t, async () => refusalOf(await ask(server, atToken))));
    answers.push(await unchanged(s.t, async () => refusalOf(await call(server, atMcp))));
  }
  return answers;
}
const EVERYWHERE = [REFUSED, REFUSED_THERE, REFUSED, REFUSED_THERE];

/** A proof as anybody could write it: this header and payload, signed by whatever signs. */
function written(header: unknown, payload: string, signed: (input: Buffer) => Buffer): string {
  const input = [JSON.stringify(header), payload]
    .map((part) => Buffer.from(part).toString("base64url"))
    .join(".");
  return `${input}.${signed(Buffer.from(input)).toString("base64url")}`;
}
const publicJwk = (publicKey: KeyObject): Json => ({ ...publicKey.export({ format: "jwk" }) });

describe("the proofs of this file", () => {
  it("count at both endpoints and both instances, but for what each case changes", async () => {
    for (const server of [s, other]) {
      const atMcp = await call(server, await key.proof({ path: "/mcp", accessToken: bound }));
      // Past the door, where an empty message is no message of MCP's.
      expect([(await ask(server, await key.proof())).status, atMcp.status]).toEqual([200, 415]);
    }
    const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const header = { typ: "dpop+jwt", alg: "ES256", jwk: publicJwk(ec.publicKey) };
    const signed = (input: Buffer) =>
      sign("sha256", input, { key: ec.privateKey, dsaEncoding: "ieee-p1363" });
    expect((await ask(s, written(header, JSON.stringify(key.claims()), signed))).status).toBe(200);
  });
});

describe("114: a proof counts once", () => {
  it("the second time it is refused, by the other instance and after a restart too", async () => {
    const proof = await key.proof();
    const atMcp = await key.proof({ path: "/mcp", accessToken: bound });
    expect([(await ask(s, proof)).status, (await key.mcp(bound, atMcp)).status]).toEqual([200, 200]);
    const restarted = operate(await testContext({ env: PUBLIC_ENV }));
    for (const server of [s, other, restarted]) {
      const again = await unchanged(s.t, async () => [
        await refusalOf(await ask(server, proof)),
        await refusalOf(await call(server, atMcp)),
      ]);
      expect(again).toEqual([REFUSED, REFUSED_THERE]);
    }
  });

  it.each([1, 2, 3])("of 50 at once on two instances exactly one (round %i)", async () => {
    const proof = await key.proof();
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) => ask(index % 2 ? s : other, proof)),
    );
    const refusals = answers.filter(({ status }) => status !== 200);
    expect(await Promise.all(refusals.map(refusalOf))).toEqual(Array.from({ length: 49 }, () => REFUSED));
  });

  it("it is remembered for as long as it would be taken", async () => {
    const mine = operate(await testContext({ env: PUBLIC_ENV }));
    const holder = await keyHolder(mine);
    const iat = Math.floor(mine.t.ctx.now().getTime() / 1000) + 30;
    const proof = await holder.proof({ changes: { iat } });
    expect((await ask(mine, proof)).status).toBe(200);
    for (const seconds of [329, 1, 1]) {
      mine.t.advance(seconds);
      expect(await refusalOf(await ask(mine, proof))).toEqual(REFUSED);
    }
  });

  it("the same jti of another key is another proof", async () => {
    const elsewhere = await keyHolder(s);
    const changes = { jti: "one and the same" };
    const answers = [
      await ask(s, await key.proof({ changes })),
      await ask(s, await elsewhere.proof({ changes })),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect(await refusalOf(await ask(s, await key.proof({ changes })))).toEqual(REFUSED);
  });

  it("of a proof that counts for nothing nothing is kept: it uses no jti up", async () => {
    const changes = { jti: "kept for later" };
    expect(await judged((of) => key.proof({ ...of, method: "PUT", changes }))).toEqual(EVERYWHERE);
    expect((await ask(s, await key.proof({ changes }))).status).toBe(200);
  });
});

describe("115, 124: for one request", () => {
  it.each(["GET", "post", "Post", "POST ", ""])("115: htm %j is not POST", async (method) => {
    expect(await judged((of) => key.proof({ ...of, method }))).toEqual(EVERYWHERE);
  });

  it("124: a proof for one endpoint is none for another, whichever way", async () => {
    const forToken = await key.proof({ accessToken: bound });
    const forMcp = await key.proof({ path: "/mcp", accessToken: bound });
    const forPar = await key.proof({ path: "/par" });
    const answers = await unchanged(s.t, async () => [
      await refusalOf(await call(s, forToken)),
      await refusalOf(await ask(s, forMcp)),
      await refusalOf(await ask(s, forPar)),
    ]);
    expect(answers).toEqual([REFUSED_THERE, REFUSED, REFUSED]);
    const { clientId } = await s.createApp();
    const pushed = await unchanged(s.t, () => s.c.form("/par", { client_id: clientId }, { dpop: forToken }));
    expect(await refusalOf(pushed)).toEqual(REFUSED);
  });

  it("124: a Host or forwarded header moves no address", async () => {
    const proof = await key.proof({ changes: { htu: "https://evil.example/token" } });
    const headers = {
      ...headersOf(proof),
      host: "evil.example",
      "x-forwarded-host": "evil.example",
      forwarded: "host=evil.example;proto=https",
    };
    expect(await unchanged(s.t, async () => refusalOf(await s.c.form("/token", own, headers)))).toEqual(
      REFUSED,
    );
  });
});

describe("117: of now", () => {
  const times: [string, unknown][] = [
    ["301 seconds ago", -301],
    ["31 seconds from now", 31],
    ["the beginning of time", "0"],
    ["milliseconds", "1e12"],
    ["a string", '"now"'],
    ["missing", undefined],
    ["null", "null"],
    ["NaN", "NaN"],
    ["1e308", "1e308"],
    ["-1e308", "-1e308"],
    ["infinite", "1e999"],
    ["a list", "[1]"],
  ];
  it.each(times)("iat is %s", async (_, time) => {
    const make = (of: Made, { t }: PublicServer) => {
      const { iat: _now, ...claims } = key.claims(of);
      if (time === undefined) return key.sign(JSON.stringify(claims));
      const now = Math.floor(t.ctx.now().getTime() / 1000);
      const iat = typeof time === "number" ? now + time : time;
      return key.sign(JSON.stringify({ ...claims, iat: 0 }).replace('"iat":0', `"iat":${iat}`));
    };
    expect(await judged(make)).toEqual(EVERYWHERE);
  });
});

describe("118: with a nonce of this server, where one is required", () => {
  it.each([
    ["missing", undefined],
    ["empty", ""],
    ["made up", "A".repeat(32)],
    ["long", "A".repeat(1024)],
  ])("%s", async (_, nonce) => {
    const strict = operate(await testContext({ env: { ...PUBLIC_ENV, AUTHGENT_DPOP_NONCE: "required" } }));
    const of = nonce === undefined ? {} : { nonce };
    const [atToken, atMcp] = [
      await key.proof(of),
      await key.proof({ path: "/mcp", accessToken: bound, ...of }),
    ];
    const answers = await unchanged(strict.t, async () => [
      await ask(strict, atToken),
      await call(strict, atMcp),
    ]);
    expect(await Promise.all(answers.map(refusalOf))).toEqual([
      { status: 400, error: "use_dpop_nonce" },
      { status: 401, error: "use_dpop_nonce" },
    ]);
    for (const { headers } of answers) expect(headers.get("dpop-nonce")).toMatch(/^[\w-]{32}$/);
  });

  it("old ones, and those of another server, are as good as none", async () => {
    const mine = operate(await testContext({ env: { ...PUBLIC_ENV, AUTHGENT_DPOP_NONCE: "required" } }));
    const at = await keyHolder(mine);
    const old = (await ask(mine, await at.proof())).headers.get("dpop-nonce") ?? "";
    mine.t.advance(600);
    const proof = await at.proof({ nonce: old });
    const answer = await unchanged(mine.t, async () => refusalOf(await ask(mine, proof)));
    expect(answer).toEqual({ status: 400, error: "use_dpop_nonce" });
  });
});

describe("119: with the access token it comes with", () => {
  it.each([
    ["missing", () => undefined],
    ["empty", () => ""],
    ["of another token", () => athOf(`${bound}.`)],
    ["padded", () => `${athOf(bound)}=`],
    ["in hexadecimal", () => Buffer.from(athOf(bound), "base64url").toString("hex")],
    ["a list", () => [athOf(bound)]],
  ])("ath is %s", async (_, ath) => {
    const proof = await key.proof({ path: "/mcp", changes: { ath: ath() } });
    expect(await unchanged(s.t, async () => refusalOf(await call(s, proof)))).toEqual(REFUSED_THERE);
  });

  it("a proof of another key, however good, serves no stolen token, and is not used up", async () => {
    const thief = await keyHolder(s);
    const proof = await thief.proof({ path: "/mcp", accessToken: bound });
    expect(await unchanged(s.t, async () => refusalOf(await call(s, proof)))).toEqual(REFUSED_THERE);
  });
});

describe("120: signed by what may sign", () => {
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const bitcoin = generateKeyPairSync("ec", { namedCurve: "secp256k1" });
  const p521 = generateKeyPairSync("ec", { namedCurve: "P-521" });
  const raw = (privateKey: KeyObject, digest: string) => (input: Buffer) =>
    sign(digest, input, { key: privateKey, dsaEncoding: "ieee-p1363" });
  const signers: [string, unknown, Json, (input: Buffer) => Buffer][] = [
    ["none", "none", publicJwk(rsa.publicKey), () => Buffer.alloc(1)],
    ["None", "None", publicJwk(rsa.publicKey), () => Buffer.alloc(1)],
    [
      "RS1",
      "RS1",
      publicJwk(rsa.publicKey),
      (input) => createSign("sha1").update(input).sign(rsa.privateKey),
    ],
    ["RS512", "RS512", publicJwk(rsa.publicKey), (input) => sign("sha512", input, rsa.privateKey)],
    ["ES256K", "ES256K", publicJwk(bitcoin.publicKey), raw(bitcoin.privateKey, "sha256")],
    ["ES256 on that curve", "ES256", publicJwk(bitcoin.publicKey), raw(bitcoin.privateKey, "sha256")],
    ["ES512", "ES512", publicJwk(p521.publicKey), raw(p521.privateKey, "sha512")],
    ["an unknown name", "XX256", publicJwk(rsa.publicKey), () => Buffer.alloc(64)],
    ["no name", undefined, publicJwk(rsa.publicKey), () => Buffer.alloc(64)],
    ["a list", ["RS256"], publicJwk(rsa.publicKey), (input) => sign("sha256", input, rsa.privateKey)],
    [
      "RS256 called PS256",
      "PS256",
      publicJwk(rsa.publicKey),
      (input) => sign("sha256", input, rsa.privateKey),
    ],
  ];
  it.each(signers)("%s", async (_, alg, jwk, signed) => {
    const make = (of: Made) => written({ typ: "dpop+jwt", alg, jwk }, JSON.stringify(key.claims(of)), signed);
    expect(await judged(make)).toEqual(EVERYWHERE);
  });

  it("HS256, with the public key in any spelling as the secret", async () => {
    const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const jwk = publicJwk(publicKey);
    const secrets = [JSON.stringify(jwk), publicKey.export({ type: "spki", format: "pem" }), `${jwk.x}`];
    for (const secret of secrets) {
      const signed = (input: Buffer) => createHmac("sha256", secret).update(input).digest();
      const make = (of: Made) =>
        written({ typ: "dpop+jwt", alg: "HS256", jwk }, JSON.stringify(key.claims(of)), signed);
      expect(await judged(make)).toEqual(EVERYWHERE);
    }
  });

  it("a signature that was stripped, cut, or is DER", async () => {
    const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const header = { typ: "dpop+jwt", alg: "ES256", jwk: publicJwk(ec.publicKey) };
    const der = (input: Buffer) => sign("sha256", input, ec.privateKey);
    const cut = (input: Buffer) => raw(ec.privateKey, "sha256")(input).subarray(0, 63);
    const zero = () => Buffer.alloc(64);
    for (const signed of [der, cut, zero, () => Buffer.alloc(0)])
      expect(await judged((of) => written(header, JSON.stringify(key.claims(of)), signed))).toEqual(
        EVERYWHERE,
      );
  });
});

describe("121: with a public key that is one", () => {
  it.each(["d", "p", "q", "dp", "dq", "qi", "oth", "k"])("a jwk with %s", async (member) => {
    const jwk = { ...key.jwk, [member]: "AA" };
    expect(await judged((of) => key.proof({ ...of, header: { jwk } }))).toEqual(EVERYWHERE);
  });

  const p384 = generateKeyPairSync("ec", { namedCurve: "P-384" });
  const keys: [string, Json][] = [
    ["an oct key", { kty: "oct" }],
    ["a point that is not on the curve", { kty: "EC", crv: "P-256", x: "AA", y: "AA" }],
    ["the point at infinity", { kty: "EC", crv: "P-256", x: "A".repeat(43), y: "A".repeat(43) }],
    ["a key of P-384", publicJwk(p384.publicKey)],
    ["no coordinates", { kty: "EC", crv: "P-256" }],
    ["no type", {}],
    ["another curve's name", { kty: "EC", crv: "P-257", x: "AA", y: "AA" }],
  ];
  it.each(keys)("ES256 with %s", async (_, jwk) => {
    expect(await judged((of) => key.proof({ ...of, header: { jwk } }))).toEqual(EVERYWHERE);
  });

  it("ES256 made with a key of P-384", async () => {
    const signed = (input: Buffer) =>
      sign("sha256", input, { key: p384.privateKey, dsaEncoding: "ieee-p1363" });
    const header = { typ: "dpop+jwt", alg: "ES256", jwk: publicJwk(p384.publicKey) };
    expect(await judged((of) => written(header, JSON.stringify(key.claims(of)), signed))).toEqual(EVERYWHERE);
  });

  it.each([512, 1024])("RS256 with a modulus of %i bits", async (modulusLength) => {
    const weak = generateKeyPairSync("rsa", { modulusLength });
    const signed = (input: Buffer) => sign("sha256", input, weak.privateKey);
    const header = { typ: "dpop+jwt", alg: "RS256", jwk: publicJwk(weak.publicKey) };
    expect(await judged((of) => written(header, JSON.stringify(key.claims(of)), signed))).toEqual(EVERYWHERE);
  });

  it("a key spelled in another way is the same key, and its proofs the same proofs", async () => {
    const changes = { jti: "spelled" };
    const plain = await key.proof({ changes });
    const decorated = await key.proof({
      changes,
      header: { jwk: { ...key.jwk, kid: "1", use: "sig", alg: "ES256", x5t: "AA" } },
    });
    expect([(await ask(s, plain)).status, await refusalOf(await ask(s, decorated))]).toEqual([200, REFUSED]);
    expect(key.jkt).toBe(await calculateJwkThumbprint(key.jwk));
  });
});

describe("125: a JWT of its own kind, and nothing else", () => {
  it.each([
    undefined,
    "",
    "JWT",
    "at+jwt",
    "DPoP+JWT",
    "application/dpop+jwt",
    "client-authentication+jwt",
    1,
  ])("typ %j", async (typ) => {
    expect(await judged((of) => key.proof({ ...of, header: { typ } }))).toEqual(EVERYWHERE);
  });

  it.each([{ crit: ["exp"], exp: 1 }, { crit: [] }, { b64: true }, { b64: false }, { zip: "DEF" }])(
    "a header with %j",
    async (extension) => {
      const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
      const header = { typ: "dpop+jwt", alg: "ES256", jwk: publicJwk(ec.publicKey), ...extension };
      const signed = (input: Buffer) =>
        sign("sha256", input, { key: ec.privateKey, dsaEncoding: "ieee-p1363" });
      expect(await judged((of) => written(header, JSON.stringify(key.claims(of)), signed))).toEqual(
        EVERYWHERE,
      );
    },
  );

  it("a JWE", async () => {
    const encrypted = (of: Made) =>
      new CompactEncrypt(Buffer.from(JSON.stringify(key.claims(of))))
        .setProtectedHeader({ alg: "dir", enc: "A256GCM", typ: "dpop+jwt" })
        .encrypt(Buffer.alloc(32));
    expect(await judged(encrypted)).toEqual(EVERYWHERE);
  });

  it.each(["no.jwt", "..", "a.b", "a.b.c.d", "eyJ0eXAiOiJkcG9wK2p3dCJ9.e30.AA", "null", "😀"])(
    "%j",
    async (proof) => {
      expect(await judged(() => encodeURI(proof))).toEqual(EVERYWHERE);
    },
  );

  it("one that is not spelled canonically, or of 17 KiB", async () => {
    const proof = await key.proof();
    const long = await key.proof({ changes: { note: "n".repeat(17_000) } });
    for (const other of [`${proof}=`, ` ${proof} x`, proof.replace(/\./g, " . "), long])
      expect(await unchanged(s.t, async () => refusalOf(await ask(s, other)))).toEqual(REFUSED);
    const [header, payload, signature = ""] = proof.split(".");
    const last = signature.slice(-1);
    // The last character of 64 bytes holds four bits that mean nothing.
    const twin = String.fromCharCode(last.charCodeAt(0) + 1);
    const respelled = `${header}.${payload}.${signature.slice(0, -1)}${twin}`;
    expect(await unchanged(s.t, async () => refusalOf(await ask(s, respelled)))).toEqual(REFUSED);
  });

  it("two headers, at either endpoint", async () => {
    const twice = async (of: Made) => [
      ["dpop", await key.proof(of)] as [string, string],
      ["dpop", await key.proof(of)] as [string, string],
    ];
    const { authorization } = basic(service);
    const atToken: [string, string][] = [...(await twice({})), ["authorization", authorization]];
    const atMcp: [string, string][] = [
      ...(await twice({ path: "/mcp", accessToken: bound })),
      ["authorization", `DPoP ${bound}`],
    ];
    const answers = await unchanged(s.t, async () => [
      await refusalOf(await s.c.form("/token", own, atToken)),
      await refusalOf(await s.c.call("/mcp", { method: "POST", headers: atMcp })),
    ]);
    expect(answers).toEqual([REFUSED, REFUSED_THERE]);
  });
});

describe("137: where a bound token may stand", () => {
  it.each([
    ["a tab", (token: string) => `DPoP\t${token}`],
    ["nothing between", (token: string) => `DPoP${token}`],
    ["a colon", (token: string) => `DPoP: ${token}`],
    ["quotes", (token: string) => `DPoP "${token}"`],
    ["two tokens", (token: string) => `DPoP ${token} ${token}`],
    ["two schemes", (token: string) => `Bearer DPoP ${token}`],
    ["two headers", (token: string) => `DPoP ${token}, Bearer ${token}`],
    ["parameters", (token: string) => `DPoP token="${token}"`],
    ["no token", () => "DPoP"],
  ])("not after %s", async (_, authorization) => {
    const proof = await key.proof({ path: "/mcp", accessToken: bound });
    const headers = { authorization: authorization(bound), dpop: proof };
    const response = await unchanged(s.t, () => s.c.call("/mcp", { method: "POST", headers }));
    // What is no token is told what nobody at all is told.
    expect([response.status, response.headers.get("www-authenticate")]).toEqual([
      401,
      `Bearer resource_metadata="https://auth.example.com/.well-known/oauth-protected-resource/mcp", scope="mcp:tools"`,
    ]);
  });

  it("not in the query, and not in the body", async () => {
    const dpop = await key.proof({ path: "/mcp", accessToken: bound });
    const query = await s.c.call(`/mcp?access_token=${bound}`, { method: "POST", headers: { dpop } });
    const body = await s.c.form("/mcp", { access_token: bound }, { dpop });
    expect([query.status, body.status]).toEqual([401, 401]);
  });

  it.each(["DPoP", "dpop", "DPOP"])("after %s, however many spaces (RFC 9110 §11.4)", async (scheme) => {
    expect((await key.mcp(bound, undefined, scheme)).status).toBe(200);
    expect((await key.mcp(bound, undefined, `${scheme} `)).status).toBe(200);
  });
});

describe("D26: what is left of a refusal", () => {
  it("of a client that proved itself one row with the reason, and nothing of the proof", async () => {
    const known = await s.createService();
    const proof = await key.proof({ changes: { htu: "https://auth.example.com/par" } });
    await key.token(known, own, proof);
    expect(await denialsOf(s.t, known)).toEqual([
      ["token_request.denied", "invalid_dpop_proof", "htu is not https://auth.example.com/token"],
    ]);
  });

  it("of a name alone none", async () => {
    const named = await s.createApp();
    const fields = { grant_type: "refresh_token", refresh_token: "rt_x", client_id: named.clientId };
    const response = await s.c.form("/token", fields, { dpop: "no.proof" });
    expect([await refusalOf(response), await denialsOf(s.t, named)]).toEqual([REFUSED, []]);
  });

  it("a good proof of a request that is refused is used up, and that is all", async () => {
    const proof = await key.proof();
    const refused = () => key.token(service, { ...own, scope: "beyond" }, proof);
    const response = await unchanged(s.t, refused, PROOFS);
    expect(await refusalOf(response)).toEqual({ status: 400, error: "invalid_scope" });
    expect(await refusalOf(await ask(s, proof))).toEqual(REFUSED);
  });
});
