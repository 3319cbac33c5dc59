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

/** One receiver that is being served; `again`: there may be more for it since it was last asked about. */
type Lane = { channel: string; again: boolean };

export function createCourier(context: () => Context, alarm: Alarm): Courier {
  const lanes = new Map<string, Lane>();
  const breaker = createBreaker();
  let isStopped = false;

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
      if (!isStopped) alarm(new Date(ctx.now().getTime() + DATABASE_REST * 1000), ring);
    }
  }

  /** Serves a receiver, unless it is being served or does not answer. */
  function start(ctx: Context, name: string, receiver: string): Promise<void>[] {
    const key = `${name} ${receiver}`;
    const busy = lanes.get(key);
    if (busy) busy.again = true;
    const channel = ctx.channels.find((one) => one.name === name);
    const isFull = [...lanes.values()].filter((lane) => lane.channel === name).length >= LANES;
    if (busy || !channel || isFull || isStopped || breaker.restsUntil(key, ctx.now())) return [];
    const lane = { channel: name, again: true };
    lanes.set(key, lane);
    return [
      serve(ctx, channel, receiver, lane)
        .finally(() => lanes.delete(key))
        .then(() => setAlarm(ctx)),
    ];
  }

  async function serve(ctx: Context, channel: Channel, receiver: string, lane: Lane): Promise<void> {
    const key = `${channel.name} ${receiver}`;
    while (lane.again) {
      lane.again = false;
      if (isStopped || breaker.restsUntil(key, ctx.now())) return;
      const limit = breaker.isDoubtful(key) ? 1 : AT_ONCE;
      const messages = await claim(ctx, { channel, receiver, limit, leaseSeconds: LEASE });
      await Promise.all(messages.map((message) => send(ctx, channel, key, message)));
      if (messages.length > 0) lane.again = true;
    }
  }

  async function send(
    ctx: Context,
    channel: Channel,
    key: string,
    { row, delivery }: Claimed,
  ): Promise<void> {
    let status: "delivered" | "dropped";
    try {
      status = (await channel.send(ctx, delivery)) === "delivered" ? "delivered" : "dropped";
    } catch (error) {
      await failed(ctx, channel, key, { row, error });
      return;
    }
    breaker.succeeded(key);
    await noteOutcome(ctx, row, status);
  }

  async function failed(
    ctx: Context,
    channel: Channel,
    key: string,
    { row, error }: { row: Claimed["row"]; error: unknown },
  ): Promise<void> {
    const { final = false, retryAfter } = error instanceof DeliveryError ? error.refusal : {};
    // Who says no has answered.
    if (!final) breaker.failed(key, ctx.now());
    const { attempts } = row;
    const wait = final
      ? undefined
      : nextWait(channel.backoff(ctx.settings), { attempts, retryAfter, chance: Math.random() });
    const fields = { channel: channel.name, delivery: row.id, attempts, error: inOurWords(error) };
    ctx.log[wait === undefined ? "warn" : "info"]("delivery failed", fields);
    if (!isExpected(error)) ctx.log.error("unexpected error", { error });
    if (wait === undefined) await giveUp(ctx, row, inOurWords(error));
    else await noteFailure(ctx, row, inOurWords(error), new Date(ctx.now().getTime() + wait));
  }

  async function setAlarm(ctx: Context): Promise<void> {
    const now = ctx.now();
    const times = (await nextDue(ctx)).flatMap(({ channel, receiver, at }) => {
      const key = `${channel} ${receiver}`;
      const rests = breaker.restsUntil(key, now);
      // Who is being served is looked at again when that ends.
      return lanes.has(key) ? [] : [Math.max(at.getTime(), rests?.getTime() ?? 0)];
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

const isExpected = (error: unknown): error is Error =>
  error instanceof DeliveryError || error instanceof OutboundError;

/** What the operator is told; what receivers and libraries say is for the log at most. */
const inOurWords = (error: unknown): string =>
  (isExpected(error) ? error.message : "could not be sent").slice(0, 200);
