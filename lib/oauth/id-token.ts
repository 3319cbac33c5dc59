import { createHash } from "node:crypto";
import { z } from "zod";
import { OAuthError } from "@/lib/errors";
import { acrOf } from "./acr";
import type { JwsAlgorithm } from "./jws";

/** The usual `typ`: OIDC Core registers none, and an access token of ours never has it (RFC 8725 §3.11). */
export const ID_TOKEN_TYPE = "JWT";

/** What a person lets an app know of them (OIDC Core §5.1). */
export type PersonClaims = {
  name?: string;
  email?: string;
  email_verified?: boolean;
};

/** What an app may learn of a person here, in ID tokens and at UserInfo (OIDC Discovery §3, `claims_supported`). */
export const CLAIMS_SUPPORTED: readonly string[] = [
  ...["iss", "sub", "aud", "exp", "iat", "auth_time", "amr", "acr", "nonce", "at_hash"],
  ...["name", "email", "email_verified"],
];

type IdToken = {
  issuer: string;
  /** `user:<id>`, as in access tokens. */
  subject: string;
  clientId: string;
  issuedAt: Date;
  /** Seconds. */
  ttl: number;
  /** When and how the person proved who they are. */
  authTime: Date;
  amr: readonly string[];
  /** As the authorization request had it; undefined where it had none, and when tokens are refreshed. */
  nonce: string | undefined;
  /** Issued with it. */
  accessToken: string;
  /** What was opened by the same authorization, and ends it. */
  familyId: string;
  person: PersonClaims;
};

/** The payload to sign for an ID token, with this algorithm (OIDC Core §2, §12.2). */
export function idTokenClaims(token: IdToken, alg: JwsAlgorithm): Record<string, unknown> {
  const iat = secondsOf(token.issuedAt);
  return {
    iss: token.issuer,
    sub: token.subject,
    // One audience, so that `azp` has nothing to say (OIDC Core §2).
    aud: token.clientId,
    iat,
    exp: iat + token.ttl,
    auth_time: secondsOf(token.authTime),
    amr: [...token.amr],
    acr: acrOf(token.amr),
    // "Authorization Servers MUST include a nonce Claim in the ID Token with the Claim Value being the nonce value
    // sent in the Authentication Request" (OIDC Core §2)
    ...(token.nonce !== undefined && { nonce: token.nonce }),
    at_hash: accessTokenHash(token.accessToken, alg),
    family: token.familyId,
    ...token.person,
  };
}

/**
 * "the base64url encoding of the left-most half of the hash of the octets of the ASCII representation of the
 * access_token value, where the hash algorithm used is the hash algorithm used in the alg Header Parameter"
 * (OIDC Core §3.1.3.6).
 */
export function accessTokenHash(accessToken: string, alg: JwsAlgorithm): string {
  const digest = createHash(HASH_OF[alg]).update(accessToken, "ascii").digest();
  return digest.subarray(0, digest.length / 2).toString("base64url");
}

/** Ed25519 names no hash of its own; what it uses within is SHA-512 (RFC 8032 §5.1), and libraries take that. */
const HASH_OF: Readonly<Record<JwsAlgorithm, string>> = {
  ES256: "sha256",
  ES384: "sha384",
  RS256: "sha256",
  PS256: "sha256",
  Ed25519: "sha512",
  EdDSA: "sha512",
};

const Claims = z.object({
  iss: z.string(),
  sub: z.string().startsWith("user:"),
  aud: z.string(),
  exp: z.int(),
  iat: z.int(),
  auth_time: z.int(),
  amr: z.array(z.string()),
  family: z.uuid(),
});

/** What this server reads again of an ID token of its own. */
export type IdTokenClaims = z.infer<typeof Claims>;

/**
 * Reads an ID token of ours whose signature is verified, if it was issued to this client and is in force
 * (draft-ietf-oauth-identity-assertion-authz-grant-04 §4.3).
 */
export function readIdTokenClaims(
  payload: unknown,
  { issuer, clientId, now }: { issuer: string; clientId: string; now: Date },
): IdTokenClaims {
  const parsed = Claims.safeParse(payload);
  if (!parsed.success) throw refusal("the claims are not those of an ID token of ours");
  const claims = parsed.data;
  if (claims.iss !== issuer) throw refusal("another server issued it");
  // "MUST validate that the audience of the assertion … matches the client_id of the client authentication"
  if (claims.aud !== clientId) throw refusal("it was issued to another client");
  if (claims.exp * 1000 <= now.getTime()) throw refusal("it has expired");
  return claims;
}

const refusal = (reason: string) =>
  new OAuthError(
    "invalid_request",
    "Send an ID token that this server issued to this client and that has not expired, or ask the person to sign in again.",
    { reason },
  );

const secondsOf = (date: Date): number => Math.floor(date.getTime() / 1000);
