import type { ErrorCode } from "@/lib/errors";

/** How a client may fail to prove itself, at every endpoint where it has to. */
export const CLIENT_ERRORS = [
  "invalid_client",
  "invalid_client_attestation",
  "use_fresh_attestation",
  "use_attestation_challenge",
] as const satisfies readonly ErrorCode[];

/** How a proof of a key may fail (RFC 9449 §5, §8). */
export const KEY_ERRORS = ["invalid_dpop_proof", "use_dpop_nonce"] as const satisfies readonly ErrorCode[];

/** How a question stands that somebody has to answer first (RFC 8628 §3.5, CIBA Core §11). */
export const POLL_ERRORS = [
  "authorization_pending",
  "slow_down",
  "access_denied",
  "expired_token",
] as const satisfies readonly ErrorCode[];

/** How a body of JSON may be refused. */
export const JSON_ERRORS = [
  "invalid_request",
  "validation_failed",
  "unsupported_media_type",
] as const satisfies readonly ErrorCode[];

/** How whoever answers a question for a person may be refused, by session or by a token of theirs (RFC 9470 §3). */
export const DECIDER_ERRORS = [
  "invalid_token",
  "insufficient_user_authentication",
  "insufficient_scope",
  "forbidden",
] as const satisfies readonly ErrorCode[];
