import { eq } from "drizzle-orm";
import { approvals } from "@/db/schema/approvals";
import { type Context, inTransaction } from "@/lib/context";
import type { AuthorizationDetail } from "@/lib/oauth/authorization-details";
import {
  type ActApproval,
  type Approval,
  claimApproval,
  findApproval,
  isAct,
  lockApproval,
  noteApproval,
  settleApproval,
  statusOf,
} from "./approvals";
import { findByUserCode } from "./device-codes";
import { record } from "./events";
import { extendGrant } from "./grants";
import type { Answerer } from "./sessions";

/** How a device's question stands for a person. */
export type DeviceView =
  | { state: "unknown" | "not_yours" | "expired" }
  | { state: "answered"; approval: ActApproval }
  | { state: "open"; approval: ActApproval };

/** Makes the question behind a user code this person's own, who typed it first: nobody else answers it (RFC 8628 §5.4). */
export async function claimDevice(
  ctx: Context,
  { userCode, userId }: { userCode: string; userId: string },
): Promise<DeviceView> {
  const approval = await findByUserCode(ctx, userCode);
  const view = viewOf(ctx, approval && { ...approval, userId: approval.userId ?? userId }, userId);
  if (view.state !== "open") return view;
  const claimed = await claimApproval(ctx, { id: view.approval.id, userId });
  return claimed && isAct(claimed) ? { state: "open", approval: claimed } : { state: "not_yours" };
}

/** A device's question for the person who typed its code; for everybody else it is not theirs. */
export const openDevice = async (
  ctx: Context,
  { id, userId }: { id: string; userId: string },
): Promise<DeviceView> => viewOf(ctx, await findApproval(ctx, id), userId);

function viewOf(ctx: Context, approval: Approval | undefined, userId: string): DeviceView {
  if (approval?.kind !== "device" || !isAct(approval)) return { state: "unknown" };
  if (approval.userId !== userId) return { state: "not_yours" };
  const status = statusOf(ctx, approval);
  if (status === "expired" || status === "cancelled") return { state: "expired" };
  return { state: status === "pending" ? "open" : "answered", approval };
}

type Decision = {
  id: string;
  by: Answerer;
  /** Scopes the person allows, of those the device asks for; undefined: the person refuses. */
  allow: readonly string[] | undefined;
  /** What they allow of the authorization details that were asked for; absent: none were. */
  details?: readonly AuthorizationDetail[] | undefined;
  /** Seconds until the device has to be connected anew. */
  lasts: number;
  address?: string | undefined;
};

/** Takes a person's answer to a device, once: the first answer stands. A yes is their grant for its app. */
export function decideDevice(
  ctx: Context,
  { id, by, allow, details, lasts, address }: Decision,
): Promise<"approved" | "denied" | "too_late"> {
  const { user, session } = by;
  return inTransaction(ctx, async (tx) => {
    const asked = await lockApproval(tx, id);
    if (!asked || !isAct(asked)) return "too_late";
    const settled = await settleApproval(tx, id, {
      status: allow ? "approved" : "denied",
      answer: {
        ...{ decidedBy: `user:${user.id}`, authTime: session.authTime, amr: session.amr },
        ...(allow && {
          grantedScope: [...allow],
          grantedDetails: details ? [...details] : null,
          act: { ...asked.act, lasts },
        }),
      },
      where: eq(approvals.userId, user.id),
    });
    if (!settled) return "too_late";
    const { clientId, digest } = settled;
    const { resource, scope } = asked.act;
    const event = { actor: `user:${user.id}`, subject: `approval:${id}`, clientId, address };
    const data = { kind: "device", digest, resource, scope };
    if (!allow) {
      await record(tx, { ...event, type: "approval.denied", data });
      return "denied";
    }
    const grant = await extendGrant(tx, { userId: user.id, clientId, resource }, allow);
    await noteApproval(tx, id, { grantId: grant.id });
    await record(tx, {
      ...event,
      type: "approval.approved",
      data: { ...data, allowed: [...allow], grant: grant.id, lasts },
    });
    return "approved";
  });
}
