/** Every error code the server speaks, its HTTP status, and the section that defines it. */
export const ERRORS = {
  // RFC 6749: authorization (§4.1.2.1) and token (§5.2) endpoints
  invalid_request: { status: 400, spec: "RFC 6749 §5.2" },
  invalid_client: { status: 401, spec: "RFC 6749 §5.2" },
  invalid_grant: { status: 400, spec: "RFC 6749 §5.2" },
  unauthorized_client: { status: 400, spec: "RFC 6749 §5.2" },
  unsupported_grant_type: { status: 400, spec: "RFC 6749 §5.2" },
  invalid_scope: { status: 400, spec: "RFC 6749 §5.2" },
  unsupported_response_type: { status: 400, spec: "RFC 6749 §4.1.2.1" },
  access_denied: { status: 403, spec: "RFC 6749 §4.1.2.1" },
  server_error: { status: 500, spec: "RFC 6749 §4.1.2.1" },
  temporarily_unavailable: { status: 503, spec: "RFC 6749 §4.1.2.1" },
  // RFC 6750 §3.1: protected resources
  invalid_token: { status: 401, spec: "RFC 6750 §3.1" },
  insufficient_scope: { status: 403, spec: "RFC 6750 §3.1" },
  // RFC 7009 §2.2.1
  unsupported_token_type: { status: 400, spec: "RFC 7009 §2.2.1" },
  // RFC 7591 §3.2.2
  invalid_redirect_uri: { status: 400, spec: "RFC 7591 §3.2.2" },
  invalid_client_metadata: { status: 400, spec: "RFC 7591 §3.2.2" },
  // RFC 8707 §2
  invalid_target: { status: 400, spec: "RFC 8707 §2" },
  // RFC 9449: proof of possession
  invalid_dpop_proof: { status: 400, spec: "RFC 9449 §5" },
  use_dpop_nonce: { status: 400, spec: "RFC 9449 §8" },
  // RFC 8628 §3.5: device codes, and what polls as they do (CIBA Core §11)
  authorization_pending: { status: 400, spec: "RFC 8628 §3.5" },
  slow_down: { status: 400, spec: "RFC 8628 §3.5" },
  expired_token: { status: 400, spec: "RFC 8628 §3.5" },
  // OpenID Connect CIBA Core §13
  unknown_user_id: { status: 400, spec: "CIBA Core §13" },
  invalid_binding_message: { status: 400, spec: "CIBA Core §13" },
  // RFC 9470
  insufficient_user_authentication: { status: 401, spec: "RFC 9470 §3" },
  unmet_authentication_requirements: { status: 400, spec: "RFC 9470 §5" },
  // RFC 9126 and RFC 9101: pushed authorization requests
  invalid_request_uri: { status: 400, spec: "RFC 9126 §4" },
  // RFC 9396
  invalid_authorization_details: { status: 400, spec: "RFC 9396 §5" },
  // draft-ietf-oauth-attestation-based-client-auth-11 §7.4
  use_attestation_challenge: { status: 400, spec: "draft-ietf-oauth-attestation-based-client-auth-11 §6.1" },
  use_fresh_attestation: { status: 400, spec: "draft-ietf-oauth-attestation-based-client-auth-11 §7.4" },
  invalid_client_attestation: { status: 400, spec: "draft-ietf-oauth-attestation-based-client-auth-11 §7.4" },
  // OpenID Connect Core §3.1.2.6
  login_required: { status: 400, spec: "OIDC Core §3.1.2.6" },
  consent_required: { status: 400, spec: "OIDC Core §3.1.2.6" },
  interaction_required: { status: 400, spec: "OIDC Core §3.1.2.6" },
  request_not_supported: { status: 400, spec: "OIDC Core §3.1.2.6" },
  request_uri_not_supported: { status: 400, spec: "OIDC Core §3.1.2.6" },
  // Our JSON APIs and the transport (RFC 9457, RFC 9110)
  validation_failed: { status: 422, spec: "RFC 9457 §3" },
  not_found: { status: 404, spec: "RFC 9110 §15.5.5" },
  conflict: { status: 409, spec: "RFC 9110 §15.5.10" },
  forbidden: { status: 403, spec: "RFC 9110 §15.5.4" },
  method_not_allowed: { status: 405, spec: "RFC 9110 §15.5.6" },
  content_too_large: { status: 413, spec: "RFC 9110 §15.5.14" },
  unsupported_media_type: { status: 415, spec: "RFC 9110 §15.5.16" },
  too_many_requests: { status: 429, spec: "RFC 6585 §4" },
} as const satisfies Record<string, { status: number; spec: string }>;

export type ErrorCode = keyof typeof ERRORS;

/** Refinements of a standard code, sent as `error_code` beside it (product decision D8). */
export type ErrorDetail =
  | "approval_required"
  | "agent_frozen"
  | "delegation_depth_exceeded"
  | "may_act_violation"
  | "policy_denied"
  | "scope_escalation"
  | "software_not_allowed";

type Options = {
  /** Sent as `error_code`. */
  detail?: ErrorDetail;
  /** Where an endpoint answers the code with another status than the registry's: 401 at a protected resource. */
  status?: number;
  /** For the log only: why this was refused, in more words than the client may learn. */
  reason?: string;
  cause?: unknown;
  headers?: Record<string, string>;
  /** Members that the JSON answer carries besides `error` and `error_description`. */
  members?: Record<string, unknown>;
};

const BRAND = Symbol.for("authgent.OAuthError");

/** A refusal: a registered code, and a sentence that tells the caller what to do. */
export class OAuthError extends Error {
  readonly [BRAND] = true;
  override readonly name = "OAuthError";

  constructor(
    readonly code: ErrorCode,
    /** Public: a sentence that says what to do. */
    readonly description: string,
    readonly options: Options = {},
  ) {
    super(description, { cause: options.cause });
  }

  get status(): number {
    return this.options.status ?? ERRORS[this.code].status;
  }
}

/** True for our refusals, also those thrown by the other bundle's copy of this file. */
export function isOAuthError(error: unknown): error is OAuthError {
  return typeof error === "object" && error !== null && BRAND in error;
}
