import { z } from "zod";

const code = z.string().max(100).describe("As the device shows it; case, dashes and spaces do not matter");
const subject = z
  .unknown()
  .optional()
  .describe("Taken for clients of an earlier system and never looked at: the answer is that of who sends it");

/** A person's answer to a device, as JSON (contract of earlier clients, §1.1). */
export const DeviceAnswer = z.object({
  user_code: code,
  subject,
  action: z.unknown().optional(),
  scope: z
    .array(z.string().max(200))
    .max(100)
    .optional()
    .describe("What is allowed; absent: all that is asked"),
});

/** The same where the answer is a member. */
export const DeviceCompletion = DeviceAnswer.extend({ action: z.enum(["approve", "deny"]) });
