/** Seconds that a request may wait for its answer. */
const LONGEST_WAIT = 60;

/** How many seconds a client is willing to wait for the answer (RFC 7240 §4.3); undefined: it wants one now. */
export function preferredWait(headers: Headers): number | undefined {
  const [, seconds] =
    /(?:^|[,;])\s*wait\s*=\s*"?(\d{1,6})"?\s*(?:$|[,;])/i.exec(headers.get("prefer") ?? "") ?? [];
  const wait = Math.min(Number(seconds ?? 0), LONGEST_WAIT);
  return wait > 0 ? wait : undefined;
}

/** Says that the wish was heeded, and how far (RFC 7240 §3). */
export const appliedWait = (wait: number | undefined): Record<string, string> =>
  wait === undefined ? {} : { "preference-applied": `wait=${wait}`, vary: "prefer" };
