import { z } from "zod";
import { CLIENT_ERRORS, DECIDER_ERRORS, JSON_ERRORS, KEY_ERRORS } from "./openapi-errors";
import type { Operation } from "./openapi-operations";
import { Clarification, NewStepUp, StepUpApproval, StepUpDenial } from "./step-up-schemas";

const instant = z.iso.datetime();

export const stepUpRequests = { NewStepUp, StepUpApproval, StepUpDenial, Clarification };

export const stepUpAnswers = {
  StepUp: z.object({
    id: z.string().describe("128 random bits"),
    agent_id: z.string().optional().describe("As it was sent"),
    action: z.string().nullable().optional(),
    scope: z.string().optional(),
    resource: z.string().nullable().optional().describe("As it was sent; null: none was"),
    status: z
      .enum(["pending", "approved", "denied", "expired", "cancelled"])
      .describe("The only member beside id for who proves nothing"),
    approved_by: z.string().nullable().optional(),
    approved_at: instant.nullable().optional(),
    expires_at: instant.optional().describe("Of a question; once it is approved, of the token to be fetched"),
    created_at: instant.optional(),
    approval_url: z.url().optional().describe("Where a person answers"),
    binding_code: z.string().optional().describe("Two digits for the agent to show"),
    interval: z.int().optional().describe("Seconds between two looks"),
    authorization_details: z.array(z.looseObject({ type: z.string() })).optional(),
    denied_by: z.string().nullable().optional(),
    denied_at: instant.nullable().optional(),
    reason: z.string().nullable().optional().describe("What who refused says"),
    clarification: z
      .object({ round: z.int(), question: z.string() })
      .optional()
      .describe("A question that waits for POST /stepup/{id}/answers"),
    step_up_token: z.string().optional().describe("Handed out once, for one use"),
  }),
  Clarified: z.object({ round: z.int().min(1).max(3) }),
};

const AGENT_ERRORS = [...CLIENT_ERRORS, "invalid_token", ...KEY_ERRORS] as const;
const PERSON_ERRORS = [...JSON_ERRORS, ...DECIDER_ERRORS, "not_found", "conflict"] as const;

const agent = { tag: "Approvals", spec: "RFC 6750 §2.1", also: ["RFC 9449"], security: "agent" } as const;
const person = { tag: "Approvals", security: "decider" } as const;

/** Asking a person for one act, by `METHOD path`. */
export const stepUpOperations: Readonly<Record<string, Operation>> = {
  "POST /stepup": {
    ...agent,
    also: [...agent.also, "RFC 9396"],
    summary: "Ask a person to allow something, once",
    json: "NewStepUp",
    answers: { 202: "StepUp" },
    errors: [
      ...JSON_ERRORS,
      ...AGENT_ERRORS,
      "invalid_scope",
      "invalid_target",
      "invalid_authorization_details",
      "forbidden",
      "not_found",
    ],
  },
  "GET /stepup/{id}": {
    ...agent,
    also: [...agent.also, "RFC 7240 §4.3"],
    summary: "How a step-up stands; for its agent with the token, once",
    answers: { 200: "StepUp" },
    errors: [...AGENT_ERRORS, "access_denied", "invalid_target", "not_found"],
  },
  "DELETE /stepup/{id}": {
    ...agent,
    summary: "Withdraw a step-up that waits",
    answers: { 200: "StepUp" },
    errors: [...AGENT_ERRORS, "invalid_target", "not_found", "conflict"],
  },
  "POST /stepup/{id}/answers": {
    ...agent,
    summary: "Answer the question of who decides",
    json: "Clarification",
    answers: { 201: "Clarified" },
    errors: [...JSON_ERRORS, ...AGENT_ERRORS, "invalid_target", "not_found", "conflict"],
  },
  "POST /stepup/{id}/approve": {
    ...person,
    summary: "Say yes to an agent, once",
    also: ["RFC 9470"],
    json: "StepUpApproval",
    isBodyOptional: true,
    answers: { 200: "StepUp" },
    errors: PERSON_ERRORS,
  },
  "POST /stepup/{id}/deny": {
    ...person,
    summary: "Say no to an agent, and why",
    json: "StepUpDenial",
    isBodyOptional: true,
    answers: { 200: "StepUp" },
    errors: PERSON_ERRORS,
  },
  "POST /approvals/{id}/questions": {
    ...person,
    summary: "Ask the agent something before deciding",
    json: "Clarification",
    answers: { 201: "Clarified" },
    errors: PERSON_ERRORS,
  },
};
