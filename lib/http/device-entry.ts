import type { Context } from "@/lib/context";
import { approvalPath } from "@/lib/services/approval-page";
import type { Call } from "./call";
import { loginPath, readPersonForm, seeOther } from "./session";
import { claimByUserCode, claimedByAnother } from "./user-codes";

/** What the form that asks for a code is for. */
export const DEVICE_ENTRY_PURPOSE = "enter a user code";

/** What the page says after a code that leads nowhere; only the name travels in the address. */
export const DEVICE_ENTRY_PROBLEMS = {
  unreadable: "A code has eight letters, such as WDJB-MJHT. Look at your device again.",
  unknown:
    "There is no such code. Look at your device again: it has eight letters and is good for a few minutes.",
  expired: "This code has expired. Ask your device for a new one.",
} as const;

/** The page that asks for a code, with one filled in. */
export const devicePath = (userCode?: string | undefined): string =>
  userCode ? `/device?user_code=${userCode}` : "/device";

/** `POST /device/verify`: a code that a signed-in person typed leads to the question behind it (RFC 8628 §3.3). */
export async function deviceEntryEndpoint(ctx: Context, call: Call): Promise<Response> {
  const form = await readPersonForm(ctx, call, DEVICE_ENTRY_PURPOSE);
  if (!form) return seeOther(loginPath(devicePath()));
  const typed = form.fields.get("user_code") ?? "";
  const view = await claimByUserCode(ctx, call, { typed, userId: form.by.user.id });
  switch (view.state) {
    case "unreadable":
    case "unknown":
    case "expired":
      return seeOther(`${devicePath()}?error=${view.state}`);
    case "not_yours":
      throw claimedByAnother();
    case "answered":
    case "open":
      return seeOther(approvalPath(view.approval.id));
  }
}
