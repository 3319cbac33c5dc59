import { z } from "zod";
import { OAuthError } from "@/lib/errors";
import { jwkThumbprint } from "./jwk-thumbprint";
import { isSignedBy, JWS_ALGORITHMS } from "./jws";
import { audienceClaim, isSoleAudience, nameClaim, numericDate } from "./registered-claims";
import { readJwt, type UnverifiedJwt } from "./unverified-jwt";
import { findVerificationKey, importVerificationKey } from "./verification-key";

/** Seconds that a proof counts, and seconds that a clock may be ahead of ours; the same as for DPoP proofs. */
const PROOF_MAX_AGE = 300;
const MAX_AHEAD = 30;

const AttestationClaims = z.looseObject({
  iss: nameClaim.optional(),
  sub: nameClaim,
  exp: numericDate,
  iat: numericDate.optional(),
  nbf: numericDate.optional(),
  cnf: z.looseObject({ jwk: z.record(z.string(), z.unknown()) }),
});

const ProofClaims = z.object({
  aud: audienceClaim,
  jti: z.string().min(1).max(1024),
  iat: numericDate,
  exp: numericDate.optional(),
  nbf: numericDate.optional(),
  challenge: z.string().max(1024).optional(),
});

/** What a client attester says of one instance of a client. */
export type ClientAttestation = UnverifiedJwt<z.infer<typeof AttestationClaims>> & {
  /** The thumbprint of the key that only this instance holds (RFC 7638, SHA-256, base64url). */
  instanceJkt: string;
};

/** Whatever is wrong with an attestation or its proof (§7.4). */
export const invalidAttestation = (
  reason: string,
  description = `Send one client attestation, and a new proof made with the key in it: ${reason}.`,
) => new OAuthError("invalid_client_attestation", description, { reason });

const ATTESTATION = { types: ["oauth-client-attestation+jwt"], claims: AttestationClaims };
const PROOF = { types: ["oauth-client-attestation-pop+jwt"], claims: ProofClaims };
const REFUSALS = { code: "invalid_client_attestation", refuse: invalidAttestation } as const;

/**
 * Takes a client attestation apart; nothing in it is believed yet
 * (draft-ietf-oauth-attestation-based-client-auth-11 §4).
 */
export function readClientAttestation(token: string): ClientAttestation {
  const attestation = readJwt(token, { ...ATTESTATION, ...REFUSALS });
  return { ...attestation, instanceJkt: thumbprintOf(attestation.claims.cnf.jwk) };
}

/** Of the key as it was read: "The key contained in the cnf claim … is not a private key" (§7.1), nor a weak one. */
function thumbprintOf(jwk: Record<string, unknown>): string {
  for (const alg of JWS_ALGORITHMS) {
    const fitting = findVerificationKey(jwk, alg);
    if (fitting) return jwkThumbprint(fitting.key.export({ format: "jwk" }));
  }
  throw invalidAttestation("the key in cnf is private, weak, or none of ours");
}

/**
 * "The Client Attestation JWT is fresh enough per local policy … by checking the iat or exp claims" (§7.1): it is of
 * the last `maxAge` seconds, or where it does not say, good for no more of them.
 */
export function checkFreshness(
  { claims: { exp, iat, nbf = 0 } }: ClientAttestation,
  expected: { now: Date; maxAge: number },
): void {
  const now = expected.now.getTime() / 1000;
  if (nbf > now + MAX_AHEAD || (iat ?? 0) > now + MAX_AHEAD)
    throw invalidAttestation("iat or nbf is in the future");
  const isOld = iat === undefined ? exp > now + expected.maxAge : iat < now - expected.maxAge;
  if (exp > now && !isOld) return;
  throw new OAuthError(
    "use_fresh_attestation",
    `Get a new attestation from your client attester: one that is not expired, and was issued within the last ${expected.maxAge} seconds.`,
    { reason: isOld ? "the attestation is too old" : "the attestation is expired" },
  );
}

/** What a proof of possession shows, beside that its maker holds the key of the attestation. */
export type PossessionProof = { jti: string; expiresAt: Date; challenge: string | undefined };

/**
 * Verifies the proof that comes with an attestation (draft-ietf-oauth-attestation-based-client-auth-11 §7.2). Pure:
 * that its `jti` was not seen before and that its `challenge` is one of ours is for the caller to see to.
 */
export function verifyPossession(
  token: string,
  { claims: { cnf } }: ClientAttestation,
  { issuer, now }: { issuer: string; now: Date },
): PossessionProof {
  const { jws, alg, claims } = readJwt(token, { ...PROOF, ...REFUSALS });
  // "The public key used to verify the JWT MUST be the key located in the cnf claim" (§5.1)
  if (!isSignedBy(jws, importVerificationKey(cnf.jwk, alg, "invalid_client_attestation")))
    throw invalidAttestation("the proof is signed with another key");
  const { aud, jti, iat, exp, nbf = 0, challenge } = claims;
  if (!isSoleAudience(aud, [issuer])) throw invalidAttestation("aud is another, or several");
  const seconds = now.getTime() / 1000;
  if (seconds - iat > PROOF_MAX_AGE || iat - seconds > MAX_AHEAD) throw invalidAttestation("iat is not now");
  if ((exp !== undefined && exp <= seconds) || nbf > seconds + MAX_AHEAD)
    throw invalidAttestation("the proof is expired, or not good yet");
  return { jti, challenge, expiresAt: new Date((iat + PROOF_MAX_AGE) * 1000) };
}
