import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import type { DecisionRecords } from "@/lib/oauth/decision-record";
import { findApproval } from "@/lib/services/approvals";
import { mayDecide } from "@/lib/services/deciders";
import { listDecisionRecords } from "@/lib/services/decision-records";
import type { Call } from "./call";
import { json } from "./json";
import { requireOperator } from "./operator";
import { sessionOf } from "./session";

/** `GET /approvals/{id}/decisions`: who answered a question and what they signed, to be proven without this server. */
export async function decisionRecordsEndpoint(ctx: Context, call: Call): Promise<Response> {
  const id = call.params.id ?? "";
  if (!(await isDecider(ctx, call, id))) await requireOperator(ctx, call);
  const decisions = await listDecisionRecords(ctx, id);
  if (decisions.length === 0) throw new OAuthError("not_found", "Nobody answered such a question.");
  const records: DecisionRecords = {
    issuer: ctx.settings.serverUrl,
    approval_id: id,
    decisions: [...decisions],
  };
  return json(records);
}

/** Whoever may answer a question may read who did; when it is gone, the operator still may. */
async function isDecider(ctx: Context, call: Call, id: string): Promise<boolean> {
  const by = await sessionOf(ctx, call.request);
  if (!by) return false;
  const approval = await findApproval(ctx, id);
  return approval !== undefined && mayDecide(approval, by.user);
}
