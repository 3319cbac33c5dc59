/** One change that somebody may wait for. */
type Change = { id: string; changedAt: Date | null };

/** What requests of this instance wait for: that something happens to an approval, on whatever instance. */
export type Waiting = {
  /**
   * Resolves when the approval changes, or after so many milliseconds; true: it changed. `seen` is the time of the
   * change that the caller knows of: a later one is news, however long ago it was.
   */
  until(id: string, milliseconds: number, seen: Date | null): Promise<boolean>;
  /** Tells those who wait here that these have changed; what other instances change is seen by looking. */
  wake(ids: readonly string[]): void;
  /** How many wait here. */
  readonly size: number;
  /** Lets everybody go on, and nobody wait any more: the server stops. */
  stop(): void;
};

type Looking = {
  /** What has changed in the last seconds. */
  changes: () => Promise<readonly Change[]>;
  onError: (error: unknown) => void;
};

/** Milliseconds between two looks while anybody waits: an answer given elsewhere is heard of within half a second. */
const LOOK_EVERY = 300;

type Waiter = { seen: number; go: () => void };

/** Waits for many with one look at the database, however many they are: nobody waits, nobody looks. */
export function createWaiting({ changes, onError }: Looking): Waiting {
  const waiters = new Map<string, Set<Waiter>>();
  let timer: NodeJS.Timeout | undefined;
  let count = 0;
  let isStopped = false;

  const wake: Waiting["wake"] = (ids) => {
    for (const id of ids) for (const { go } of waiters.get(id) ?? []) go();
  };

  const look = async () => {
    for (const { id, changedAt } of await changes())
      for (const { seen, go } of waiters.get(id) ?? []) if ((changedAt?.getTime() ?? 0) > seen) go();
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
        const waiter = { seen: seen?.getTime() ?? 0, go: () => leave(true) };
        const deadline = setTimeout(() => leave(false), milliseconds);
        waiters.set(id, others.add(waiter));
        count += 1;
        lookAgainLater();
        if (isStopped) leave(false);
      }),
    wake,
    get size() {
      return count;
    },
    stop: () => {
      isStopped = true;
      wake([...waiters.keys()]);
    },
  };
}
