import { z } from "zod";
import { isPlainText } from "@/lib/oauth/display-text";
import { isScopeToken } from "@/lib/oauth/scope";
import { isStorable } from "@/lib/oauth/storable";
import { GRANT_TYPES } from "@/lib/oauth/token-types";
import { checkChanges, checkKeys, keyMembers } from "./key-schemas";

const words = (max: number) => z.string().trim().max(max).refine(isPlainText, "must be plain text");
const name = words(255).min(1);
/** Text that may be left out; empty is none. */
const text = (max: number) =>
  words(max)
    .transform((value) => value || null)
    .nullable()
    .optional();

const Scope = z
  .string()
  .max(200)
  .refine(isScopeToken, "must be a scope name: no spaces, quotes or backslashes");
const each = (values: string[]) => [...new Set(values)];

const MAX_METADATA_BYTES = 8192;
const MAX_METADATA_DEPTH = 10;

const Metadata = z
  .record(z.string(), z.unknown())
  .refine(
    (value) => isStorable(value, MAX_METADATA_DEPTH),
    "must be JSON of whole characters, 10 levels deep",
  )
  .refine(
    (value) => Buffer.byteLength(JSON.stringify(value)) <= MAX_METADATA_BYTES,
    `must have ${MAX_METADATA_BYTES} bytes or fewer`,
  )
  .describe("What you keep with the agent; it is trusted by nobody and never put into a token");

const said = {
  description: text(1000),
  owner: text(255).describe("A label; who may manage the agent is the person who registered it"),
  allowed_scopes: z
    .array(Scope)
    .max(100)
    .transform(each)
    .optional()
    .describe("The most it may ever be given; without any it has none"),
  capabilities: z.array(words(200).min(1)).max(100).optional(),
  allowed_exchange_targets: z
    .array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,1024}$/, "must be an audience: no spaces or quotes"))
    .max(100)
    .optional()
    .describe("Bounds every exchange of a token issued to it; empty: no bound of its own"),
  may_act: z
    .array(z.string().min(1).max(1024))
    .max(100)
    .optional()
    .describe("The client_id of each client that may act with its tokens; empty: decided by audience"),
  metadata: Metadata.optional(),
  agent_type: text(255),
  agent_model: text(255),
  agent_version: text(255),
  agent_provider: text(255),
};

const AUTH_METHODS = ["client_secret_post", "client_secret_basic", "private_key_jwt"] as const;

const GRANTS = [
  "client_credentials",
  "refresh_token",
  GRANT_TYPES.tokenExchange,
  GRANT_TYPES.jwtBearer,
  GRANT_TYPES.deviceCode,
] as const;

const members = z.strictObject({
  name,
  ...said,
  ...keyMembers,
  token_endpoint_auth_method: z
    .enum(AUTH_METHODS)
    .default("client_secret_post")
    .describe("private_key_jwt: it signs with a key of its own, and there is no secret"),
  grant_types: z
    .array(z.enum(GRANTS))
    .min(1)
    .max(GRANTS.length)
    .transform(each)
    .optional()
    .describe("How it gets tokens; absent: all but the device code, which is among them in local mode"),
  parent_agent: z
    .string()
    .min(1)
    .max(200)
    .nullable()
    .optional()
    .describe("The id or client_id of the active agent it is made by or for: stopped with it"),
  attestation: z
    .record(z.string(), z.unknown())
    .nullable()
    .optional()
    .describe("Evidence for what it says of itself, for this server's attestation service"),
});

export const NewAgent = members.superRefine((agent, issues) => {
  // What is wrong already is told by itself.
  if (issues.issues.length > 0) return;
  const { token_endpoint_auth_method: method, jwks, jwks_uri } = agent;
  checkKeys(agent, method, issues);
  if (method === "private_key_jwt" || (!jwks && !jwks_uri)) return;
  const message = "must be private_key_jwt for an agent with keys";
  issues.addIssue({ code: "custom", path: ["token_endpoint_auth_method"], message });
});

/** What may be changed of an agent; a list or keys replace those before, null takes a text away. */
export const AgentPatch = z
  .strictObject({
    name: name.optional(),
    ...said,
    ...keyMembers,
    status: z.enum(["active", "inactive"]).optional(),
  })
  .superRefine(checkChanges)
  .meta({ minProperties: 1 });

export const AgentsQuery = z.object({
  offset: z.coerce.number().int().min(0).max(1_000_000).default(0),
  limit: z.coerce.number().int().min(1).max(100).default(20),
  cursor: z
    .string()
    .regex(/^[0-9A-HJKMNP-TV-Z]{26}$/, "must be the next_cursor of an answer")
    .optional()
    .describe("next_cursor of the page before: pages stay as they are while agents are added"),
  status: z.enum(["active", "frozen", "inactive"]).optional(),
  owner: words(255).optional().describe("The label given as owner"),
});
