import { z } from "zod";
import { OAuthError } from "@/lib/errors";
import { audienceClaim, CLOCK_OFFSET, isSoleAudience, nameClaim, numericDate } from "./registered-claims";
import { readJwt, type UnverifiedJwt } from "./unverified-jwt";

/** The `client_assertion_type` of a JWT that a client signs itself (RFC 7523 §2.2). */
export const JWT_BEARER_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/** The longest that an assertion may live, in seconds. */
const MAX_LIFETIME = 600;

/** "SHOULD be client-authentication+jwt"; most libraries say nothing yet (draft-ietf-oauth-rfc7523bis-11 §4). */
const TYPES: readonly unknown[] = [undefined, "JWT", "jwt", "client-authentication+jwt"];

const Claims = z.object({
  iss: nameClaim,
  sub: nameClaim,
  aud: audienceClaim,
  exp: numericDate,
  iat: numericDate.optional(),
  nbf: numericDate.optional(),
  jti: z.string().min(1).max(1024),
});

export type ClientAssertion = UnverifiedJwt<z.infer<typeof Claims>>;

/** Refused in the same words as a wrong secret: which check failed is for the log. */
const refusal = (reason: string) =>
  new OAuthError(
    "invalid_client",
    "Client authentication failed. Sign an assertion for this client with a registered key: aud the issuer alone, exp at most 10 minutes ahead, a jti of its own.",
    { reason },
  );

/** Takes a client assertion apart; nothing in it is believed yet (RFC 7523 §3). */
export const readClientAssertion = (token: string): ClientAssertion =>
  readJwt(token, { types: TYPES, claims: Claims, code: "invalid_client", refuse: refusal });

/** Refuses an assertion that is not this client's, not for us alone, or not of now (RFC 7523 §3). */
export function checkClientAssertion(
  { claims }: ClientAssertion,
  expected: { clientId: string; audiences: readonly string[]; now: Date },
): void {
  const { iss, sub, exp, iat = 0, nbf = 0 } = claims;
  const now = expected.now.getTime() / 1000;
  if (iss !== expected.clientId || sub !== expected.clientId) throw refusal("iss or sub is another client");
  if (!isSoleAudience(claims.aud, expected.audiences)) throw refusal("aud is another, or several");
  if (exp <= now) throw refusal("expired");
  if (exp > now + MAX_LIFETIME + CLOCK_OFFSET) throw refusal("exp is too far ahead");
  if (iat > now + CLOCK_OFFSET || nbf > now + CLOCK_OFFSET) throw refusal("iat or nbf is in the future");
}
