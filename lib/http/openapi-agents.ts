import { z } from "zod";
import { AgentPatch, AgentsQuery, NewAgent } from "./agent-schemas";
import type { Operation } from "./openapi-operations";

/** What the agent registry reads, by the name it has in the document. */
export const agentRequests = { NewAgent, AgentPatch, AgentsQuery };

const instant = z.iso.datetime();

const Agent = z.object({
  id: z.string().describe("A ULID"),
  uuid: z.uuid(),
  client_id: z.string(),
  oauth_client_id: z.string().describe("The same as client_id"),
  name: z.string(),
  description: z.string().nullable(),
  owner: z.string().nullable(),
  parent_agent: z.string().nullable().describe("The id of the agent it is stopped with"),
  allowed_scopes: z.array(z.string()),
  capabilities: z.array(z.string()),
  allowed_exchange_targets: z.array(z.string()),
  may_act: z.array(z.string()),
  status: z.enum(["active", "frozen", "inactive"]),
  token_endpoint_auth_method: z.string(),
  jwks: z.looseObject({}).optional(),
  jwks_uri: z.string().optional(),
  dpop_bound_access_tokens: z.boolean().optional(),
  metadata: z.record(z.string(), z.unknown()),
  agent_type: z.string().nullable(),
  agent_model: z.string().nullable(),
  agent_version: z.string().nullable(),
  agent_provider: z.string().nullable(),
  attestation_level: z.enum(["none", "self", "verified", "hardware"]),
  created_at: instant,
  updated_at: instant,
});

/** What it answers. */
export const agentAnswers = {
  Agent,
  CreatedAgent: Agent.extend({
    client_secret: z
      .string()
      .optional()
      .describe("Shown here, once; none where it signs with a key of its own"),
  }),
  Agents: z.object({
    items: z.array(Agent),
    total: z.int(),
    offset: z.int(),
    limit: z.int(),
    next_cursor: z.string().nullable().describe("Send it as cursor; null: this is the last page"),
  }),
};

const one = {
  tag: "Management",
  security: "operator",
  answers: { 200: "Agent" },
  errors: ["invalid_token", "forbidden", "not_found", "conflict"],
} as const;

/** The agent registry, by `METHOD path`. */
export const agentOperations: Readonly<Record<string, Operation>> = {
  "GET /agents": {
    ...one,
    summary: "Agents, newest first: all of them for an admin, else those of the person",
    query: "AgentsQuery",
    answers: { 200: "Agents" },
    errors: ["invalid_token", "forbidden", "validation_failed"],
  },
  "POST /agents": {
    ...one,
    summary: "Register an agent and its client; in local mode without a credential",
    json: "NewAgent",
    answers: { 201: "CreatedAgent" },
    errors: [
      "invalid_request",
      "invalid_token",
      "forbidden",
      "conflict",
      "validation_failed",
      "unsupported_media_type",
    ],
  },
  "GET /agents/{id}": { ...one, summary: "One agent", errors: ["invalid_token", "forbidden", "not_found"] },
  "PATCH /agents/{id}": {
    ...one,
    summary: "Change what is said of an agent, or whether it runs",
    json: "AgentPatch",
    errors: [...one.errors, "invalid_request", "validation_failed", "unsupported_media_type"],
  },
  "DELETE /agents/{id}": {
    ...one,
    summary: "Stop an agent, what it holds and all that descends from it; it stays in the registry",
  },
  "POST /agents/{id}/secret": {
    ...one,
    summary: "Give an agent a new secret, with the one before good for a while",
    json: "SecretRotation",
    answers: { 200: "RotatedSecret" },
    errors: [...one.errors, "invalid_request", "validation_failed", "unsupported_media_type"],
  },
  "POST /agents/{id}/reactivate": {
    ...one,
    summary: "Let a stopped agent run again; what it held before stays dead",
  },
};
