import type { Context } from "@/lib/context";
import { type Handle, handleOf } from "@/lib/services/approval-handles";
import type { ActApproval } from "@/lib/services/approvals";

/**
 * What a client is told that has to wait for a person: what to poll with, until when and how often, and the digits that
 * the page shows too (CIBA Core §7.3).
 */
export const acknowledgement = (ctx: Context, approval: ActApproval, handle: Handle) => ({
  [handle]: handleOf(ctx, approval.id, handle),
  expires_in: Math.max(1, Math.floor((approval.expiresAt.getTime() - ctx.now().getTime()) / 1000)),
  interval: approval.interval,
  binding_code: approval.bindingCode,
});
