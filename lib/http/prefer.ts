import type { Call } from "./call";

/** Seconds that a request may be kept waiting at most. */
const LONGEST_WAIT = 60;

/** How many seconds a client is willing to wait for the answer, as it says by `Prefer: wait=N` (RFC 7240 §4.3). */
export function preferredWait({ request }: Call): number | undefined {
  const preferred = /(?:^|,)\s*wait\s*=\s*"?(\d{1,6})"?\s*(?:[,;]|$)/i.exec(
    request.headers.get("prefer") ?? "",
  )?.[1];
  return preferred === undefined ? undefined : Math.min(Number(preferred), LONGEST_WAIT);
}
