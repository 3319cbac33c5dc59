import { and, asc, eq, gt, inArray, lt, lte, min, ne, or, type SQL, sql } from "drizzle-orm";
import { outbox } from "@/db/schema/outbox";
import { type Context, inTransaction } from "@/lib/context";
import { timeOrderedUuid } from "@/lib/ids";
import { toPlainText } from "@/lib/oauth/display-text";
import type { Channel, Destination, Notification } from "@/lib/providers/channels/channel";
import { record } from "./events";

export type { Notification } from "@/lib/providers/channels/channel";

/** One message to one destination. */
export type Row = typeof outbox.$inferSelect;

/** One place that a notification is on its way to. */
export type Queued = Destination & { channel: string };

/** Characters of a sentence that is told, and of a name in it. */
const LONGEST_TITLE = 200;
const LONGEST_NAME = 100;
/** Rows of one insert. */
const BATCH = 1000;

/**
 * Queues a notification within the caller's transaction: it is told if that commits, and not if it does not. What
 * became of a request takes the place of the request where that was not told yet.
 */
export async function enqueue(tx: Context, notification: Notification): Promise<readonly Queued[]> {
  const { event, approvalId, expiresAt, risk, bindingCode, url, data } = notification;
  if (event !== "approval.requested") await dropRequests(tx, eq(outbox.approvalId, approvalId));
  const told = {
    title: toPlainText(notification.title, LONGEST_TITLE),
    requester: toPlainText(notification.requester, LONGEST_NAME),
    risk,
    ...(bindingCode ? { bindingCode } : {}),
    url,
    data,
  };
  const createdAt = tx.now();
  const common = {
    notificationId: notification.id,
    event,
    approvalId,
    expiresAt,
    createdAt,
    dueAt: createdAt,
  };
  const rows: (typeof outbox.$inferInsert)[] = [];
  for (const channel of tx.channels) {
    // People read what there is to read behind the sign-in.
    const message = channel.forPeople ? { ...told, data: {} } : told;
    for (const to of await channel.destinations(tx, notification))
      rows.push({ id: timeOrderedUuid(createdAt), ...common, channel: channel.name, ...to, message });
  }
  for (let from = 0; from < rows.length; from += BATCH)
    await tx.db
      .insert(outbox)
      .values(rows.slice(from, from + BATCH))
      .onConflictDoNothing();
  tx.defer(() => tx.courier.deliver());
  return rows;
}

const isWaiting = inArray(outbox.status, ["pending", "folded"]);

/** A request that is answered or over is not told any more; what was to be told with it is told by itself. */
async function dropRequests(tx: Context, which: SQL): Promise<void> {
  const dropped = await tx.db
    .update(outbox)
    .set({ status: "dropped", endedAt: tx.now() })
    .where(and(eq(outbox.event, "approval.requested"), isWaiting, which))
    .returning({ id: outbox.id });
  if (dropped.length === 0) return;
  const gone = tx.db.select({ id: outbox.id }).from(outbox).where(eq(outbox.status, "dropped"));
  await tx.db
    .update(outbox)
    .set({ status: "pending", foldedInto: null, dueAt: tx.now() })
    .where(and(eq(outbox.status, "folded"), inArray(outbox.foldedInto, gone)));
}

/** Drops the requests that ended before anybody was told. */
export function dropLapsed(ctx: Context): Promise<void> {
  return inTransaction(ctx, (tx) => dropRequests(tx, lte(outbox.expiresAt, tx.now())));
}

const isOf = (channels: readonly Channel[]) =>
  and(
    eq(outbox.status, "pending"),
    inArray(
      outbox.channel,
      channels.map(({ name }) => name),
    ),
  );

/** When each receiver is to be sent something next. */
export async function nextDue(
  ctx: Context,
): Promise<readonly { channel: string; receiver: string; at: Date }[]> {
  const { channel, receiver, dueAt } = outbox;
  const rows = await ctx.db
    .select({ channel, receiver, at: min(dueAt) })
    .from(outbox)
    .where(isOf(ctx.channels))
    .groupBy(channel, receiver);
  return rows.flatMap(({ at, ...to }) => (at ? [{ ...to, at }] : []));
}

/** What to take, and for how long it is this instance's. */
export type Claim = { channel: Channel; receiver: string; limit: number; leaseSeconds: number };

/**
 * Takes what is due for one receiver, for this instance alone; what a killed one took comes back when its lease ends.
 * As many rows as wanted; for people all rows of as many destinations, since those that come together are told together.
 */
