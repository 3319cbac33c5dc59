import { OAuthError } from "@/lib/errors";
import { bearerChallenge } from "@/lib/oauth/challenge";

type Needed = {
  /** Seconds that the sign-in may be old. */
  maxAge?: number | undefined;
  /** Any of these will do. */
  acrValues?: readonly string[] | undefined;
};

/** The refusal of an answer whose person has to sign in anew, or otherwise, and how (RFC 9470 §3). */
export function insufficientAuthentication(description: string, needed: Needed): OAuthError {
  const error = "insufficient_user_authentication";
  const { maxAge, acrValues } = needed;
  return new OAuthError(error, description, {
    headers: { "www-authenticate": bearerChallenge({ error, description, ...needed }) },
    members: {
      ...(maxAge !== undefined && { max_age: maxAge }),
      ...(acrValues && { acr_values: acrValues.join(" ") }),
    },
  });
}

/** The same where the sign-in was longer ago than this, in seconds. */
export const signInAgain = (maxAge: number): OAuthError =>
  insufficientAuthentication("Sign in again to answer this: your sign-in is too long ago.", { maxAge });
