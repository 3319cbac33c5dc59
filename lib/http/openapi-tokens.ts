import { z } from "zod";
import type { Operation } from "./openapi-operations";

const details = z.array(z.looseObject({ type: z.string() }));

/** What the endpoints of tokens answer, by the name it has in the document. */
export const tokenAnswers = {
  AttestationChallenge: z.object({
    attestation_challenge: z.string().describe("Becomes challenge in OAuth-Client-Attestation-PoP"),
  }),
  Introspection: z.looseObject({
    active: z.boolean(),
    scope: z.string().optional(),
    client_id: z.string().optional(),
    sub: z.string().optional(),
    aud: z.string().optional(),
    exp: z.int().optional(),
    authorization_details: details.optional().describe("As the token has them (RFC 9396 §9.2)"),
  }),
  UserInfo: z.object({
    sub: z.string(),
    name: z.string().optional(),
    email: z.string().optional(),
    email_verified: z.boolean().optional(),
  }),
  TokenChecked: z.object({
    allowed: z.boolean(),
    effective_scopes: z.array(z.string()),
    effective_authorization_details: details.optional(),
    delegation_depth: z.int().describe("Hops so far"),
    max_delegation_depth: z.int(),
    reasons: z.array(z.string()).describe("Everything that stands against it"),
  }),
  TokenInspection: z.looseObject({
    valid: z.boolean().describe("Whether it counts here now"),
    claims: z.looseObject({}).nullable(),
    delegation_chain: z
      .object({ depth: z.int(), actors: z.array(z.string()), human_root: z.boolean() })
      .nullable(),
    error: z.string().nullable().describe("Why it does not count"),
  }),
};

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
