type Limits = { maxEntries: number; maxKeyLength?: number };

/** Remembers so many values and no more: those that were looked up last, by keys that are no longer than that. */
export function boundedMap<Value>({ maxEntries, maxKeyLength = Number.POSITIVE_INFINITY }: Limits) {
  const entries = new Map<string, Value>();
  return {
    get(key: string): Value | undefined {
      const value = entries.get(key);
      if (value === undefined) return undefined;
      // A map keeps the order in which keys came: the oldest is the first.
      entries.delete(key);
      entries.set(key, value);
      return value;
    },
    set(key: string, value: Value): void {
      if (key.length > maxKeyLength) return;
      entries.delete(key);
      entries.set(key, value);
      if (entries.size <= maxEntries) return;
      const [oldest] = entries.keys();
      if (oldest !== undefined) entries.delete(oldest);
    },
    forget: (key: string): void => void entries.delete(key),
  };
}
