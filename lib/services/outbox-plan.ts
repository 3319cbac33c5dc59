/** Seconds in which messages to one destination are counted. */
export const WINDOW = 60;

type Load<Row> = {
  /** What is due for one destination, the oldest first. */
  waiting: readonly Row[];
  /** When this destination had its messages of the last minute, the oldest first. */
  sentAt: readonly Date[];
  /** Messages a minute. */
  limit: number;
  now: Date;
};

/** What goes out now, each message with the rows that it tells of, and what waits until there is room again. */
type Plan<Row> = { messages: readonly (readonly [Row, ...Row[]])[]; later: readonly Row[]; roomAt: Date };

/**
 * Keeps to the limit of one destination: as long as there is room for each, each is a message of its own; otherwise
 * those of one kind become one, so that whoever floods a person with requests gets a single line of theirs.
 */
export function planMessages<Row extends { event: string }>({
  waiting,
  sentAt,
  limit,
  now,
}: Load<Row>): Plan<Row> {
  const room = Math.max(0, limit - sentAt.length);
  const together = waiting.length <= room ? waiting.map((row) => [row] as const) : byEvent(waiting);
  const messages = together.slice(0, room);
  const sent = [...sentAt, ...messages.map(() => now)];
  const leavesFirst = sent.at(-limit) ?? now;
  return {
    messages,
    later: together.slice(room).flat(),
    roomAt: new Date(leavesFirst.getTime() + WINDOW * 1000),
  };
}

function byEvent<Row extends { event: string }>(rows: readonly Row[]): (readonly [Row, ...Row[]])[] {
  const groups = new Map<string, [Row, ...Row[]]>();
  for (const row of rows) {
    const group = groups.get(row.event);
    if (group) group.push(row);
    else groups.set(row.event, [row]);
  }
  return [...groups.values()];
}

/** Share of a wait that is added by chance, so that what failed together is not tried again together. */
const JITTER = 0.2;

/** Milliseconds until the next try after so many; undefined: that was the last. `chance` is from 0 to 1. */
export function nextWait(
  backoff: readonly number[],
  { attempts, retryAfter = 0, chance }: { attempts: number; retryAfter?: number | undefined; chance: number },
): number | undefined {
  const wait = backoff[attempts - 1];
  if (wait === undefined) return undefined;
  return Math.max(wait * (1 + JITTER * chance), Math.min(retryAfter, LONGEST_REST)) * 1000;
}

/** Seconds that a receiver may ask to be left alone. */
const LONGEST_REST = 3600;
