import { z } from "zod";
import { isPlainText } from "@/lib/oauth/display-text";

const id = z
  .string()
  .min(1)
  .max(2048)
  .refine((value) => !value.includes("\0"), "must have no NUL characters");

/** Tokens and answers name people and clients with a prefix (product decision D5); it may come along. */
const named = (prefix: string) => id.transform((value) => value.replace(new RegExp(`^${prefix}:`), ""));

const others = {
  agent: named("client")
    .optional()
    .describe("The id or client_id of an agent; those it made are stopped with it"),
  client: named("client").optional().describe("A client_id"),
  person: named("user").optional().describe("The id of a person, as GET /users or the sub of a token has it"),
};
const one = {
  check: (given: object) => Object.values(given).filter((value) => value !== undefined).length === 1,
  message: "must name exactly one of agent, client, person and chain",
};

/** Whom the kill switch is about, in an address: a token is nothing for one, where logs keep it; its jti is. */
export const KillSwitchQuery = z
  .strictObject({ ...others, chain: z.uuid("must be the jti of an access token").optional() })
  .refine(one.check, one.message);

/** Whom the kill switch is about. */
export const KillSwitchTarget = z
  .strictObject({
    ...others,
    chain: z.string().min(1).max(16_384).optional().describe("An access token, or its jti"),
  })
  .refine(one.check, one.message);

/** What to do to whom. */
export const KillSwitchOrder = z.strictObject({
  action: z.enum(["freeze", "thaw", "kill"]).describe("freeze holds back until thaw; kill is for good"),
  target: KillSwitchTarget,
  reason: z.string().trim().min(1).max(500).refine(isPlainText, "must be plain text").optional(),
});
