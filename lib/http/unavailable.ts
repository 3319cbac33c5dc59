/** What drivers and PostgreSQL say when the database is away, restarting or full of connections. */
const AWAY = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ENOTFOUND",
  "EPIPE",
  "ETIMEDOUT",
  "CONNECTION_CLOSED",
  "CONNECTION_ENDED",
  "CONNECTION_DESTROYED",
  "CONNECT_TIMEOUT",
  "57014",
  "57P01",
  "57P02",
  "57P03",
  "53300",
  "53100",
  "08000",
  "08003",
  "08006",
]);

/** Whether an error means that the database cannot answer now, and that the same request may work later. */
export function isDatabaseAway(error: unknown): boolean {
  for (let current = error; current instanceof Error; current = current.cause) {
    if ("code" in current && AWAY.has(String(current.code))) return true;
    // Drivers try every address of a name and report all failures at once.
    if (current instanceof AggregateError && current.errors.some(isDatabaseAway)) return true;
  }
  return false;
}
