import { createPublicKey, type KeyObject } from "node:crypto";
import { type ErrorCode, isOAuthError, OAuthError } from "@/lib/errors";
import { JWS_ALGORITHMS, type JwsAlgorithm, type JwsKey } from "./jws";

/** A key as it comes from a client or a document: nothing about it is known yet. */
type ForeignJwk = Readonly<Record<string, unknown>>;

const KEY_TYPE = {
  ES256: { kty: "EC", crv: "P-256" },
  ES384: { kty: "EC", crv: "P-384" },
  RS256: { kty: "RSA", crv: undefined },
  PS256: { kty: "RSA", crv: undefined },
  Ed25519: { kty: "OKP", crv: "Ed25519" },
  EdDSA: { kty: "OKP", crv: "Ed25519" },
} as const;

/** Members of a JWK that only its owner may know (RFC 7518 §6). */
export const PRIVATE_MEMBERS = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/**
 * Imports a public key that somebody else chose, for one algorithm (RFC 7517 §4, RFC 8725 §3).
 * Refuses a key that is private, weak, or meant for something else.
 */
export function importVerificationKey(
  jwk: ForeignJwk,
  alg: unknown,
  code: ErrorCode = "invalid_request",
): JwsKey {
  const refuse = (reason: string) =>
    new OAuthError(code, "Send a public key for ES256, ES384, RS256, PS256 or Ed25519", { reason });

  if (!isJwsAlgorithm(alg)) throw refuse("the algorithm is not one of ours");
  const misuse = findMisuse(jwk, alg);
  if (misuse) throw refuse(misuse);

  const key = readPublicKey(jwk);
  if (!key) throw refuse("the key is malformed, or its point is not on the curve");
  const weakness = key.asymmetricKeyType === "rsa" ? findRsaWeakness(key) : undefined;
  if (weakness) throw refuse(weakness);
  return { alg, key };
}

/** The same of a key that may be for something else: undefined where it does not fit. */
export function findVerificationKey(jwk: ForeignJwk, alg: JwsAlgorithm): JwsKey | undefined {
  try {
    return importVerificationKey(jwk, alg);
  } catch (error) {
    if (isOAuthError(error)) return undefined;
    throw error;
  }
}

const isJwsAlgorithm = (alg: unknown): alg is JwsAlgorithm => JWS_ALGORITHMS.some((ours) => ours === alg);

function findMisuse(jwk: ForeignJwk, alg: JwsAlgorithm): string | undefined {
  const secret = PRIVATE_MEMBERS.find((name) => Object.hasOwn(jwk, name));
  if (secret) return `the key has ${secret}`;
  if (jwk.kty !== KEY_TYPE[alg].kty || jwk.crv !== KEY_TYPE[alg].crv) return `the key is not one for ${alg}`;
  if (jwk.alg !== undefined && jwk.alg !== alg) return `the key is not meant for ${alg}`;
  if (jwk.use !== undefined && jwk.use !== "sig") return "the key is not meant for signatures";
  if (jwk.key_ops !== undefined && !(Array.isArray(jwk.key_ops) && jwk.key_ops.includes("verify"))) {
    return "the key is not meant to verify";
  }
  return undefined;
}

function readPublicKey(jwk: ForeignJwk): KeyObject | undefined {
  try {
    return createPublicKey({ key: { ...jwk }, format: "jwk" });
  } catch {
    return undefined;
  }
}

function findRsaWeakness(key: KeyObject): string | undefined {
  const { modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {};
  // "A key of size 2048 bits or larger MUST be used with these algorithms" (RFC 7518 §3.3).
  // The upper bounds keep verifying cheap.
  if (modulusLength < 2048 || modulusLength > 8192) return "the RSA modulus is not of 2048 to 8192 bits";
  // FIPS 186-5 §A.1.1: odd, and above 2^16.
  if (publicExponent % 2n === 0n || publicExponent < 0x10001n || publicExponent > 0xffff_ffffn) {
    return "the RSA exponent is unusual";
  }
  return hasRocaFingerprint(modulusOf(key)) ? "the RSA key is factorable (CVE-2017-15361)" : undefined;
}

function modulusOf(key: KeyObject): bigint {
  const { n = "" } = key.export({ format: "jwk" });
  return BigInt(`0x${Buffer.from(n, "base64url").toString("hex")}`);
}

/** The primes below 168 whose residues give a key of the broken generator away: there it is a power of 65537. */
const ROCA_PRIMES = [11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157];
const ROCA_RESIDUES = ROCA_PRIMES.map((prime) => ({ prime: BigInt(prime), residues: powersOf65537(prime) }));

function hasRocaFingerprint(modulus: bigint): boolean {
  return ROCA_RESIDUES.every(({ prime, residues }) => residues.has(Number(modulus % prime)));
}

function powersOf65537(prime: number): ReadonlySet<number> {
  const powers = new Set<number>();
  for (let power = 1; !powers.has(power); power = (power * 65537) % prime) powers.add(power);
  return powers;
}
