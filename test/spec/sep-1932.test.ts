import { generateKeyPairSync } from "node:crypto";
import { SignJWT } from "jose";
import { beforeAll, describe, expect, it } from "vitest";
import { type App, type Connection, connect, refusalOf, tokensOf } from "@/test/support/client";
import { type TestContext, testContext } from "@/test/support/context";
import { unchanged } from "@/test/support/digest";
import { type KeyHolder, keyHolder } from "@/test/support/dpop";
import { claimsOf } from "@/test/support/signer";

// The checks that MCP's conformance suite is to make of an authorization server that offers DPoP
// (modelcontextprotocol/conformance#370, #396), by their ids; each refusal is of a client that is otherwise welcome.

let t: TestContext;
let c: Connection;
let key: KeyHolder;
let service: App;

beforeAll(async () => {
  t = await testContext();
  c = connect(t);
  key = await keyHolder({ t, c });
  service = await c.registerConfidential({ grant_types: ["client_credentials"], scope: "jobs:run" });
});

const own = { grant_type: "client_credentials" };
const REFUSED = { status: 400, error: "invalid_dpop_proof" };
const refused = (proof: string) => unchanged(t, async () => refusalOf(await key.token(service, own, proof)));

const metadata = async (): Promise<Record<string, string[]>> =>
  (await c.call("/.well-known/oauth-authorization-server")).json();

/** A JWS whose header and payload are these, and whose signature is this. */
const compact = (header: unknown, payload: unknown, signature: string): string =>
  `${[header, payload].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".")}.${signature}`;

describe("sep-1932-as-metadata-alg-values", () => {
  it("the metadata lists the algorithms of proofs, and the list is not empty", async () => {
    const { dpop_signing_alg_values_supported: algorithms } = await metadata();
    expect(algorithms).toEqual(["ES256", "ES384", "RS256", "PS256", "Ed25519", "EdDSA"]);
  });
});

describe("sep-1932-as-no-none-alg", () => {
  it("none is not among them, and no symmetric algorithm", async () => {
    const { dpop_signing_alg_values_supported: algorithms = [] } = await metadata();
    expect(algorithms.filter((alg) => /^none$|^HS/i.test(alg))).toEqual([]);
  });
});

describe("sep-1932-as-token-binding", () => {
  it("a valid proof: token_type is DPoP, and cnf.jkt the thumbprint of its key", async () => {
    const answer = await tokensOf(await key.token(service, own));
    expect([answer.token_type, claimsOf(answer.access_token).cnf]).toEqual(["DPoP", { jkt: key.jkt }]);
  });

  it("the refresh token of a public client is bound to the same key", async () => {
    const app = await c.registerPublic();
    const { refresh_token } = await key.tokensFor(app);
    const other = await keyHolder({ t, c });
    expect(await refusalOf(await c.refresh(app, refresh_token))).toEqual(REFUSED);
    expect(await refusalOf(await other.refresh(app, refresh_token))).toEqual({
      status: 400,
      error: "invalid_grant",
    });
    expect((await tokensOf(await key.refresh(app, refresh_token))).token_type).toBe("DPoP");
  });
});

describe("sep-1932-as-dpop-bound-enforcement", () => {
  it("a client with dpop_bound_access_tokens gets nothing without a proof, by no grant", async () => {
    const bound = { dpop_bound_access_tokens: true };
    const machine = await c.registerConfidential({ ...bound, grant_types: ["client_credentials"] });
    expect(await unchanged(t, async () => refusalOf(await c.token(machine, own)))).toEqual(REFUSED);
    const app = await c.registerPublic(bound);
    const code = await c.codeFor(app);
    expect(await unchanged(t, async () => refusalOf(await c.redeem(app, code)))).toEqual(REFUSED);
    const { refresh_token } = await tokensOf(await key.redeem(app, code));
    expect(await unchanged(t, async () => refusalOf(await c.refresh(app, refresh_token)))).toEqual(REFUSED);
  });
});

describe("sep-1932-as-asymmetric-alg-only", () => {
  it("alg none, without and with a signature", async () => {
    const header = { typ: "dpop+jwt", alg: "none", jwk: key.jwk };
    expect(await refused(compact(header, key.claims(), ""))).toEqual(REFUSED);
    expect(await refused(compact(header, key.claims(), "AAAA"))).toEqual(REFUSED);
  });

  it.each(["HS256", "HS384", "HS512"])("%s with the public key as secret, or an oct key", async (alg) => {
    for (const jwk of [key.jwk, { kty: "oct", k: Buffer.from("secret".repeat(20)).toString("base64url") }]) {
      const secret = Buffer.from("k" in jwk ? "secret".repeat(20) : JSON.stringify(jwk));
      const proof = await new SignJWT(key.claims())
        .setProtectedHeader({ typ: "dpop+jwt", alg, jwk })
        .sign(secret);
      expect(await refused(proof)).toEqual(REFUSED);
    }
  });
});

describe("what a proof is refused for", () => {
  const negatives: [string, () => Promise<string>][] = [
    [
      "a bad signature",
      async () => {
        const [header, payload] = (await key.proof()).split(".");
        return `${header}.${payload}.${Buffer.alloc(64, 1).toString("base64url")}`;
      },
    ],
    ["typ JWT", () => key.proof({ header: { typ: "JWT" } })],
    ["no typ", () => key.proof({ header: { typ: undefined } })],
    [
      "a private key in jwk",
      () => {
        const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
        return key.proof({ header: { jwk: privateKey.export({ format: "jwk" }) } });
      },
    ],
    ["another htm", () => key.proof({ method: "GET" })],
    ["another htu", () => key.proof({ path: "/authorize" })],
    ["an iat of 301 seconds ago", () => key.proof({ changes: { iat: nowPlus(-301) } })],
    ["an iat of 301 seconds from now", () => key.proof({ changes: { iat: nowPlus(301) } })],
    ["no jti", () => key.proof({ changes: { jti: undefined } })],
    ["no htm", () => key.proof({ changes: { htm: undefined } })],
    ["no htu", () => key.proof({ changes: { htu: undefined } })],
    ["no iat", () => key.proof({ changes: { iat: undefined } })],
  ];
  it.each(negatives)("%s", async (_, make) => {
    expect(await refused(await make())).toEqual(REFUSED);
  });
  const nowPlus = (seconds: number) => Math.floor(t.ctx.now().getTime() / 1000) + seconds;

  it("its second use", async () => {
    const proof = await key.proof();
    expect((await key.token(service, own, proof)).status).toBe(200);
    expect(await refused(proof)).toEqual(REFUSED);
  });
});

describe("the nonce of the authorization server", () => {
  it("400 use_dpop_nonce with a DPoP-Nonce; the retry succeeds; a wrong one is refused", async () => {
    const strict = await testContext({ env: { AUTHGENT_DPOP_NONCE: "required" } });
    const holder = await keyHolder({ t: strict, c: connect(strict) });
    const challenge = await holder.token(service, own);
    const nonce = challenge.headers.get("dpop-nonce") ?? "";
    expect(await refusalOf(challenge)).toEqual({ status: 400, error: "use_dpop_nonce" });
    const wrong = await holder.token(service, own, await holder.proof({ nonce: `${nonce.slice(1)}A` }));
    expect(await refusalOf(wrong)).toEqual({ status: 400, error: "use_dpop_nonce" });
    const retried = await holder.token(service, own, await holder.proof({ nonce }));
    expect((await tokensOf(retried)).token_type).toBe("DPoP");
  });
});
