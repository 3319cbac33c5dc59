import type { Context } from "@/lib/context";
import { formatScope } from "@/lib/oauth/scope";
import { approvalUrl } from "@/lib/services/approval-page";
import { type ActApproval, statusOf } from "@/lib/services/approvals";
import { openQuestion } from "@/lib/services/clarifications";
import { json } from "./json";

/** How a step-up stands, in the words of its wire: a yes stays one after its token was handed out. */
export function wireStatusOf(ctx: Context, approval: ActApproval) {
  const status = statusOf(ctx, approval);
  if (status === "consumed") return "approved";
  return status === "approved" && approval.expiresAt <= ctx.now() ? "expired" : status;
}

/** A step-up as its requester, and whoever answered it, reads it (contract of earlier clients, §1.1). */
export async function stepUpAnswer(
  ctx: Context,
  approval: ActApproval,
  more: { status?: number; token?: string | undefined; headers?: Record<string, string> } = {},
): Promise<Response> {
  const { id, act, clientId, decidedBy, decidedAt, reason, interval, bindingCode } = approval;
  const status = wireStatusOf(ctx, approval);
  const answeredAt = decidedAt?.toISOString() ?? null;
  const question = status === "pending" ? await openQuestion(ctx, id) : undefined;
  const body = {
    id,
    agent_id: act.asSent?.agentId ?? clientId,
    action: act.action ?? null,
    scope: formatScope(act.scope),
    resource: act.asSent?.resource ?? null,
    status,
    approved_by: status === "approved" ? decidedBy : null,
    approved_at: status === "approved" ? answeredAt : null,
    expires_at: approval.expiresAt.toISOString(),
    created_at: approval.createdAt.toISOString(),
    approval_url: approvalUrl(ctx, id),
    ...{ binding_code: bindingCode, interval },
    ...(act.authorizationDetails && { authorization_details: act.authorizationDetails }),
    ...(status === "denied" && { denied_by: decidedBy, denied_at: answeredAt, reason }),
    ...(question && { clarification: question }),
    ...(more.token !== undefined && { step_up_token: more.token }),
  };
  return json(body, { status: more.status ?? 200, ...(more.headers && { headers: more.headers }) });
}
