import { type Context, inTransaction } from "@/lib/context";
import { type ActApproval, isAct, lockApproval, noteApproval, statusOf } from "./approvals";

/** By how many seconds the interval grows with each poll that comes too soon (RFC 8628 §3.5). */
const SLOWER_BY = 5;

type Poll = {
  id: string;
  clientId: string;
  /** Thumbprint of the key that the poll proves to hold. */
  jkt: string | undefined;
  /** Seconds that the client is willing to wait for the answer to this poll. */
  wait?: number | undefined;
};

/** What one poll finds; `unknown` also covers another client's question, and one that was used. */
export type PollResult =
  | { status: "unknown" | "another_key" | "pending" | "expired" | "cancelled" }
  | { status: "denied"; reason: string | null }
  | { status: "too_fast"; interval: number }
  | { status: "approved"; approval: ActApproval };

/**
 * Looks at a question for the client that polls with it, and remembers when it did, for all instances (RFC 8628 §3.5,
 * CIBA Core §7.3). With `wait` the answer comes when there is one, or when that time is over: waiting costs the
 * database nothing.
 */
export async function pollApproval(ctx: Context, poll: Poll): Promise<PollResult> {
  const { found, ...first } = await look(ctx, poll, true);
  if (found.status !== "pending" || !poll.wait) return found;
  await untilNews(ctx, { id: poll.id, ...first }, poll.wait);
  return (await look(ctx, poll, false)).found;
}

/** Waits until something happens to an open question, or its time is over; so many seconds at most. */
export async function untilNews(
  { now, waiting }: Context,
  { id, changedAt, expiresAt }: Pick<ActApproval, "id" | "changedAt" | "expiresAt">,
  seconds: number,
): Promise<void> {
  // That the time is over is no change that anybody writes down at once.
  const left = expiresAt.getTime() - now().getTime();
  await waiting.until(id, Math.min(seconds * 1000, left), changedAt);
}

type Look = { found: PollResult } & Pick<ActApproval, "changedAt" | "expiresAt">;

const look = (ctx: Context, { id, clientId, jkt }: Poll, isCounted: boolean): Promise<Look> =>
  inTransaction(ctx, async (tx) => {
    const approval = await lockApproval(tx, id);
    if (!approval || !isAct(approval) || approval.clientId !== clientId)
      return { found: { status: "unknown" }, changedAt: null, expiresAt: tx.now() };
    const { changedAt, expiresAt } = approval;
    // Whoever has only seen the code go by must not slow its client down.
    if (approval.act.jkt !== undefined && approval.act.jkt !== jkt)
      return { found: { status: "another_key" }, changedAt, expiresAt };
    const tooFast = isCounted && isTooFast(tx.now(), approval);
    const interval = approval.interval + (tooFast ? SLOWER_BY : 0);
    // "the interval MUST be increased by 5 seconds for this and all subsequent requests"
    // Who has waited for the answer may ask again at once.
    await noteApproval(tx, id, { polledAt: isCounted ? tx.now() : null, interval });
    const found = tooFast ? ({ status: "too_fast", interval } as const) : judge(tx, approval);
    return { found, changedAt, expiresAt };
  });

const isTooFast = (now: Date, { polledAt, interval }: ActApproval): boolean =>
  polledAt !== null && now.getTime() - polledAt.getTime() < interval * 1000;

function judge(ctx: Context, approval: ActApproval): PollResult {
  const status = statusOf(ctx, approval);
  switch (status) {
    case "approved":
      return approval.expiresAt <= ctx.now() ? { status: "expired" } : { status, approval };
    case "denied":
      return { status, reason: approval.reason };
    case "consumed":
      return { status: "unknown" };
    case "pending":
    case "expired":
    case "cancelled":
      return { status };
  }
}
