/** One change that somebody may wait for. */
type Change = { id: string; changedAt: Date | null };

/** What requests of this instance wait for: that something happens to an approval, on whatever instance. */
export type Waiting = {
  /**
   * Resolves when the approval is another than the one that was seen, or after so many milliseconds; true: it changed.
   * `seen` is its `changedAt`.
   */
  until(id: string, milliseconds: number, seen: Date | null): Promise<boolean>;
  /** Tells those who wait here that these have changed; what other instances change is seen by looking. */
  wake(ids: readonly string[]): void;
  /** How many wait here. */
  readonly size: number;
  /** Lets everybody go on: the server stops. */
  stop(): void;
};

type Looking = {
  /** What has changed since then, oldest or newest first. */
  changes: (since: Date) => Promise<readonly Change[]>;
  now: () => Date;
  onError: (error: unknown) => void;
};

/** Milliseconds between two looks while anybody waits: an answer given elsewhere is heard of within half a second. */
const LOOK_EVERY = 300;
/** Changes commit after the time that they are dated to, and clocks differ: each look goes back this far. */
const LOOK_BACK = 5000;

type Waiter = { go: () => void; seen: number | undefined };

/** Waits for many with one look at the database, however many they are: nobody waits, nobody looks. */
export function createWaiting({ changes, now, onError }: Looking): Waiting {
  const waiters = new Map<string, Set<Waiter>>();
  let timer: NodeJS.Timeout | undefined;
  let count = 0;

  const wake: Waiting["wake"] = (ids) => {
    for (const id of ids) for (const { go } of waiters.get(id) ?? []) go();
  };

  const look = async () => {
    const found = await changes(new Date(now().getTime() - LOOK_BACK));
    // Each look sees the last seconds again: what somebody has seen already is no news to them.
    for (const { id, changedAt } of found)
      for (const { go, seen } of waiters.get(id) ?? []) if (seen !== changedAt?.getTime()) go();
  };

  const lookAgainLater = () => {
    if (timer !== undefined || count === 0) return;
    timer = setTimeout(() => {
      look()
        .catch(onError)
        .finally(() => {
          timer = undefined;
          lookAgainLater();
        });
    }, LOOK_EVERY);
    timer.unref();
  };

  return {
    until: (id, milliseconds, seen) =>
      new Promise((resolve) => {
        const others = waiters.get(id) ?? new Set<Waiter>();
        const leave = (changed: boolean) => {
          clearTimeout(deadline);
          if (!others.delete(waiter)) return;
          count -= 1;
          if (others.size === 0) waiters.delete(id);
          resolve(changed);
        };
        const waiter = { go: () => leave(true), seen: seen?.getTime() };
        const deadline = setTimeout(() => leave(false), milliseconds);
        waiters.set(id, others.add(waiter));
        count += 1;
        lookAgainLater();
      }),
    wake,
    get size() {
      return count;
    },
    stop: () => wake([...waiters.keys()]),
  };
}
