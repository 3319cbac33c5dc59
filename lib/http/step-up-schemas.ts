import { z } from "zod";
import { isPlainText } from "@/lib/oauth/display-text";
import { isScopeToken } from "@/lib/oauth/scope";
import { isStorable } from "@/lib/oauth/storable";

const MAX_SAID_BYTES = 8192;
const MAX_SAID_DEPTH = 10;

const words = (max: number) =>
  z.string().trim().max(max).refine(isPlainText, "must be plain text, in one line");

/** What the agent says beside: shown as unverified, and put into no token. */
const said = z
  .union([z.record(z.string(), z.unknown()), z.array(z.unknown())])
  .refine((value) => isStorable(value, MAX_SAID_DEPTH), `must be JSON, ${MAX_SAID_DEPTH} levels deep at most`)
  .refine(
    (value) => Buffer.byteLength(JSON.stringify(value)) <= MAX_SAID_BYTES,
    `must have ${MAX_SAID_BYTES} bytes or fewer`,
  )
  .nullish();

/** What an agent asks a person to allow, once. */
export const NewStepUp = z
  .object({
    agent_id: z.string().min(1).max(1024).describe("The client_id of the agent, or its id; echoed as sent"),
    action: words(255).min(1).describe("In the agent's own word, such as `transfer_funds`"),
    scope: z
      .string()
      .trim()
      .max(1024)
      .refine(
        (value) => value === "" || value.split(/ +/).every(isScopeToken),
        "must be names, separated by spaces",
      )
      .default("")
      .describe("Also beyond what the agent is registered for"),
    resource: z.string().max(2048).nullish().describe("Empty or absent: this server itself"),
    authorization_details: z
      .array(z.looseObject({ type: z.string() }))
      .nullish()
      .describe("Of the types of the resource (RFC 9396 §2)"),
    delegation_chain: said.describe("As the agent tells it; the chain that the server knows is shown beside"),
    delegation_chain_snapshot: said.describe("Another name of delegation_chain"),
    metadata: said.describe("Shown to the person as unverified"),
    binding_message: words(500).nullish().describe("Why, for the person to read"),
    reason: words(500).nullish().describe("Another name of binding_message"),
    number_matching: z
      .boolean()
      .nullish()
      .describe("The person has to enter binding_code, which the agent shows them"),
    expires_in: z
      .int()
      .min(1)
      .max(86_400)
      .nullish()
      .describe("Seconds to wait for an answer; AUTHGENT_HITL_TIMEOUT at most"),
  })
  .refine(({ scope, authorization_details: details }) => scope !== "" || (details?.length ?? 0) > 0, {
    path: ["scope"],
    message: "must name what is to be allowed, unless authorization_details do",
  });

/** A person's yes. Who answers is who is signed in, whatever the body says. */
export const StepUpApproval = z.object({
  approved_by: z.unknown().optional().describe("Ignored"),
  number: z.string().max(10).optional().describe("What the agent shows, where number_matching is on"),
});

/** A person's no. */
export const StepUpDenial = z.object({
  reason: words(500).nullish().describe("For the agent to read"),
});

/** What approver and agent write to each other: one line that reads as it is stored, shown as unverified. */
export const Clarification = z.strictObject({ text: words(500).min(1) });
