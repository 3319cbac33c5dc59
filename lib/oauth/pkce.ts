import { createHash, timingSafeEqual } from "node:crypto";

/** True for a challenge made with S256: 32 bytes in base64url (RFC 7636 §4.2). */
export function isCodeChallenge(value: string): boolean {
  return /^[A-Za-z0-9_-]{43}$/.test(value);
}

/** True for a verifier of the permitted length and characters (RFC 7636 §4.1). */
export function isCodeVerifier(value: string): boolean {
  return /^[A-Za-z0-9\-._~]{43,128}$/.test(value);
}

/** True when the verifier hashes to the challenge, compared in constant time (RFC 7636 §4.6). */
export function matchesChallenge(verifier: string, challenge: string): boolean {
  const expected = Buffer.from(challenge, "ascii");
  const actual = Buffer.from(createHash("sha256").update(verifier, "ascii").digest("base64url"), "ascii");
  return actual.length === expected.length && timingSafeEqual(actual, expected);
}
