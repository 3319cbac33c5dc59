import type { Posted } from "@/lib/outbound/post";
import { DeliveryError } from "./channel";

/** Takes 2xx for delivered; every other answer is an error, and 410 the last one (RFC 9110 §15.5.11). */
export function requireDelivered({ host }: URL, { status, retryAfter }: Posted): void {
  if (status >= 200 && status < 300) return;
  throw new DeliveryError(`${host} answered ${status}`, { final: status === 410, retryAfter });
}
