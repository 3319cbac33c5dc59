import { createHash, generateKeyPairSync } from "node:crypto";
import {
  CompactSign,
  calculateJwkThumbprint,
  compactVerify,
  EmbeddedJWK,
  exportJWK,
  generateKeyPair,
} from "jose";
import { describe, expect, it } from "vitest";
import { DPOP_ALGORITHMS, verifyDpopProof } from "./dpop-proof";
import { type JwsAlgorithm, signJws } from "./jws";

type Json = Record<string, unknown>;

/** The key of every example in RFC 9449. */
const JKT = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
const ACCESS_TOKEN = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
const HEADER =
  "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19";
/** §4.2: a proof for the token endpoint. */
const FOR_TOKEN = `${HEADER}.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg`;
/** §7.1: a proof for a protected resource. */
const FOR_RESOURCE = `${HEADER}.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA`;

const at = (seconds: number) => new Date(seconds * 1000);
const TOKEN_REQUEST = { method: "POST", url: "https://server.example.com/token", now: at(1562262616) };
const RESOURCE_REQUEST = {
  method: "GET",
  url: "https://resource.example.org/protectedresource",
  now: at(1562262618),
  token: { accessToken: ACCESS_TOKEN, jkt: JKT },
};
const refused = (reason: string) =>
  expect.objectContaining({ code: "invalid_dpop_proof", options: { reason } });

describe("the proofs of RFC 9449", () => {
  it("§4.2: verifies, and shows the key of the example", () => {
    expect(verifyDpopProof(FOR_TOKEN, TOKEN_REQUEST)).toEqual({
      jkt: JKT,
      jti: "-BwC3ESc6acc2lTc",
      issuedAt: at(1562262616),
      nonce: undefined,
    });
  });

  it("§7.1: verifies together with the access token of the example", () => {
    expect(verifyDpopProof(FOR_RESOURCE, RESOURCE_REQUEST).jkt).toBe(JKT);
    const hash = createHash("sha256").update(ACCESS_TOKEN).digest("base64url");
    expect(hash).toBe("fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo");
  });

  it("§4.3: counts for nothing but its own method, address, time, access token and key", () => {
    const { url } = TOKEN_REQUEST;
    const elsewhere: [string, Json][] = [
      ["htm is not GET", { method: "GET" }],
      ["htu is not https://server.example.com/par", { url: "https://server.example.com/par" }],
      [`iat is not now`, { now: at(1562262616 + 301) }],
      [`iat is not now`, { now: at(1562262616 - 31) }],
      ["ath is not the hash of the access token", { token: { accessToken: ACCESS_TOKEN, jkt: JKT } }],
    ];
    for (const [reason, other] of elsewhere) {
      expect(() => verifyDpopProof(FOR_TOKEN, { ...TOKEN_REQUEST, url, ...other })).toThrow(refused(reason));
    }
    const others = { accessToken: `${ACCESS_TOKEN}.`, jkt: JKT };
    expect(() => verifyDpopProof(FOR_RESOURCE, { ...RESOURCE_REQUEST, token: others })).toThrow(
      refused("ath is not the hash of the access token"),
    );
    const bound = { accessToken: ACCESS_TOKEN, jkt: JKT.replace("0", "1") };
    expect(() => verifyDpopProof(FOR_RESOURCE, { ...RESOURCE_REQUEST, token: bound })).toThrow(
      refused("the access token is bound to another key"),
    );
  });
});

const NOW = at(1_800_000_000);
const EXPECTED = { method: "POST", url: "https://as.example/token", now: NOW };
const CLAIMS = { jti: "1", htm: "POST", htu: EXPECTED.url, iat: 1_800_000_000 };

