import { createHmac, timingSafeEqual } from "node:crypto";

/** Bytes of a nonce: when it was made (seconds since 1970), something random, and the tag over both. */
const TIME = 4;
const RANDOM = 16;
const TAG = 16;
export const NONCE_BYTES = TIME + RANDOM + TAG;

/** Random bytes that `boundNonce` is to be given. */
export const NONCE_RANDOM_BYTES = RANDOM;

type Made = { now: Date; random: Buffer };

/**
 * A nonce for one purpose that every instance knows as its own without storing it. What it is bound to is in its tag:
 * whoever brings it for something else, or later, brings none. That it counts once is for the caller to see to.
 */
export function boundNonce(key: Buffer, binding: string, { now, random }: Made): Buffer {
  const time = Buffer.alloc(TIME);
  time.writeUInt32BE(secondsOf(now));
  const head = Buffer.concat([time, random.subarray(0, RANDOM)]);
  return Buffer.concat([head, tagOf(key, binding, head)]);
}

/** Whether a nonce is ours, bound to this and at most `maxAge` seconds old; another instance's clock may be a minute ahead. */
export function isBoundNonce(
  key: Buffer,
  binding: string,
  { nonce, now, maxAge }: { nonce: Buffer; now: Date; maxAge: number },
): boolean {
  if (nonce.length !== NONCE_BYTES) return false;
  const [head, tag] = [nonce.subarray(0, TIME + RANDOM), nonce.subarray(TIME + RANDOM)];
  const age = secondsOf(now) - nonce.readUInt32BE();
  return age >= -60 && age <= maxAge && timingSafeEqual(tag, tagOf(key, binding, head));
}

/** When a nonce was made, as it says itself. */
export const nonceMadeAt = (nonce: Buffer): Date => new Date(nonce.readUInt32BE() * 1000);

const secondsOf = (date: Date): number => Math.floor(date.getTime() / 1000);

/** Half of a SHA-256 is what RFC 2104 §5 leaves a tag at least. */
const tagOf = (key: Buffer, binding: string, head: Buffer): Buffer =>
  createHmac("sha256", key).update(head).update(binding).digest().subarray(0, TAG);
