import { z } from "zod";
import {
  ActDecisionBody,
  ApprovalOptions,
  ApprovalsQuery,
  ConsentDecisionBody,
  StandingBounds,
} from "./approval-schemas";
import { DECIDER_ERRORS, JSON_ERRORS } from "./openapi-errors";
import type { Operation } from "./openapi-operations";

/** What the endpoints of approvals read, by the name it has in the document. */
export const approvalRequests = {
  ApprovalsQuery,
  ApprovalOptions,
  Decision: z
    .union([ActDecisionBody, ConsentDecisionBody])
    .describe("Of what an agent asks, or of what an app asks"),
  StandingForm: StandingBounds.extend({ csrf: z.string().describe("From the page whose form this is") }),
};

const instant = z.iso.datetime();

const Approval = z.object({
  id: z.string(),
  kind: z.enum(["step_up", "ciba", "issuance"]),
  status: z.enum(["pending", "approved", "denied", "expired", "cancelled", "consumed"]),
  risk: z.enum(["low", "medium", "high"]),
  quorum: z.int().describe("How many people have to say yes"),
  sentence: z.string().describe("search-bot wants to send 1 payment of 250 EUR to ACME"),
  client_id: z.string(),
  client_name: z.string(),
  requested_at: instant,
  expires_at: instant,
  approval_url: z.url(),
  decided_at: instant.optional(),
  decided_by: z.string().optional().describe("user:<id> or standing:<id>"),
  reason: z.string().optional(),
});

/** What they answer. */
export const approvalAnswers = {
  Approvals: z.object({ items: z.array(Approval), total: z.int() }),
  ShownApproval: Approval.extend({
    digest: z.string().describe("Of what is asked for: what runs after a yes has the same"),
    shown: z.looseObject({}).describe("All that the page says; what a passkey signs is made of it"),
    digest_to_sign: z.string().optional().describe("While it waits: to begin a signature with"),
  }),
  Decided: z.object({
    id: z.string(),
    status: z.enum(["approved", "denied", "pending"]).describe("pending: others have to say yes too"),
    redirect_to: z.string().optional().describe("Where the app waits for the answer"),
    standing_approval_id: z.string().optional(),
  }),
};

const person = { tag: "People", security: "decider" } as const;

/** Answering what agents ask, by `METHOD path`. */
export const approvalOperations: Readonly<Record<string, Operation>> = {
  "POST /approve/{id}/standing": {
    tag: "People",
    security: "session",
    summary: "Allow the same from now on, from the page",
    form: "StandingForm",
    answers: { 303: "redirect" },
    errors: ["invalid_request", "forbidden", "not_found", "conflict"],
  },
  "GET /approvals": {
    ...person,
    summary: "What waits for a person, and what did",
    query: "ApprovalsQuery",
    answers: { 200: "Approvals" },
    errors: ["invalid_token", "insufficient_scope", "forbidden", "validation_failed"],
  },
  "GET /approvals/{id}": {
    ...person,
    summary: "One question, with all that its page says",
    answers: { 200: "ShownApproval" },
    errors: ["invalid_token", "insufficient_scope", "forbidden", "not_found"],
  },
  "POST /approvals/{id}/options": {
    ...person,
    security: "session",
    summary: "Begin to sign a yes with a passkey",
    spec: "WebAuthn Level 3 §5.5",
    json: "ApprovalOptions",
    answers: { 200: "PublicKeyCredentialRequestOptions" },
    errors: [...JSON_ERRORS, "invalid_token", "forbidden", "not_found", "conflict"],
  },
  "POST /approvals/{id}/decision": {
    ...person,
    summary: "Say yes or no, as JSON",
    also: ["RFC 9470"],
    json: "Decision",
    answers: { 200: "Decided" },
    errors: [...JSON_ERRORS, ...DECIDER_ERRORS, "not_found", "conflict"],
  },
};
