import { createHash } from "node:crypto";

/** The members a thumbprint is taken of, in the order that RFC 7638 §3.2 and RFC 8037 §2 require. */
const MEMBERS: Readonly<Record<string, readonly string[]>> = {
  EC: ["crv", "kty", "x", "y"],
  OKP: ["crv", "kty", "x"],
  RSA: ["e", "kty", "n"],
};

/** The SHA-256 thumbprint of a public key, base64url (RFC 7638 §3); the key is one that was imported before. */
export function jwkThumbprint(jwk: Readonly<Record<string, unknown>>): string {
  const members = MEMBERS[String(jwk.kty)] ?? [];
  const canonical = JSON.stringify(Object.fromEntries(members.map((name) => [name, jwk[name]])));
  return createHash("sha256").update(canonical).digest("base64url");
}
