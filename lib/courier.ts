import { createBreaker } from "./breaker";
import type { Context } from "./context";
import { OutboundError } from "./outbound/public-fetch";
import { type Channel, DeliveryError } from "./providers/channels/channel";
import { dropLapsed, giveUp, nextDue, noteFailure, noteOutcome } from "./services/outbox";
import { type Claimed, claim } from "./services/outbox-claims";
import { nextWait } from "./services/outbox-plan";

/** Delivers what the outbox holds. Each instance has one, and any number of them share the work. */
export type Courier = {
  /** Starts on everything that is due, and resolves when it was tried. */
  deliver(): Promise<void>;
  /** Begins nothing more; what is on its way ends by itself. */
  stop(): void;
};

/** Rings at a time, and forgets the time before; undefined: not at all. */
export type Alarm = (at: Date | undefined, ring: () => void) => void;

/** Seconds in which a message is delivered and that noted, or another instance tries; channels take 20 at most. */
const LEASE = 30;
/** Messages under way to one receiver. */
const AT_ONCE = 8;
/** Receivers of one channel that are served at once: those of push services are strangers' to choose. */
const LANES = 8;
/** Seconds until the next look after the database did not answer. */
const DATABASE_REST = 5;
/** Milliseconds between two looks at what could not be started on. */
const SHORTEST_REST = 250;

/** One receiver that is being served. */
type Lane = {
  channel: string;
  /** There may be more for it now, or room for more. */
  look(): void;
};

export function createCourier(context: () => Context, alarm: Alarm): Courier {
  const lanes = new Map<string, Lane>();
  const breaker = createBreaker();
  let isStopped = false;
  let looks = 0;

  async function deliver(): Promise<void> {
    const ctx = context();
    try {
      await dropLapsed(ctx);
      const due = (await nextDue(ctx)).filter(({ at }) => at <= ctx.now());
      const started = due.flatMap(({ channel, receiver }) => start(ctx, channel, receiver));
      if (started.length === 0) await setAlarm(ctx);
      await Promise.all(started);
    } catch (error) {
      ctx.log.warn("outbox not delivered", { error });
      looks += 1;
      if (!isStopped) alarm(new Date(ctx.now().getTime() + DATABASE_REST * 1000), ring);
    }
  }

  /** Serves a receiver, unless it is being served or does not answer. */
  function start(ctx: Context, name: string, receiver: string): Promise<void>[] {
    const place = `${name} ${receiver}`;
    const busy = lanes.get(place);
    busy?.look();
    const channel = ctx.channels.find((one) => one.name === name);
    const isFull = [...lanes.values()].filter((lane) => lane.channel === name).length >= LANES;
    if (busy || !channel || isFull || roomAt(ctx, place) === 0) return [];
    const lane: Lane = { channel: name, look: () => undefined };
    lanes.set(place, lane);
    return [
      serve(ctx, channel, receiver, lane)
        .finally(() => lanes.delete(place))
        .then(() => setAlarm(ctx)),
    ];
  }

  /** How many messages may be under way to a receiver. */
  function roomAt(ctx: Context, place: string): number {
    if (isStopped || breaker.restsUntil(place, ctx.now())) return 0;
    return breaker.isDoubtful(place) ? 1 : AT_ONCE;
  }

  async function serve(ctx: Context, channel: Channel, receiver: string, lane: Lane): Promise<void> {
    const place = `${channel.name} ${receiver}`;
    const underWay = new Set<Promise<void>>();
    let isAsked = true;
    let wake = () => {};
    lane.look = () => {
      isAsked = true;
      wake();
    };
    while (isAsked || underWay.size > 0) {
      isAsked = false;
      const limit = roomAt(ctx, place) - underWay.size;
      const messages = limit > 0 ? await claim(ctx, { channel, receiver, limit, leaseSeconds: LEASE }) : [];
      for (const message of messages) {
        const sending = send(ctx, channel, place, message).finally(() => {
          underWay.delete(sending);
          lane.look();
        });
        underWay.add(sending);
      }
      if (!isAsked && underWay.size > 0) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  }

  async function send(ctx: Context, channel: Channel, place: string, message: Claimed): Promise<void> {
    try {
      const outcome = await outcomeOf(ctx, channel, message);
      if ("error" in outcome) await failed(ctx, channel, place, { ...message, ...outcome });
      else {
        breaker.succeeded(place);
        await noteOutcome(ctx, message.row, outcome.status);
      }
    } catch (error) {
      // It is tried again when its lease ends, by whoever can write that down.
      ctx.log.warn("delivery not noted", { delivery: message.row.id, error });
    }
  }

  async function failed(
    ctx: Context,
    channel: Channel,
    place: string,
    { row, error }: { row: Claimed["row"]; error: unknown },
  ): Promise<void> {
    const { alone, final, retryAfter } = error instanceof DeliveryError ? error.refusal : {};
    // Who says no to one message has answered.
    if (!alone && !final) breaker.failed(place, ctx.now());
    const { attempts } = row;
    const wait = final
      ? undefined
      : nextWait(channel.backoff(ctx.settings), { attempts, retryAfter, chance: Math.random() });
    const fields = { channel: channel.name, delivery: row.id, attempts, error: inOurWords(error) };
    ctx.log[wait === undefined ? "warn" : "info"]("delivery failed", fields);
    if (!isExpected(error)) ctx.log.error("unexpected error", { error });
    if (wait === undefined) await giveUp(ctx, row, inOurWords(error));
    else await noteFailure(ctx, row, inOurWords(error), new Date(ctx.now().getTime() + wait));
    await setAlarm(ctx);
  }

  async function setAlarm(ctx: Context): Promise<void> {
    looks += 1;
    const look = looks;
    const due = await nextDue(ctx);
    // A later look knows more, and may have been answered before.
    if (look !== looks) return;
    const now = ctx.now();
    const times = due.flatMap(({ channel, receiver, at }) => {
      const place = `${channel} ${receiver}`;
      const rests = breaker.restsUntil(place, now);
      const next = Math.max(at.getTime(), rests?.getTime() ?? 0);
      // Who is being served gets what is due as soon as there is room.
      return lanes.has(place) && next <= now.getTime() ? [] : [next];
    });
    const next = Math.max(Math.min(...times), now.getTime() + SHORTEST_REST);
    alarm(times.length > 0 && !isStopped ? new Date(next) : undefined, ring);
  }

  const ring = () => context().defer(deliver);

  return {
    deliver,
    stop() {
      isStopped = true;
      alarm(undefined, ring);
    },
  };
}

/** What came of a message; whatever stops it is a reason to try again. */
async function outcomeOf(
  ctx: Context,
  channel: Channel,
  { delivery }: Claimed,
): Promise<{ status: "delivered" | "dropped" } | { error: unknown }> {
  try {
    return { status: (await channel.send(ctx, delivery)) === "delivered" ? "delivered" : "dropped" };
  } catch (error) {
    return { error };
  }
}

const isExpected = (error: unknown): error is Error =>
  error instanceof DeliveryError || error instanceof OutboundError;

/** What the operator is told; what receivers and libraries say is for the log at most. */
const inOurWords = (error: unknown): string =>
  (isExpected(error) ? error.message : "could not be sent").slice(0, 200);
