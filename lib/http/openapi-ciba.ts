import { z } from "zod";
import type { Operation } from "./openapi-operations";

/** What is answered to a question that a person has to answer. */
export const cibaAnswers = {
  Backchannel: z.object({
    auth_req_id: z.string().describe("Poll /token with it and grant_type=urn:openid:params:grant-type:ciba"),
    expires_in: z.int().describe("Seconds"),
    interval: z.int().describe("Seconds between two polls"),
    binding_code: z.string().describe("Two digits to show: the person compares them, or types them"),
  }),
};

/** How a question stands that a person has to answer first (CIBA Core §11). */
export const POLL_ERRORS = [
  "interaction_required",
  "authorization_pending",
  "slow_down",
  "access_denied",
  "expired_token",
] as const;

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
      "invalid_client",
      "invalid_client_attestation",
      "use_fresh_attestation",
      "use_attestation_challenge",
      "unauthorized_client",
      "invalid_scope",
      "invalid_target",
      "invalid_authorization_details",
      "unknown_user_id",
      "invalid_binding_message",
      "unmet_authentication_requirements",
      "invalid_dpop_proof",
      "use_dpop_nonce",
    ],
    security: "client",
  },
};
