/** Runs once in each server process, before its first request. */
export async function register(): Promise<void> {
  // Imported here and not above: Next also compiles this file for a runtime without Node.
  if (process.env.NEXT_RUNTIME === "nodejs") (await import("./app/connection")).noteConnections();
}
