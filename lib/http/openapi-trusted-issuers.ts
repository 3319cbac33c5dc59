import type { Operation } from "./openapi-operations";

const management = { tag: "Management", security: "operator" } as const;

/** How operators say whose assertions are accepted, by `METHOD path`. */
export const trustedIssuerOperations: Readonly<Record<string, Operation>> = {
  "GET /trusted-issuers": {
    ...management,
    summary: "Whose assertions are accepted",
    answers: { 200: "TrustedIssuers" },
    errors: ["invalid_token", "forbidden"],
  },
  "POST /trusted-issuers": {
    ...management,
    summary: "Accept assertions of an issuer",
    json: "NewTrustedIssuer",
    answers: { 201: "TrustedIssuer" },
    errors: [
      "invalid_request",
      "invalid_token",
      "forbidden",
      "conflict",
      "validation_failed",
      "unsupported_media_type",
    ],
  },
  "PATCH /trusted-issuers/{id}": {
    ...management,
    summary: "Change the terms of an issuer, or suspend it",
    json: "TrustedIssuerPatch",
    answers: { 200: "TrustedIssuer" },
    errors: [
      "invalid_request",
      "invalid_token",
      "forbidden",
      "not_found",
      "validation_failed",
      "unsupported_media_type",
    ],
  },
  "DELETE /trusted-issuers/{id}": {
    ...management,
    summary: "Accept nothing more of an issuer",
    answers: { 204: "empty" },
    errors: ["invalid_token", "forbidden", "not_found"],
  },
};
