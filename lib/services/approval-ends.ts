import { eq } from "drizzle-orm";
import { approvals } from "@/db/schema/approvals";
import { type Context, inTransaction } from "@/lib/context";
import { tellOfOutcome } from "./approval-news";
import {
  type ActApproval,
  consumeApproval,
  endApprovalsOf,
  expireApprovals,
  isAct,
  settleApproval,
} from "./approvals";
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
    await tellCancelled(tx, cancelled, { actor: `client:${clientId}`, address });
    return cancelled;
  });
}

type By = { actor: string; address?: string | undefined };

/** Takes back what clients asked that were stopped for good, or are gone: nobody needs to answer that any more. */
export async function cancelQuestionsOf(tx: Context, clientIds: readonly string[], by: By): Promise<void> {
  for (const ended of await endApprovalsOf(tx, clientIds))
    if (isAct(ended)) await tellCancelled(tx, ended, by);
}

async function tellCancelled(tx: Context, cancelled: ActApproval, { actor, address }: By): Promise<void> {
  const { id, clientId, kind, digest } = cancelled;
  await record(tx, {
    type: "approval.cancelled",
    actor,
    subject: `approval:${id}`,
    clientId,
    data: { kind, digest },
    address,
  });
  await tellOfOutcome(tx, cancelled);
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
