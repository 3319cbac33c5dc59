type Waiting<Item> = { item: Item; resolve: () => void; reject: (error: unknown) => void };

type Options = {
  /** Items in one commit. */
  maxBatch?: number;
  /** Commits under way at once. */
  maxFlights?: number;
  /** Items waiting beyond this are refused by `overload`. */
  maxWaiting?: number;
  overload: () => Error;
};

/**
 * Lets concurrent appends share one commit: while one is under way, the next ones gather.
 * Each caller is answered only after the commit that holds its item; a failed commit rejects all of its callers.
 */
export function groupCommit<Item>(
  commit: (items: readonly Item[]) => Promise<void>,
  { maxBatch = 256, maxFlights = 2, maxWaiting = 5000, overload }: Options,
): (item: Item) => Promise<void> {
  const queue: Waiting<Item>[] = [];
  let flights = 0;

  async function fly(): Promise<void> {
    flights += 1;
    const batch = queue.splice(0, maxBatch);
    try {
      await commit(batch.map(({ item }) => item));
      for (const { resolve } of batch) resolve();
    } catch (error) {
      for (const { reject } of batch) reject(error);
    } finally {
      flights -= 1;
      if (queue.length > 0) void fly();
    }
  }

  return (item) =>
    new Promise((resolve, reject) => {
      if (queue.length >= maxWaiting) {
        reject(overload());
        return;
      }
      queue.push({ item, resolve, reject });
      // A microtask later, so that what arrives in the same turn shares the first flight too.
      if (flights < maxFlights) queueMicrotask(() => queue.length > 0 && flights < maxFlights && void fly());
    });
}