describe("proofs and jose, either way (RFC 9449 §4.2)", () => {
  it.each(DPOP_ALGORITHMS)("%s: one made by jose verifies here, and shows the same key", async (alg) => {
    const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
    const jwk = await exportJWK(publicKey);
    const proof = await new CompactSign(Buffer.from(JSON.stringify(CLAIMS)))
      .setProtectedHeader({ typ: "dpop+jwt", alg, jwk })
      .sign(privateKey);
    expect(verifyDpopProof(proof, EXPECTED).jkt).toBe(await calculateJwkThumbprint(jwk));
  });

  const pairs = {
    ES256: () => generateKeyPairSync("ec", { namedCurve: "P-256" }),
    ES384: () => generateKeyPairSync("ec", { namedCurve: "P-384" }),
    RS256: () => generateKeyPairSync("rsa", { modulusLength: 2048 }),
    PS256: () => generateKeyPairSync("rsa", { modulusLength: 2048 }),
    Ed25519: () => generateKeyPairSync("ed25519"),
    EdDSA: () => generateKeyPairSync("ed25519"),
  } satisfies Record<JwsAlgorithm, unknown>;

  it.each(DPOP_ALGORITHMS)("%s: one made with our signature verifies with jose", async (alg) => {
    const { publicKey, privateKey } = pairs[alg]();
    const header = { typ: "dpop+jwt", jwk: publicKey.export({ format: "jwk" }) };
    const proof = signJws(header, JSON.stringify(CLAIMS), { alg, key: privateKey });
    const { payload } = await compactVerify(proof, EmbeddedJWK, { algorithms: [alg] });
    expect(JSON.parse(Buffer.from(payload).toString())).toEqual(CLAIMS);
    expect(verifyDpopProof(proof, EXPECTED).jti).toBe("1");
  });
});

const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const jwk = publicKey.export({ format: "jwk" });
const made = (changes: Json, header: Json = {}) =>
  signJws({ typ: "dpop+jwt", jwk, ...header }, JSON.stringify({ ...CLAIMS, ...changes }), {
    alg: "ES256",
    key: privateKey,
  });
const verified = (changes: Json, header?: Json) => verifyDpopProof(made(changes, header), EXPECTED);

describe("what a proof has to say (RFC 9449 §4.3)", () => {
  it.each([{ iat: 1_799_999_700 }, { iat: 1_800_000_030 }, { iat: 1_800_000_000.5 }])(
    "is taken at the edges of its time: %j",
    (changes) => {
      expect(verified(changes).jti).toBe("1");
    },
  );

  it.each([{ exp: 1_800_000_001 }, { nbf: 1_800_000_000 }, { nbf: 1_800_000_030 }, { exp: 1e300, nbf: -1 }])(
    "may say itself when it counts: %j (RFC 7519 §4.1.4)",
    (changes) => {
      expect(verified(changes).jti).toBe("1");
    },
  );

  it.each([{ exp: 1_800_000_000 }, { exp: 0 }, { nbf: 1_800_000_031 }])(
    "is not taken when it says that it does not: %j",
    (changes) => {
      expect(() => verified(changes)).toThrow(refused("exp is over, or nbf is to come"));
    },
  );

  it.each(["jti", "htm", "htu", "iat"])("needs %s", (name) => {
    expect(() => verified({ [name]: undefined })).toThrow(refused(`${name} is missing or malformed`));
  });

  it.each([
    { jti: "" },
    { jti: 1 },
    { jti: "j".repeat(1025) },
    { iat: "1800000000" },
    { iat: null },
    { exp: "1" },
    { nonce: 1 },
    { htm: ["POST"] },
  ])("is read strictly: %j", (changes) => {
    expect(() => verified(changes)).toThrow(refused(`${Object.keys(changes)[0]} is missing or malformed`));
  });

  it.each(["[]", "1", "null", "", "{"])("has a payload that is an object, not %j", (payload) => {
    const proof = signJws({ typ: "dpop+jwt", jwk }, payload, { alg: "ES256", key: privateKey });
    expect(() => verifyDpopProof(proof, EXPECTED)).toThrow(refused("the payload is missing or malformed"));
  });
});

describe("htu (RFC 9449 §4.3, RFC 3986 §6.2)", () => {
  it.each([
    "https://as.example/token",
    "HTTPS://AS.EXAMPLE/token",
    "https://as.example:443/token",
    "https://as.example:/token",
    "https://as.example/%74oken",
    "https://as.example/a/../token",
    "https://as.example/%2e/token",
    "https://as.example/token?state=1#x",
  ])("%s is this endpoint", (htu) => {
    expect(verified({ htu }).jti).toBe("1");
  });

  it.each([
    "http://as.example/token",
    "https://as.example:444/token",
    "https://as.example/token/",
    "https://as.example/Token",
    "https://as.example//token",
    "https://as.example/a%2f..%2ftoken",
    "https://ada@as.example/token",
    "https://as.example.evil.example/token",
    "https://as.example/token\n",
    "https:\\\\as.example\\token",
    "https:as.example/token",
    "//as.example/token",
    "/token",
    "",
  ])("%j is not", (htu) => {
    expect(() => verified({ htu })).toThrow(refused("htu is not https://as.example/token"));
  });
});
