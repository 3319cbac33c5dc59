import type { JWK } from "jose";
import type { SigningKey, VerificationKey } from "@/lib/oauth/compact-jws";

type Claims = Record<string, unknown>;

/** Where the signing keys live: in the database, or in a key service of the operator's. */
export type KeyProvider = {
  /**
   * Signs claims as a JWT of the given type, with the active key (RFC 7519 §7.1). Claims that depend on the algorithm
   * are made when it is known.
   */
  sign(typ: string, claims: Claims | ((alg: SigningKey["alg"]) => Claims)): Promise<string>;
  /** The public keys that tokens may be verified with (RFC 7517 §5). */
  jwks(): Promise<{ keys: JWK[] }>;
  /** The same keys by `kid`, ready for use; looks again if the kid is not among them. */
  verificationKeys(kid: string): Promise<ReadonlyMap<string, VerificationKey>>;
};
