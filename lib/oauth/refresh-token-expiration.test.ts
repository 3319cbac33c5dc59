import { expect, it } from "vitest";
import { refreshTokenExpiration } from "./refresh-token-expiration";

const now = new Date("2026-11-28T12:00:00.400Z");
const after = (seconds: number) => new Date(now.getTime() + seconds * 1000);

// The days of the example of the draft: a token is to be used once a week, the permission lasts ten days.
const WEEK = 604_800;
it.each([
  ["on day 0", WEEK, 864_000, WEEK, 864_000],
  ["on day 7, where the token would outlive the permission", WEEK, 259_200, 259_200, 259_200],
  ["in parts of a second, never more than there are", 10.9, 20.9, 10, 20],
  ["after its end", -5, -1, 0, 0],
])("refresh-token-expiration-03 §6.4: %s", (_when, token, authorization, timeout, expiresIn) => {
  const ends = { tokenExpiresAt: after(token), authorizationExpiresAt: after(authorization) };
  expect(refreshTokenExpiration({ now, ...ends })).toEqual({
    refresh_token_timeout: timeout,
    authorization_expires_in: expiresIn,
  });
});
