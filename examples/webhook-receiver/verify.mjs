import { createHmac, timingSafeEqual } from "node:crypto";

/** Seconds that a message may be old, or ahead of this clock. */
const TOLERANCE = 300;

/**
 * True for a message that whoever holds the secret signed in the last five minutes (Standard Webhooks).
 *
 * @param {string} secret as in AUTHGENT_WEBHOOK_HMAC_SECRET; one of them, where there are two
 * @param {{ get(name: string): string | null | undefined }} headers
 * @param {string | Buffer} body exactly as it arrived
 */
export function isAuthentic(secret, headers, body, now = Date.now() / 1000) {
  const id = headers.get("webhook-id") ?? "";
  const timestamp = headers.get("webhook-timestamp") ?? "";
  if (!/^\d{1,12}$/.test(timestamp) || Math.abs(now - Number(timestamp)) > TOLERANCE) return false;
  const key = secret.startsWith("whsec_") ? Buffer.from(secret.slice(6), "base64") : secret;
  const expected = createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest();
  // Several while a secret changes: one that fits is enough. Compared in constant time.
  return (headers.get("webhook-signature") ?? "")
    .split(" ")
    .filter((signature) => signature.startsWith("v1,"))
    .map((signature) => Buffer.from(signature.slice(3), "base64"))
    .some((given) => given.length === expected.length && timingSafeEqual(given, expected));
}
