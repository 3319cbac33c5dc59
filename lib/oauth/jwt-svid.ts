import { z } from "zod";
import { OAuthError } from "@/lib/errors";
import type { JwsAlgorithm } from "./jws";
import { audienceClaim, CLOCK_OFFSET, isSoleAudience, numericDate } from "./registered-claims";
import { trustDomainOf } from "./spiffe-id";
import { readJwt, type UnverifiedJwt } from "./unverified-jwt";

/** The `client_assertion_type` of a JWT-SVID (draft-ietf-oauth-spiffe-client-auth-02 §3.1). */
export const JWT_SPIFFE_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe";

/** The longest that a JWT-SVID may live on, in seconds: whoever sees it may use it until then. */
const MAX_LIFETIME = 3600;

/** Of those that a JWT-SVID may have, the ones we verify: "Validators … MUST reject" others (JWT-SVID §2.1). */
const ALGORITHMS = ["ES256", "ES384", "RS256", "PS256"] as const satisfies readonly JwsAlgorithm[];
/** "If set, its value MUST be either JWT or JOSE" (JWT-SVID §2.3). */
const TYPES: readonly unknown[] = [undefined, "JWT", "JOSE"];

const Claims = z.object({
  sub: z.string(),
  aud: audienceClaim,
  exp: numericDate,
  iat: numericDate.optional(),
  nbf: numericDate.optional(),
  jti: z.string().min(1).max(1024).optional(),
});

/** A JWT-SVID: which workload its trust domain says that somebody is. */
export type JwtSvid = UnverifiedJwt<z.infer<typeof Claims>> & {
  /** `spiffe://example.org`; "Trust bundles … MUST be keyed by the trust domain identifier" (§6). */
  trustDomain: string;
};

/** Refused in the same words as a wrong secret: which check failed is for the log. */
const refusal = (reason: string) =>
  new OAuthError(
    "invalid_client",
    "Client authentication failed. Send a JWT-SVID of a workload that an operator registered for this client: aud the issuer alone, exp at most an hour ahead, and its trust domain one that vouches for clients here.",
    { reason },
  );

/** Takes a JWT-SVID apart; nothing in it is believed yet (draft-ietf-oauth-spiffe-client-auth-02 §3.1). */
export function readJwtSvid(token: string): JwtSvid {
  const kind = { types: TYPES, algorithms: ALGORITHMS, claims: Claims };
  const svid = readJwt(token, { ...kind, code: "invalid_client", refuse: refusal });
  const trustDomain = trustDomainOf(svid.claims.sub);
  if (trustDomain === undefined) throw refusal("sub is no SPIFFE ID");
  return { ...svid, trustDomain };
}

/** Refuses a JWT-SVID that is not for us alone, or not of now (draft-ietf-oauth-spiffe-client-auth-02 §3.1). */
export function checkJwtSvid({ claims }: JwtSvid, expected: { issuer: string; now: Date }): void {
  const { aud, exp, iat = 0, nbf = 0 } = claims;
  const now = expected.now.getTime() / 1000;
  // "contains only the issuer identifier of the authorization server as its sole value"
  if (!isSoleAudience(aud, [expected.issuer])) throw refusal("aud is another, or several");
  if (exp <= now) throw refusal("expired");
  if (exp > now + MAX_LIFETIME + CLOCK_OFFSET) throw refusal("exp is too far ahead");
  if (iat > now + CLOCK_OFFSET || nbf > now + CLOCK_OFFSET) throw refusal("iat or nbf is in the future");
}
