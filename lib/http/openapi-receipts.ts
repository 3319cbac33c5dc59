import type { Operation } from "./openapi-operations";

/** Receipts of delegations, by `METHOD path`. */
export const receiptOperations: Readonly<Record<string, Operation>> = {
  "GET /approvals/{id}/decisions": {
    summary: "Take home who answered a question, and what they signed",
    tag: "Management",
    also: ["WebAuthn Level 3 §7.2"],
    answers: { 200: "DecisionRecords" },
    errors: ["invalid_token", "forbidden", "not_found"],
    security: "operator",
  },
  "POST /receipts": {
    summary: "Take home the proof of a token's delegations, also after it ended",
    tag: "Tokens",
    also: ["RFC 8693"],
    form: "TokenForm",
    answers: { 200: "Receipts" },
    errors: ["invalid_request", "invalid_client", "invalid_token", "not_found"],
    security: "client",
  },
};
