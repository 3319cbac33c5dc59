import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { readUserCode } from "@/lib/oauth/user-code";
import { claimDevice, type DeviceView } from "@/lib/services/device-decisions";
import { addressKey, type BucketName } from "@/lib/services/rate-limits";
import type { Call } from "./call";

/**
 * The question behind a code that a person typed, which is theirs from then on. Wrong codes are counted for the person
 * and for the address, by all instances together (RFC 8628 §5.1).
 */
export async function claimByUserCode(
  ctx: Context,
  { address }: Call,
  { typed, userId }: { typed: string; userId: string },
): Promise<DeviceView | { state: "unreadable" }> {
  const userCode = readUserCode(typed.slice(0, 100));
  if (!userCode) return { state: "unreadable" };
  const tries: [BucketName, string][] = [
    ["userCodePerson", userId],
    ["userCodeAddress", addressKey(address)],
  ];
  // Counted before the code is looked up, so that guesses at the same moment count too.
  for (const [bucket, key] of tries) {
    const allowance = await ctx.limits.take(bucket, key);
    if (!allowance.allowed) throw tooManyCodes(allowance.retryAfter);
  }
  const view = await claimDevice(ctx, { userCode, userId });
  if (view.state === "open" || view.state === "answered")
    for (const [bucket, key] of tries) await ctx.limits.giveBack(bucket, key);
  return view;
}

function tooManyCodes(retryAfter: number): OAuthError {
  const minutes = Math.ceil(retryAfter / 60);
  const wait = minutes === 1 ? "a minute" : `${minutes} minutes`;
  return new OAuthError("too_many_requests", `Too many wrong codes. Wait ${wait}, then try again.`, {
    headers: { "retry-after": String(retryAfter) },
  });
}

/** Somebody else typed it first: one of the two was sent the code by a stranger (security case 83). */
export const claimedByAnother = () =>
  new OAuthError(
    "forbidden",
    "Somebody else has entered this code already. Ask your device for a new one, and show it to nobody.",
  );
