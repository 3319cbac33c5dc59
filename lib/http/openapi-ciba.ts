import { z } from "zod";
import { CLIENT_ERRORS, KEY_ERRORS } from "./openapi-errors";
import type { Operation } from "./openapi-operations";

/** What an error says beside its code while a token request waits for a person. */
export const pendingMembers = {
  auth_req_id: z.string().optional().describe("Poll with it (CIBA Core §10.1)"),
  deferral_code: z.string().optional().describe("Poll with it, where the client opted in"),
  expires_in: z.int().optional().describe("Seconds until nobody can answer any more"),
  interval: z.int().optional().describe("Seconds between two polls"),
  binding_code: z.string().optional().describe("Two digits to show: the page of the question shows them too"),
  approval_url: z.url().optional().describe("Where a person answers"),
  stepup_id: z.string().optional().describe("The id of the question"),
  clarification: z
    .object({ round: z.int(), question: z.string(), answer_to: z.url() })
    .optional()
    .describe("What the person wants to know first, and where to answer"),
};

/** What is answered to a question that a person has to answer. */
export const cibaAnswers = {
  Backchannel: z.object({
    auth_req_id: z.string().describe("Poll /token with it and grant_type=urn:openid:params:grant-type:ciba"),
    expires_in: z.int().describe("Seconds"),
    interval: z.int().describe("Seconds between two polls"),
    binding_code: z.string().describe("Two digits to show: the person compares them, or types them"),
  }),
};

/** Questions to people who are somewhere else, by `METHOD path`. */
export const cibaOperations: Readonly<Record<string, Operation>> = {
  "POST /bc-authorize": {
    summary: "Ask a person who is somewhere else",
    tag: "Authorization",
    spec: "CIBA Core §7",
    also: ["RFC 9396", "RFC 9449"],
    form: "BackchannelRequest",
    answers: { 200: "Backchannel" },
    errors: [
      "invalid_request",
      ...CLIENT_ERRORS,
      "unauthorized_client",
      "invalid_scope",
      "invalid_target",
      "invalid_authorization_details",
      "unknown_user_id",
      "invalid_binding_message",
      "unmet_authentication_requirements",
      ...KEY_ERRORS,
    ],
    security: "client",
  },
};
