import type { Operation } from "./openapi-operations";

/** Receipts of delegations, by `METHOD path`. */
export const receiptOperations: Readonly<Record<string, Operation>> = {
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
