import { and, asc, eq, gt, inArray, isNull, notInArray, sql } from "drizzle-orm";
import { outbox } from "@/db/schema/outbox";
import { type Context, inTransaction } from "@/lib/context";
import type { Delivery, Message } from "@/lib/providers/channels/channel";
import { type Claim, idsOf, noteSending, putBack, type Row, takeDue, tellWith } from "./outbox";
import { planMessages, WINDOW } from "./outbox-plan";

/** One message to send now, by whoever claimed it and until its lease ends. */
export type Claimed = { row: Row; delivery: Delivery };

/** Takes messages that are due for one receiver, for this instance alone. */
export async function claim(ctx: Context, wanted: Claim): Promise<readonly Claimed[]> {
  if (!wanted.channel.forPeople) return (await takeDue(ctx, wanted)).map((row) => toClaimed([row]));
  return inTransaction(ctx, async (tx) => {
    const rows = await takeDue(tx, wanted);
    return rows.length === 0 ? [] : fold(tx, wanted, rows);
  });
}

/** Holds to how many messages a minute one destination gets, over all instances: what is too much becomes one, or waits. */
async function fold(tx: Context, { channel, limit }: Claim, rows: readonly Row[]): Promise<Claimed[]> {
  const now = tx.now();
  const destinations = [...new Set(rows.map(({ destination }) => destination))];
  await lockDestinations(tx, channel.name, destinations);
  const recent = await sentLately(tx, channel.name, rows, destinations);
  const leaders: Row[] = [];
  for (const destination of destinations) {
    const { messages, later, roomAt } = planMessages({
      waiting: rows.filter((row) => row.destination === destination),
      sentAt: recent.filter((sent) => sent.destination === destination).flatMap(({ at }) => at ?? []),
      limit: tx.settings.notificationRateLimit,
      now,
    });
    const first = messages.slice(0, limit - leaders.length);
    for (const [leader, ...others] of first) {
      leaders.push(leader);
      if (others.length > 0) await tellWith(tx, leader, others);
    }
    await putBack(tx, messages.slice(first.length).flat(), now);
    await putBack(tx, later, roomAt);
  }
  if (leaders.length > 0) await noteSending(tx, leaders);
  return withOthers(tx, leaders);
}

/** In one order, so that two instances wait for each other and never both. */
async function lockDestinations(
  { db }: Context,
  channel: string,
  destinations: readonly string[],
): Promise<void> {
  const names = JSON.stringify(destinations.map((destination) => `outbox ${channel} ${destination}`));
  await db.execute(sql`
    select pg_advisory_xact_lock(key) from (
      select distinct hashtextextended(name, 0) as key
      from json_array_elements_text(${names}::text::json) as name order by key
    ) keys`);
}

/** The messages of the last minute, but for those that are about to be sent. */
const sentLately = (tx: Context, channel: string, rows: readonly Row[], destinations: readonly string[]) =>
  tx.db
    .select({ destination: outbox.destination, at: outbox.attemptedAt })
    .from(outbox)
    .where(
      and(
        eq(outbox.channel, channel),
        inArray(outbox.destination, [...destinations]),
        gt(outbox.attemptedAt, new Date(tx.now().getTime() - WINDOW * 1000)),
        isNull(outbox.foldedInto),
        notInArray(outbox.id, idsOf(rows)),
      ),
    )
    .orderBy(asc(outbox.attemptedAt));

/** The messages of these rows, with all that each of them tells of. */
async function withOthers(tx: Context, leaders: readonly Row[]): Promise<Claimed[]> {
  if (leaders.length === 0) return [];
  const told = await tx.db
    .select()
    .from(outbox)
    .where(and(inArray(outbox.foldedInto, idsOf(leaders)), eq(outbox.status, "folded")))
    .orderBy(asc(outbox.id));
  return leaders.map((leader) =>
    toClaimed([leader, ...told.filter(({ foldedInto }) => foldedInto === leader.id)]),
  );
}

const toClaimed = ([row, ...others]: [Row, ...Row[]]): Claimed => ({
  row,
  delivery: {
    id: row.id,
    receiver: row.receiver,
    destination: row.destination,
    messages: [toMessage(row), ...others.map(toMessage)],
  },
});

const toMessage = ({ notificationId, event, approvalId, expiresAt, message }: Row): Message => ({
  ...message,
  id: notificationId,
  event,
  approvalId,
  expiresAt,
});
