import { createHmac, timingSafeEqual } from "node:crypto";

/** Seconds that one nonce is given out; it is accepted for as long again. */
const PERIOD = 300;

/**
 * A nonce that every instance makes and knows without storing it: nobody else can make one, and none is good for long
 * (RFC 9449 §8). Nonces of different purposes have different keys.
 */
export const nonceAt = (key: Buffer, now: Date): string => nonceOf(key, periodOf(now));

/** Whether a nonce is ours and recent; one of the next period comes from an instance whose clock is ahead. */
export function isRecentNonce(key: Buffer, nonce: string, now: Date): boolean {
  const period = periodOf(now);
  return [period - 1, period, period + 1].some((each) => isSame(nonceOf(key, each), nonce));
}

const periodOf = (now: Date): number => Math.floor(now.getTime() / 1000 / PERIOD);

const nonceOf = (key: Buffer, period: number): string =>
  createHmac("sha256", key).update(`${period}`).digest("base64url").slice(0, 32);

function isSame(ours: string, theirs: string): boolean {
  const [a, b] = [Buffer.from(ours), Buffer.from(theirs)];
  return a.length === b.length && timingSafeEqual(a, b);
}
