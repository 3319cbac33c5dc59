/** What a client is told of the end of a refresh token, in seconds (draft-ietf-oauth-refresh-token-expiration-03 §6.1). */
export type RefreshTokenExpiration = {
  /** How long it may be held without being used. */
  refresh_token_timeout: number;
  /** How long what the person allowed lasts. */
  authorization_expires_in: number;
};

/** The kinds of end there are here (draft-ietf-oauth-refresh-token-expiration-03 §8). */
export const EXPIRATION_TYPES: readonly string[] = ["authorization", "token_timeout"];

type Ends = { now: Date; tokenExpiresAt: Date; authorizationExpiresAt: Date };

/** "refresh_token_timeout … SHALL NOT exceed the value in authorization_expires_in" (§6.1). */
export function refreshTokenExpiration({
  now,
  tokenExpiresAt,
  authorizationExpiresAt,
}: Ends): RefreshTokenExpiration {
  const authorization = secondsUntil(authorizationExpiresAt, now);
  return {
    refresh_token_timeout: Math.min(secondsUntil(tokenExpiresAt, now), authorization),
    authorization_expires_in: authorization,
  };
}

/** Whole seconds until then; never more than there are. */
export const secondsUntil = (end: Date, now: Date): number =>
  Math.max(0, Math.floor((end.getTime() - now.getTime()) / 1000));
