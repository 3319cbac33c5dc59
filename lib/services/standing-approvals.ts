import type { Context } from "@/lib/context";
import type { ActApproval } from "./approvals";

/** Answers a question by what a person allowed before, if that covers it. */
export async function takeStandingApproval(
  _tx: Context,
  _approval: ActApproval,
): Promise<ActApproval | undefined> {
  return undefined;
}
