/** Reads that may be up to a second old, for what every request looks at and nearly nothing changes. */
export type RecentReads = {
  /** The value read for `key` within the last second, or read now; "not found" is never remembered. */
  read<T>(key: string, load: () => Promise<T | undefined>): Promise<T | undefined>;
  /** Drops what is remembered, after changing it here. */
  forget(key: string): void;
};

/** A revocation has to bite within a second on every instance (product decision D25). */
const MAX_AGE_MS = 1000;
const MAX_ENTRIES = 10_000;

type Entry = { at: number; value: Promise<unknown> };

/** Makes the memory of one instance; concurrent reads of one key are one read. */
export function recentReads(now: () => Date): RecentReads {
  const entries = new Map<string, Entry>();

  function remember(key: string, entry: Entry): void {
    entries.delete(key);
    entries.set(key, entry);
    if (entries.size <= MAX_ENTRIES) return;
    const [oldest] = entries.keys();
    if (oldest !== undefined) entries.delete(oldest);
  }

  return {
    async read<T>(key: string, load: () => Promise<T | undefined>): Promise<T | undefined> {
      const at = now().getTime();
      const known = entries.get(key);
      if (known && at - known.at < MAX_AGE_MS) return (await known.value) as T | undefined;
      // A query of Drizzle's runs anew each time it is awaited; a promise of our own runs it once.
      const entry = { at, value: Promise.resolve(load()) };
      remember(key, entry);
      try {
        const value = await entry.value;
        if (value === undefined) entries.delete(key);
        return value;
      } catch (error) {
        entries.delete(key);
        throw error;
      }
    },
    forget: (key) => void entries.delete(key),
  };
}
