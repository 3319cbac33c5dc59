import type { Operation } from "./openapi-operations";

const userinfo = {
  summary: "Who signed in",
  tag: "Tokens",
  spec: "OIDC Core §5.3",
  also: ["RFC 6750", "RFC 9449"],
  answers: { 200: "UserInfo" },
  errors: ["invalid_request", "invalid_token", "insufficient_scope"],
  security: "bearer",
} as const satisfies Operation;

/** What a developer asks about tokens before and after using them, by `METHOD path`. */
export const tokenOperations: Readonly<Record<string, Operation>> = {
  "POST /challenge": {
    summary: "Get a challenge for the proof of a client attestation",
    tag: "Authorization",
    spec: "draft-ietf-oauth-attestation-based-client-auth-11 §6.3",
    answers: { 200: "AttestationChallenge" },
    errors: [],
  },
  "POST /token/check": {
    summary: "Would this exchange be granted?",
    tag: "Tokens",
    json: "TokenCheck",
    answers: { 200: "TokenChecked" },
    errors: ["invalid_client", "invalid_request", "validation_failed", "unsupported_media_type"],
    security: "client",
  },
  "POST /tokens/inspect": {
    summary: "What does this token say, and does it count?",
    tag: "Tokens",
    json: "TokenToInspect",
    answers: { 200: "TokenInspection" },
    errors: ["invalid_client", "invalid_request", "validation_failed", "unsupported_media_type"],
    security: "client",
  },
  "GET /tokens/inspect": {
    summary: "The same for clients of an earlier system, with the token in the query",
    tag: "Tokens",
    query: "TokenToInspect",
    answers: { 200: "TokenInspection" },
    errors: ["invalid_client", "validation_failed"],
    security: "client",
  },
  "GET /userinfo": userinfo,
  "POST /userinfo": userinfo,
};
