import { PasskeyJwk } from "@/lib/oauth/webauthn";

/** The algorithms that new passkeys may have, the one we like best first: ES256, Ed25519, RS256 (RFC 9053, RFC 8812). */
export const COSE_ALGORITHMS = [-7, -8, -257];

/** The same, and the curves, by the names that JOSE has for them. */
const ALGORITHM_NAMES: Readonly<Record<number, string>> = { [-7]: "ES256", [-8]: "Ed25519", [-257]: "RS256" };
const CURVE_NAMES: Readonly<Record<number, string>> = { 1: "P-256", 6: "Ed25519" };

/** Where COSE keeps the members of a JWK, by its number for the key type (RFC 9053 §7, RFC 8230 §4). */
const KEY_TYPES: Readonly<Record<number, { kty: string; curve?: number; members: Record<string, number> }>> =
  {
    1: { kty: "OKP", curve: -1, members: { x: -2 } },
    2: { kty: "EC", curve: -1, members: { x: -2, y: -3 } },
    3: { kty: "RSA", members: { n: -1, e: -2 } },
  };
const KTY = 1;
const ALG = 3;

/** A COSE key as a JWK; undefined for one of another algorithm than those we ask for. */
export async function jwkOfCose(publicKey: Uint8Array<ArrayBuffer>): Promise<PasskeyJwk | undefined> {
  const { isoCBOR } = await import("@simplewebauthn/server/helpers");
  const key = isoCBOR.decodeFirst<ReadonlyMap<number, unknown>>(publicKey);
  const type = KEY_TYPES[Number(key.get(KTY))];
  if (!type) return undefined;
  const members = Object.entries(type.members).map(([name, label]) => [name, base64url(key.get(label))]);
  const curve = type.curve === undefined ? {} : { crv: CURVE_NAMES[Number(key.get(type.curve))] };
  const alg = ALGORITHM_NAMES[Number(key.get(ALG))];
  return PasskeyJwk.safeParse({ kty: type.kty, ...curve, ...Object.fromEntries(members), alg }).data;
}

const base64url = (value: unknown): string | undefined =>
  value instanceof Uint8Array ? Buffer.from(value).toString("base64url") : undefined;
