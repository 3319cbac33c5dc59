import { z } from "zod";
import { isPlainText } from "@/lib/oauth/display-text";
import { SignedAssertion } from "./passkey-schemas";

/** The most that a person can allow at once from now on. */
export const MAX_USES = 100;
export const MAX_DAYS = 30;

/** Which questions a list is of. */
export const ApprovalsQuery = z.object({
  status: z
    .enum(["pending", "past"])
    .default("pending")
    .describe("What waits for the person, or what they could have answered and is over"),
});

/** What a page shows, for the passkey that is to sign it. */
export const ApprovalOptions = z.strictObject({
  digest: z.string().max(64).describe("Of what the page shows, as the page carries it: digest_to_sign"),
});

/** How long a standing approval lasts. */
export const StandingBounds = z.strictObject({
  uses: z.int().min(1).max(MAX_USES),
  days: z.int().min(1).max(MAX_DAYS),
});

/** A person's answer to what an agent asks. */
export const ActDecisionBody = z
  .strictObject({
    decision: z.enum(["approve", "allow", "deny"]).describe("allow is another word for approve"),
    reason: z
      .string()
      .trim()
      .min(1)
      .max(500)
      .refine(isPlainText, "must be plain text")
      .optional()
      .describe("Why not, for whoever asked to read"),
    number: z.string().max(10).optional().describe("What the agent shows, where the page asks for it"),
    credential: SignedAssertion.optional().describe("What a passkey signed, where the risk is high"),
    standing: StandingBounds.optional().describe("Allow the same from now on, so many times in so many days"),
  })
  .refine(({ decision, standing }) => decision !== "deny" || standing === undefined, {
    path: ["standing"],
    message: "goes with approve only",
  });

/** A person's answer to what an app asks. */
export const ConsentDecisionBody = z.strictObject({
  decision: z.enum(["allow", "deny"]),
  scope: z.array(z.string().max(200)).max(100).optional(),
  authorization_details: z
    .array(z.int().nonnegative())
    .max(20)
    .optional()
    .describe("The allowed ones of the request, by their place in it, from 0; absent: all"),
});
