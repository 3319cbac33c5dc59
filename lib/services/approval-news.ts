import type { Context } from "@/lib/context";
import { timeOrderedUuid } from "@/lib/ids";
import { approvalUrl } from "./approval-page";
import { actInWords, sentenceOf } from "./approval-words";
import type { ActApproval, Approval } from "./approvals";
import { decidersToTell } from "./deciders";
import { enqueue, type Notification } from "./outbox";

/** Tells those whom a question concerns that it waits, within the caller's transaction. */
export async function tellOfRequest(tx: Context, approval: ActApproval): Promise<void> {
  const words = await actInWords(tx, approval);
  await enqueue(tx, {
    ...(await common(tx, approval)),
    event: "approval.requested",
    title: sentenceOf(approval.client.name, words),
    // Where the page asks for the number, only the agent may show it.
    ...(approval.bindingCode && !approval.matchNumber && { bindingCode: approval.bindingCode }),
    data: dataOf(approval),
  });
}

/** Tells what became of a question, within the caller's transaction. */
export async function tellOfOutcome(tx: Context, approval: ActApproval): Promise<void> {
  // A device learns of it when it asks next, and its person was there.
  if (approval.kind === "device") return;
  const { verb } = await actInWords(tx, approval);
  const { status, client } = approval;
  const happened = status === "expired" ? "Nobody answered in time" : `${OUTCOMES[status] ?? "Ended"}`;
  await enqueue(tx, {
    ...(await common(tx, approval)),
    event: status === "expired" ? "approval.expired" : "approval.decided",
    title: `${happened}: ${client.name} wanted to ${verb}`,
    data: dataOf(approval),
  });
}

const OUTCOMES: Partial<Record<Approval["status"], string>> = {
  approved: "Approved",
  denied: "Refused",
  cancelled: "Withdrawn",
};

type Common = Pick<
  Notification,
  "id" | "approvalId" | "expiresAt" | "requester" | "risk" | "url" | "recipients"
>;

const common = async (ctx: Context, approval: ActApproval): Promise<Common> => ({
  id: timeOrderedUuid(ctx.now()),
  approvalId: approval.id,
  expiresAt: approval.expiresAt,
  requester: approval.client.name,
  risk: approval.risk,
  url: approvalUrl(ctx, approval.id),
  recipients: await decidersToTell(ctx, approval),
});

/** For machines: what is asked and how it stands, and nothing that opens anything. */
function dataOf({ id, kind, status, clientId, act, digest, reason, decidedBy }: ActApproval) {
  const { resource, scope, authorizationDetails, subject, action } = act;
  return {
    ...{ approval_id: id, kind, status, client_id: clientId, resource, scope: scope.join(" "), digest },
    ...(subject && { sub: subject }),
    // What receivers of an earlier system read.
    ...{ agent_id: clientId, delegation_chain: act.chain, context: act.said.metadata ?? {} },
    ...(action && { action }),
    ...(authorizationDetails && { authorization_details: authorizationDetails }),
    ...(decidedBy && { decided_by: decidedBy }),
    ...(reason && { reason }),
  };
}
