import { createHash, verify } from "node:crypto";
import { z } from "zod";
import { decodeBase64url, parseJson } from "./jws";
import { importVerificationKey } from "./verification-key";

/** Bytes as WebAuthn writes them in JSON: base64url, and only its one spelling (RFC 4648 §3.5). */
export const Base64url = z
  .string()
  .min(1)
  .refine((text) => decodeBase64url(text) !== undefined, "must be base64url without padding");

/** The public key of a passkey: COSE's names put into those of JOSE, for the three algorithms we ask for. */
export const PasskeyJwk = z.discriminatedUnion("kty", [
  z.strictObject({
    kty: z.literal("EC"),
    crv: z.literal("P-256"),
    x: Base64url,
    y: Base64url,
    alg: z.literal("ES256"),
  }),
  z.strictObject({
    kty: z.literal("OKP"),
    crv: z.literal("Ed25519"),
    x: Base64url,
    alg: z.literal("Ed25519"),
  }),
  z.strictObject({ kty: z.literal("RSA"), n: Base64url, e: Base64url, alg: z.literal("RS256") }),
]);
export type PasskeyJwk = z.infer<typeof PasskeyJwk>;

const ClientData = z.object({
  type: z.string(),
  challenge: z.string(),
  origin: z.string(),
  crossOrigin: z.boolean().optional(),
  topOrigin: z.string().optional(),
});

/** What the browser says of the ceremony it ran (WebAuthn Level 3 §5.8.1). */
export type ClientData = z.infer<typeof ClientData>;

/** Reads client data; undefined for bytes that are none. */
export const parseClientData = (bytes: Buffer): ClientData | undefined =>
  ClientData.safeParse(parseJson(bytes)).data;

/** Whether the page that ran the ceremony stood in another site's frame, where ours never do (§7.1 steps 10 and 11). */
export const wasFramed = ({ crossOrigin, topOrigin }: ClientData): boolean =>
  crossOrigin === true || topOrigin !== undefined;

/** What the authenticator says of an assertion, without the extensions that may follow (§6.1). */
export type AuthenticatorData = {
  rpIdHash: Buffer;
  userPresent: boolean;
  userVerified: boolean;
  backupEligible: boolean;
  backedUp: boolean;
  signCount: number;
};

const FLAGS = { UP: 0x01, UV: 0x04, BE: 0x08, BS: 0x10, AT: 0x40, ED: 0x80 };
const HEAD_BYTES = 37;

/** Reads the authenticator data of an assertion; undefined for bytes that are none. */
export function parseAuthenticatorData(bytes: Buffer): AuthenticatorData | undefined {
  if (bytes.length < HEAD_BYTES) return undefined;
  const flags = bytes.readUInt8(32);
  const has = (flag: number) => (flags & flag) !== 0;
  // "For assertion signatures, the AT flag MUST NOT be set", and without extensions "it is always 37 bytes long" (§6.1)
  if (has(FLAGS.AT) || (bytes.length > HEAD_BYTES && !has(FLAGS.ED))) return undefined;
  return {
    rpIdHash: bytes.subarray(0, 32),
    userPresent: has(FLAGS.UP),
    userVerified: has(FLAGS.UV),
    backupEligible: has(FLAGS.BE),
    backedUp: has(FLAGS.BS),
    signCount: bytes.readUInt32BE(33),
  };
}

type Assertion = { authenticatorData: Buffer; clientDataJson: Buffer; signature: Buffer };

/** Whether a key made the signature of an assertion (§7.2 steps 20 and 21). Throws for a key that must not be used. */
export function isAssertionSignedBy(jwk: PasskeyJwk, assertion: Assertion): boolean {
  const { alg, key } = importVerificationKey(jwk, jwk.alg);
  const signed = Buffer.concat([assertion.authenticatorData, sha256(assertion.clientDataJson)]);
  // Ed25519 hashes by itself. ECDSA signatures are DER here, unlike in a JWS (§6.5.5).
  return verify(alg === "Ed25519" ? null : "sha256", signed, key, assertion.signature);
}

export const sha256 = (data: Buffer | string): Buffer => createHash("sha256").update(data).digest();
