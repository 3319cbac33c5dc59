import { isIPv4 } from "node:net";
import ipaddr from "ipaddr.js";
import { addressKey } from "@/lib/services/rate-limits";
import type { Settings } from "@/lib/settings";
import { isLoopbackHost } from "@/lib/settings/loopback";

const FORWARDED = [
  "forwarded",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
  "x-real-ip",
] as const;

/**
 * The caller's address. Proxies are believed only when the operator says how many there are: each adds the address
 * it saw at the right end of X-Forwarded-For, so what stands further left is the caller's own claim.
 */
export function callerAddress(headers: Headers, socketAddress: string, trustProxy: number): string {
  const peer = plainAddress(socketAddress);
  if (trustProxy === 0) return peer;
  const hops = (headers.get("x-forwarded-for") ?? "").split(",").map((hop) => hop.trim());
  const claimed = hops.filter(Boolean).at(-trustProxy);
  return claimed && ipaddr.isValid(claimed) ? plainAddress(claimed) : peer;
}

/** Whether two addresses are of one place, as far as addresses tell: one network's, or both this machine's. */
export const isSamePlace = (one: string, other: string): boolean =>
  addressKey(one) === addressKey(other) || (isLoopback(one) && isLoopback(other));

function plainAddress(address: string): string {
  // One spelling as it is, and what most of them are: not worth taking apart for every request.
  if (isIPv4(address) || !ipaddr.isValid(address)) return address;
  return ipaddr.process(address).toString();
}

/**
 * Whether a request may be served as in local mode: "a request from a non-loopback peer, with a non-loopback Host,
 * a forwarded header, or a foreign Origin is never served openly" (product decision D1).
 */
export function isLocalRequest(settings: Settings, headers: Headers, socketAddress: string): boolean {
  if (!settings.localMode || !isLoopback(socketAddress)) return false;
  if (FORWARDED.some((name) => headers.has(name))) return false;
  const host = headers.get("host");
  if (!host || !URL.canParse(`http://${host}`) || !isLoopbackHost(new URL(`http://${host}`).hostname))
    return false;
  const origin = headers.get("origin");
  return origin === null || isLoopbackOrigin(origin);
}

const isLoopback = (address: string): boolean =>
  ipaddr.isValid(address) && ipaddr.process(address).range() === "loopback";

const isLoopbackOrigin = (origin: string): boolean =>
  URL.canParse(origin) &&
  /^https?:$/.test(new URL(origin).protocol) &&
  isLoopbackHost(new URL(origin).hostname);
