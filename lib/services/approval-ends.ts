import { eq } from "drizzle-orm";
import { approvals } from "@/db/schema/approvals";
import { type Context, inTransaction } from "@/lib/context";
import { tellOfOutcome } from "./approval-news";
import { type ActApproval, consumeApproval, expireApprovals, isAct, settleApproval } from "./approvals";
import { record } from "./events";

/** Writes down which questions nobody answered in time, and tells those who waited. */
export function expireLapsed(ctx: Context): Promise<void> {
  return inTransaction(ctx, async (tx) => {
    for (const approval of await expireApprovals(tx)) {
      if (!isAct(approval)) continue;
      await record(tx, {
        type: "approval.expired",
        actor: "system",
        subject: `approval:${approval.id}`,
        clientId: approval.clientId,
        data: { kind: approval.kind, digest: approval.digest },
      });
      await tellOfOutcome(tx, approval);
    }
  });
}

/** Takes a question back that its client put; undefined: it was answered, is over, or is another client's. */
export function cancelAct(
  ctx: Context,
  { id, clientId, address }: { id: string; clientId: string; address: string },
): Promise<ActApproval | undefined> {
  return inTransaction(ctx, async (tx) => {
    const cancelled = await settleApproval(tx, id, {
      status: "cancelled",
      where: eq(approvals.clientId, clientId),
    });
    if (!cancelled || !isAct(cancelled)) return undefined;
    await record(tx, {
      type: "approval.cancelled",
      actor: `client:${clientId}`,
      subject: `approval:${id}`,
      clientId,
      data: { kind: cancelled.kind, digest: cancelled.digest },
      address,
    });
    await tellOfOutcome(tx, cancelled);
    return cancelled;
  });
}

/** Uses a yes up for one token; false: another was first, or the time that it was good for is over. */
export async function spendApproval(
  tx: Context,
  { id, kind, clientId, digest }: ActApproval,
  { jti, address }: { jti: string; address: string | undefined },
): Promise<boolean> {
  if (!(await consumeApproval(tx, id))) return false;
  await record(tx, {
    type: "approval.consumed",
    actor: `client:${clientId}`,
    subject: `approval:${id}`,
    clientId,
    data: { kind, digest, jti },
    address,
  });
  return true;
}
