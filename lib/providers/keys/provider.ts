import type { JWK } from "jose";
import type { VerificationKey } from "@/lib/oauth/compact-jws";

/** Where the signing keys live: in the database, or in a key service of the operator's. */
export type KeyProvider = {
  /** Signs claims as a JWT of the given type, with the active key (RFC 7519 §7.1). */
  sign(typ: string, claims: Record<string, unknown>): Promise<string>;
  /** The public keys that tokens may be verified with (RFC 7517 §5). */
  jwks(): Promise<{ keys: JWK[] }>;
  /** The same keys by `kid`, ready for use; looks again if the kid is not among them. */
  verificationKeys(kid: string): Promise<ReadonlyMap<string, VerificationKey>>;
};
