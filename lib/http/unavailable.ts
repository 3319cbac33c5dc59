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

/** What PostgreSQL says to a wrong address of its own, in words for whoever starts the server. */
const REFUSED: Record<string, string> = {
  "3D000": "The database that AUTHGENT_DATABASE_URL names does not exist. Create it, or correct the name.",
  "28000":
    "PostgreSQL does not let the user of AUTHGENT_DATABASE_URL in. Correct the user, or create the role.",
  "28P01": "PostgreSQL refuses the password in AUTHGENT_DATABASE_URL. Correct it.",
  "42501":
    "The user of AUTHGENT_DATABASE_URL may not change the schema. Set AUTHGENT_MIGRATION_DATABASE_URL to its owner.",
};

/** The sentence for a database that cannot be used at a start; undefined: the error is about something else. */
export function explainDatabaseError(error: unknown): string | undefined {
  for (let current = error; current instanceof Error; current = current.cause) {
    const sentence = "code" in current ? REFUSED[String(current.code)] : undefined;
    if (sentence) return sentence;
  }
  return isDatabaseAway(error)
    ? "The database of AUTHGENT_DATABASE_URL cannot be reached. Start it, or correct the address."
    : undefined;
}

/** Whether an error means that the database cannot answer now, and that the same request may work later. */
export function isDatabaseAway(error: unknown): boolean {
  for (let current = error; current instanceof Error; current = current.cause) {
    if ("code" in current && AWAY.has(String(current.code))) return true;
    // Drivers try every address of a name and report all failures at once.
    if (current instanceof AggregateError && current.errors.some(isDatabaseAway)) return true;
  }
  return false;
}
