import { constants, type KeyObject, sign, verify } from "node:crypto";
import { type ErrorCode, OAuthError } from "@/lib/errors";

/** What we verify. `EdDSA` is the older name of `Ed25519` (RFC 9864), which clients still send. */
export const JWS_ALGORITHMS = ["ES256", "ES384", "RS256", "PS256", "Ed25519", "EdDSA"] as const;
export type JwsAlgorithm = (typeof JWS_ALGORITHMS)[number];

/** A key and the one algorithm that it may be used with (RFC 8725 §3.1). */
export type JwsKey = { alg: JwsAlgorithm; key: KeyObject };

export type Jws = {
  header: Readonly<Record<string, unknown>>;
  payload: Buffer;
  signature: Buffer;
  signingInput: string;
};

const MAX_LENGTH = 16 * 1024;
const COMPACT = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)\.([A-Za-z0-9_-]+)$/;
/** Extensions change what a signature means, and we implement none. */
const EXTENSIONS = ["crit", "b64", "zip"];

/** Where a token may say that its key is to be had. */
const KEY_SOURCES = ["jwk", "jku", "x5c", "x5u"];

/** The header by which a token names its own key: one that has any is never believed (RFC 8725 §3.10). */
export const keySourceOf = ({ header }: Pick<Jws, "header">): string | undefined =>
  KEY_SOURCES.find((name) => Object.hasOwn(header, name));

/** Takes a compact JWS apart, strictly, before anything in it is believed (RFC 7515 §5.2). */
export function parseJws(token: string, code: ErrorCode = "invalid_token"): Jws {
  const refuse = (reason: string) =>
    new OAuthError(code, "Send a JWT in the compact serialization", { reason });

  if (token.length > MAX_LENGTH) throw refuse("the JWS is longer than 16 KiB");
  const [, head, body, tail] = COMPACT.exec(token) ?? [];
  if (head === undefined || body === undefined || tail === undefined) throw refuse("not a compact JWS");

  const [headerBytes, payload, signature] = [head, body, tail].map(decodeBase64url);
  if (!headerBytes || !payload || !signature) throw refuse("a segment is not canonical base64url");

  const header = parseJson(headerBytes);
  if (!isRecord(header)) throw refuse("the header is not a JSON object");
  // "If any of the listed extension Header Parameters are not understood and supported by the recipient,
  // then the JWS is invalid" (RFC 7515 §4.1.11)
  const extension = EXTENSIONS.find((name) => Object.hasOwn(header, name));
  if (extension) throw refuse(`the header has ${extension}`);

  return { header, payload, signature, signingInput: token.slice(0, head.length + 1 + body.length) };
}

/** True if this key, with its own algorithm, signed the JWS (RFC 7515 §5.2). */
export function isSignedBy({ header, signature, signingInput }: Jws, { alg, key }: JwsKey): boolean {
  // "Each key MUST be used with exactly one algorithm, and this MUST be checked when the cryptographic
  // operation is performed" (RFC 8725 §3.1)
  return header.alg === alg && verify(DIGEST[alg], Buffer.from(signingInput), options(alg, key), signature);
}

/** Signs with a key already in memory (RFC 7515 §5.1). */
export function signJws(header: Record<string, unknown>, payload: string, { alg, key }: JwsKey): string {
  const signingInput = `${encode(JSON.stringify({ alg, ...header }))}.${encode(payload)}`;
  const signature = sign(DIGEST[alg], Buffer.from(signingInput), options(alg, key));
  return `${signingInput}.${signature.toString("base64url")}`;
}

/** The JSON value of UTF-8 bytes, or undefined where they are neither. */
export function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    return undefined;
  }
}

/** Ed25519 hashes by itself. */
const DIGEST = {
  ES256: "sha256",
  ES384: "sha384",
  RS256: "sha256",
  PS256: "sha256",
  Ed25519: null,
  EdDSA: null,
} as const;

function options(alg: JwsAlgorithm, key: KeyObject) {
  // A JOSE signature is R and S side by side, not DER (RFC 7518 §3.4).
  if (alg === "ES256" || alg === "ES384") return { key, dsaEncoding: "ieee-p1363" as const };
  // The salt is as long as the hash (RFC 7518 §3.5).
  if (alg === "PS256") return { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
  return { key };
}

/** Undefined where the characters say more than the bytes do: one value has one spelling (RFC 4648 §3.5). */
export function decodeBase64url(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, "base64url");
  return bytes.toString("base64url") === text ? bytes : undefined;
}

const encode = (text: string) => Buffer.from(text).toString("base64url");

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
