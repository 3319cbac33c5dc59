import { z } from "zod";
import { KillSwitchOrder, KillSwitchQuery } from "./kill-switch-schemas";
import type { Operation } from "./openapi-operations";

const count = z.int().min(0);

/** What the kill switch reads, by the name it has in the document. */
export const killSwitchRequests = { KillSwitchQuery, KillSwitchOrder };

/** What it answers. */
export const killSwitchAnswers = {
  BlastRadius: z.object({
    state: z.enum(["active", "frozen", "dead"]).describe("Of the target, as it is now"),
    counts: z
      .object({
        access_tokens: count.describe("Its own, and those that descend from them"),
        refreshable_authorizations: count,
        grants: count,
        agents: count,
        sessions: count,
        clients: count,
        subjects: count,
      })
      .describe("Exact, however many they are"),
    access_tokens: z
      .array(
        z.object({
          jti: z.uuid(),
          client_id: z.string(),
          subject: z.string(),
          audience: z.string(),
          expires_at: z.iso.datetime(),
          depth: count.describe("How many tokens it descends from"),
        }),
      )
      .describe("The first 100, as in every list here"),
    agents: z.array(z.object({ id: z.string(), client_id: z.string(), name: z.string() })),
    clients: z.array(z.string()).describe("Who holds these tokens"),
    subjects: z.array(z.string()).describe("For whom"),
  }),
};

/** Freezing and killing, and the list that tells verifiers of it, by `METHOD path`. */
export const killSwitchOperations: Readonly<Record<string, Operation>> = {
  "GET /kill-switch": {
    tag: "Management",
    security: "operator",
    summary: "See what stopping an agent, a client, a person or a chain of tokens would end",
    query: "KillSwitchQuery",
    answers: { 200: "BlastRadius" },
    errors: ["invalid_token", "forbidden", "not_found", "validation_failed"],
  },
  "POST /kill-switch": {
    tag: "Management",
    security: "operator",
    summary: "Freeze, thaw or kill an agent, a client, a person or a chain of tokens",
    json: "KillSwitchOrder",
    answers: { 200: "BlastRadius" },
    errors: [
      "invalid_request",
      "invalid_token",
      "forbidden",
      "not_found",
      "conflict",
      "validation_failed",
      "unsupported_media_type",
    ],
  },
  "GET /.well-known/revocations": {
    tag: "Discovery",
    summary: "The signed list of tokens to refuse before they expire",
    answers: { 200: "jwt" },
    errors: [],
  },
};