export async function takeDue(
  ctx: Context,
  { channel, receiver, limit, leaseSeconds }: Claim,
): Promise<Row[]> {
  const { db } = ctx;
  const now = ctx.now();
  const isDue = and(
    eq(outbox.channel, channel.name),
    eq(outbox.receiver, receiver),
    eq(outbox.status, "pending"),
    lte(outbox.dueAt, now),
    or(ne(outbox.event, "approval.requested"), gt(outbox.expiresAt, now)),
  );
  const { destination } = outbox;
  const destinations = db
    .select({ destination })
    .from(outbox)
    .where(isDue)
    .groupBy(destination)
    .orderBy(min(outbox.dueAt))
    .limit(limit);
  const due = db
    .select({ id: outbox.id })
    .from(outbox)
    .where(channel.forPeople ? and(isDue, inArray(destination, destinations)) : isDue)
    .orderBy(outbox.dueAt, outbox.id)
    .limit(channel.forPeople ? BATCH : limit)
    .for("update", { skipLocked: true });
  const rows = await db
    .update(outbox)
    .set({ attempts: sql`${outbox.attempts} + 1`, dueAt: new Date(now.getTime() + leaseSeconds * 1000) })
    // An array is worked out once; a plan may ask a subquery again for every row, and lock more than the limit.
    .where(sql`${outbox.id} = any(array(${due}))`)
    .returning();
  return rows.sort(byId);
}

const byId = (a: Row, b: Row): number => (a.id < b.id ? -1 : 1);

/** As if these had not been taken. */
export async function putBack(tx: Context, rows: readonly Row[], dueAt: Date): Promise<void> {
  if (rows.length === 0) return;
  const attempts = sql`${outbox.attempts} - 1`;
  await tx.db
    .update(outbox)
    .set({ dueAt, attempts })
    .where(inArray(outbox.id, idsOf(rows)));
}

export const idsOf = (rows: readonly Row[]): string[] => rows.map(({ id }) => id);

/** From now on the message of one row tells of these too, and of what they told of. */
export async function tellWith(tx: Context, leader: Row, others: readonly Row[]): Promise<void> {
  const ids = idsOf(others);
  await tx.db
    .update(outbox)
    .set({ status: "folded", foldedInto: leader.id })
    .where(and(or(inArray(outbox.id, ids), inArray(outbox.foldedInto, ids)), isWaiting));
}

/** From now on the messages of these rows count for the limit of their destination. */
export async function noteSending(tx: Context, rows: readonly Row[]): Promise<void> {
  await tx.db
    .update(outbox)
    .set({ attemptedAt: tx.now() })
    .where(inArray(outbox.id, idsOf(rows)));
}

const isTold = (id: string) => and(or(eq(outbox.id, id), eq(outbox.foldedInto, id)), isWaiting);

/** Notes how a message ended that needs no further try. */
export async function noteOutcome(ctx: Context, { id }: Row, status: "delivered" | "dropped"): Promise<void> {
  await ctx.db.update(outbox).set({ status, endedAt: ctx.now(), lastError: null }).where(isTold(id));
}

/** Notes a try that failed, and when the next one is; an instance that took over meanwhile decides that itself. */
export async function noteFailure(
  ctx: Context,
  { id, attempts }: Row,
  lastError: string,
  dueAt: Date,
): Promise<void> {
  await ctx.db
    .update(outbox)
    .set({ lastError, dueAt })
    .where(and(eq(outbox.id, id), eq(outbox.attempts, attempts), eq(outbox.status, "pending")));
}

/** Gives a message up, and says so in the audit trail. */
export function giveUp(ctx: Context, { id, channel, attempts }: Row, lastError: string): Promise<void> {
  return inTransaction(ctx, async (tx) => {
    const failed = await tx.db
      .update(outbox)
      .set({ status: "failed", endedAt: tx.now(), lastError })
      .where(isTold(id))
      .returning({ approvalId: outbox.approvalId });
    if (failed.length === 0) return;
    const approvals = failed.map(({ approvalId }) => approvalId);
    const data = { channel, delivery: id, attempts, error: lastError, approvals };
    await record(tx, { type: "notification.failed", actor: "system", data });
  });
}

/** How a notification stands at every place it went to. */
export const listDeliveries = (ctx: Context, notificationId: string): Promise<Row[]> =>
  ctx.db
    .select()
    .from(outbox)
    .where(eq(outbox.notificationId, notificationId))
    .orderBy(asc(outbox.id))
    .limit(BATCH);

/** Days after which nothing is left of a notification. */
const KEPT_DAYS = 7;
/** What could not be delivered for a day is news no more. */
const STALE_DAYS = 1;

/** Gives up what is too old, and removes what is older still. */
export async function pruneOutbox(ctx: Context): Promise<void> {
  const daysAgo = (days: number) => new Date(ctx.now().getTime() - days * 86_400_000);
  await dropLapsed(ctx);
  const stale = await ctx.db
    .select()
    .from(outbox)
    .where(and(eq(outbox.status, "pending"), lt(outbox.createdAt, daysAgo(STALE_DAYS))))
    .limit(BATCH);
  for (const row of stale) await giveUp(ctx, row, row.lastError ?? "not deliverable for a day");
  await ctx.db.delete(outbox).where(lt(outbox.createdAt, daysAgo(KEPT_DAYS)));
}
