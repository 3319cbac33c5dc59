import type { Context } from "@/lib/context";
import type { ActApproval } from "./approvals";

/** One message as a page shows it. */
export type ShownMessage = { from: "person" | "requester"; name: string; text: string; at: string };

/** What approver and agent wrote to each other, oldest first. */
export async function listMessages(_ctx: Context, _approval: ActApproval): Promise<readonly ShownMessage[]> {
  return [];
}

/** The question that waits for the requester's answer. */
export async function openQuestion(
  _ctx: Context,
  _approvalId: string,
): Promise<{ round: number; question: string } | undefined> {
  return undefined;
}
