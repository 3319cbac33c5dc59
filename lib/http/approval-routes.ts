import { standingEndpoint } from "./act-form";
import { approvalOptionsEndpoint, getApprovalEndpoint, listApprovalsEndpoint } from "./approvals";
import type { Route } from "./call";
import { answerQuestionEndpoint, askQuestionEndpoint } from "./clarifications";
import { decisionApiEndpoint, decisionEndpoint } from "./decision";
import { decisionRecordsEndpoint } from "./decision-records";
import { getStepUpEndpoint, requestStepUpEndpoint, withdrawStepUpEndpoint } from "./step-up";
import { approveStepUpEndpoint, denyStepUpEndpoint } from "./step-up-decisions";

const person = { cors: false, errors: "page", bucket: "authorize" } as const;
const management = { cors: false, errors: "problem", bucket: "read" } as const;
/** Agents look often, and many of them from one address. */
const stepUp = {
  cors: false,
  errors: "problem",
  bucket: "resource",
  sameHeaders: ["cache-control", "www-authenticate"],
} as const;

/** What agents ask of people, and how it is answered: by form, by JSON, and as earlier systems did. */
export const approvalRoutes: readonly Route[] = [
  { path: "/approve/{id}/decision", ...person, methods: { POST: decisionEndpoint } },
  { path: "/approve/{id}/standing", ...person, methods: { POST: standingEndpoint } },
  { path: "/approvals", ...management, methods: { GET: listApprovalsEndpoint } },
  { path: "/approvals/{id}", ...management, methods: { GET: getApprovalEndpoint } },
  { path: "/approvals/{id}/options", ...management, methods: { POST: approvalOptionsEndpoint } },
  { path: "/approvals/{id}/decisions", ...management, methods: { GET: decisionRecordsEndpoint } },
  { path: "/approvals/{id}/decision", ...management, methods: { POST: decisionApiEndpoint } },
  { path: "/approvals/{id}/questions", ...management, methods: { POST: askQuestionEndpoint } },
  { path: "/stepup", ...stepUp, methods: { POST: requestStepUpEndpoint } },
  { path: "/stepup/{id}", ...stepUp, methods: { GET: getStepUpEndpoint, DELETE: withdrawStepUpEndpoint } },
  { path: "/stepup/{id}/answers", ...stepUp, methods: { POST: answerQuestionEndpoint } },
  { path: "/stepup/{id}/approve", ...management, methods: { POST: approveStepUpEndpoint } },
  { path: "/stepup/{id}/deny", ...management, methods: { POST: denyStepUpEndpoint } },
];
