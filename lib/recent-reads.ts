import { boundedMap } from "./bounded-map";

/** Reads that may be up to a second old, for what every request looks at and nearly nothing changes. */
export type RecentReads = {
  /** The value read for `key` within the last second, or read now; "not found" is never remembered. */
  read<T>(key: string, load: () => Promise<T | undefined>): Promise<T | undefined>;
  /** Drops what is remembered, after changing it here. */
  forget(key: string): void;
  /**
   * The same memory for use inside a transaction: what is known serves, and everything else is read by the transaction
   * itself. Another request's read may wait for this very transaction to end, and what a transaction reads is not for
   * others to remember before it commits.
   */
  readonly withinTransaction: RecentReads;
};

/** A revocation has to bite within a second on every instance (product decision D25). */
const MAX_AGE_MS = 1000;
const MAX_ENTRIES = 10_000;

type Entry = { at: number; value: Promise<unknown>; isRead: boolean };

/** Makes the memory of one instance; concurrent reads of one key are one read. */
export function recentReads(now: () => Date): RecentReads {
  const entries = boundedMap<Entry>({ maxEntries: MAX_ENTRIES });
  const { forget } = entries;

  const fresh = (key: string): Entry | undefined => {
    const known = entries.get(key);
    return known && now().getTime() - known.at < MAX_AGE_MS ? known : undefined;
  };

  const withinTransaction: RecentReads = {
    async read<T>(key: string, load: () => Promise<T | undefined>): Promise<T | undefined> {
      const known = fresh(key);
      return known?.isRead ? ((await known.value) as T | undefined) : load();
    },
    forget,
    get withinTransaction() {
      return withinTransaction;
    },
  };

  return {
    async read<T>(key: string, load: () => Promise<T | undefined>): Promise<T | undefined> {
      const known = fresh(key);
      if (known) return (await known.value) as T | undefined;
      // A query of Drizzle's runs anew each time it is awaited; a promise of our own runs it once.
      const entry = { at: now().getTime(), value: Promise.resolve(load()), isRead: false };
      entries.set(key, entry);
      try {
        const value = await entry.value;
        entry.isRead = true;
        if (value === undefined) forget(key);
        return value;
      } catch (error) {
        forget(key);
        throw error;
      }
    },
    forget,
    withinTransaction,
  };
}
