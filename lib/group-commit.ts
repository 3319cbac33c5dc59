import { isDatabaseAway } from "./http/unavailable";

type Waiting<Item, Result> = {
  item: Item;
  resolve: (result: Result) => void;
  reject: (error: unknown) => void;
};

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
 * Each caller is answered only after the commit that holds its item, with the result at its item's place. What was
 * refused together is tried one by one: nobody's item fails for another's.
 */
export function groupCommit<Item, Result>(
  commit: (items: readonly Item[]) => Promise<readonly Result[]>,
  { maxBatch = 256, maxFlights = 2, maxWaiting = 5000, overload }: Options,
): (item: Item) => Promise<Result> {
  const queue: Waiting<Item, Result>[] = [];
  let flights = 0;

  async function fly(): Promise<void> {
    flights += 1;
    await settle(queue.splice(0, maxBatch));
    flights -= 1;
    if (queue.length > 0) void fly();
  }

  async function settle(batch: readonly Waiting<Item, Result>[]): Promise<void> {
    try {
      const results = await commit(batch.map(({ item }) => item));
      for (const [index, { resolve }] of batch.entries()) resolve(results[index] as Result);
    } catch (error) {
      if (batch.length === 1 || isDatabaseAway(error)) {
        for (const { reject } of batch) reject(error);
      } else {
        await settleEach(batch);
      }
    }
  }

  async function settleEach(batch: readonly Waiting<Item, Result>[]): Promise<void> {
    let away: unknown;
    for (const { item, resolve, reject } of batch) {
      try {
        // The others would only wait for the same answer.
        if (away) throw away;
        const [result] = await commit([item]);
        resolve(result as Result);
      } catch (error) {
        reject(error);
        if (isDatabaseAway(error)) away = error;
      }
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
