import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { describe, expect, it } from "vitest";
import { importVerificationKey } from "./verification-key";

const toJwk = (key: KeyObject) => ({ ...key.export({ format: "jwk" }) });
const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
const publicEc = toJwk(ec.publicKey);
const rsa = toJwk(generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey);
const ed25519 = toJwk(generateKeyPairSync("ed25519").publicKey);
const p384 = toJwk(generateKeyPairSync("ec", { namedCurve: "P-384" }).publicKey);

const reason = (expected: string) => expect.objectContaining({ options: { reason: expected } });

describe("importing a key that somebody else chose (RFC 7517 §4)", () => {
  it.each([
    ["ES256", publicEc],
    ["RS256", rsa],
    ["PS256", rsa],
    ["Ed25519", ed25519],
    ["EdDSA", ed25519],
  ])("takes a public key for %s", (alg, jwk) => {
    const imported = importVerificationKey({ ...jwk, use: "sig", key_ops: ["verify"], alg, kid: "1" }, alg);
    expect([imported.alg, toJwk(imported.key)]).toEqual([alg, jwk]);
  });

  it.each(["none", "HS256", "ES512", "RS1", "toString", undefined])("knows no algorithm %s", (alg) => {
    expect(() => importVerificationKey(publicEc, alg)).toThrow(reason("the algorithm is not one of ours"));
  });

  it("refuses a private key (RFC 7517 §9.2)", () => {
    expect(() => importVerificationKey(toJwk(ec.privateKey), "ES256")).toThrow(reason("the key has d"));
  });

  it("refuses a symmetric key", () => {
    expect(() => importVerificationKey({ kty: "oct", k: "AAAA" }, "ES256")).toThrow(reason("the key has k"));
  });

  it.each([
    ["RS256", publicEc],
    ["ES256", p384],
    ["ES256", rsa],
    ["Ed25519", publicEc],
  ])("refuses another type or curve for %s (RFC 8725 §3.1)", (alg, jwk) => {
    expect(() => importVerificationKey(jwk, alg)).toThrow(reason(`the key is not one for ${alg}`));
  });

  it("refuses a key meant for something else", () => {
    expect(() => importVerificationKey({ ...rsa, alg: "PS256" }, "RS256")).toThrow(
      reason("the key is not meant for RS256"),
    );
    expect(() => importVerificationKey({ ...rsa, use: "enc" }, "RS256")).toThrow(
      reason("the key is not meant for signatures"),
    );
    expect(() => importVerificationKey({ ...rsa, key_ops: ["encrypt"] }, "RS256")).toThrow(
      reason("the key is not meant to verify"),
    );
  });

  it("refuses a point that is not on the curve (RFC 8725 §3.4)", () => {
    expect(() => importVerificationKey({ ...publicEc, y: publicEc.x }, "ES256")).toThrow(
      reason("the key is malformed, or its point is not on the curve"),
    );
  });

  it("refuses RSA keys below 2048 bits and above what is cheap to verify", () => {
    const short = toJwk(generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey);
    const long = { ...rsa, n: Buffer.alloc(1025, 0xff).toString("base64url") };
    expect(() => importVerificationKey(short, "RS256")).toThrow(
      reason("the RSA modulus is not of 2048 to 8192 bits"),
    );
    expect(() => importVerificationKey(long, "RS256")).toThrow(
      reason("the RSA modulus is not of 2048 to 8192 bits"),
    );
  });

  it.each(["AQ", "Aw", "AQAC", "AQAAAAE"])("refuses the RSA exponent %s (FIPS 186-5 §A.1.1)", (e) => {
    expect(() => importVerificationKey({ ...rsa, e }, "RS256")).toThrow(
      reason("the RSA exponent is unusual"),
    );
  });

  it("answers with the code of the caller", () => {
    expect(() => importVerificationKey({}, "ES256", "invalid_client_metadata")).toThrow(
      expect.objectContaining({ code: "invalid_client_metadata" }),
    );
  });
});
