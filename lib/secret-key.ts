import { hkdfSync } from "node:crypto";
import { CompactEncrypt, compactDecrypt } from "jose";

/** What a derived key is for: one key never serves two purposes (NIST SP 800-57 §5.2). */
type Purpose =
  | "keys"
  | "csrf"
  | "overlap"
  | "check"
  | "sign-in"
  | "pairwise"
  | "push"
  | "dpop-nonce"
  | "attestation-challenge"
  | "passkey-challenge"
  | "user-code"
  | "approval-handle"
  | "paused-request"
  | "client-ping";

/** Thrown when a sealed text cannot be opened: it was sealed with another key, or changed since. */
export class UnsealError extends Error {
  override readonly name = "UnsealError";
}

const derived = new Map<string, Buffer>();

/** Derives the 256-bit key of one purpose from AUTHGENT_SECRET_KEY (HKDF-SHA256, RFC 5869), each once. */
export function deriveKey(secretKey: string, purpose: Purpose): Buffer {
  const name = `${purpose} ${secretKey}`;
  const key = derived.get(name) ?? Buffer.from(hkdfSync("sha256", secretKey, "", `authgent-${purpose}`, 32));
  derived.set(name, key);
  return key;
}

/** Encrypts a text for storage, as a compact JWE (RFC 7516 §3.1) with direct A256GCM (RFC 7518 §5.3). */
export function seal(key: Buffer, plaintext: string): Promise<string> {
  return new CompactEncrypt(new TextEncoder().encode(plaintext))
    .setProtectedHeader({ alg: "dir", enc: "A256GCM" })
    .encrypt(key);
}

/** Opens what `seal` made; throws UnsealError under any other key. */
export async function open(key: Buffer, sealed: string): Promise<string> {
  try {
    const { plaintext } = await compactDecrypt(sealed, key, {
      keyManagementAlgorithms: ["dir"],
      contentEncryptionAlgorithms: ["A256GCM"],
    });
    return new TextDecoder().decode(plaintext);
  } catch (cause) {
    throw new UnsealError("Sealed under another key: start with the AUTHGENT_SECRET_KEY that wrote it", {
      cause,
    });
  }
}
