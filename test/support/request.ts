import type { Context } from "@/lib/context";
import { newOpaqueId, timeOrderedUuid } from "@/lib/ids";
import type { Notification } from "@/lib/services/outbox";

/** A request for approval that ends in five minutes, for nobody in particular. */
export function requestFor(ctx: Context, more: Partial<Notification> = {}): Notification {
  const approvalId = more.approvalId ?? newOpaqueId();
  return {
    id: timeOrderedUuid(ctx.now()),
    event: "approval.requested",
    approvalId,
    recipients: [],
    title: "search-bot wants to send 1 payment of 250 EUR to ACME",
    requester: "search-bot",
    risk: "high",
    expiresAt: new Date(ctx.now().getTime() + 300_000),
    url: `${ctx.settings.serverUrl}/approve/${approvalId}`,
    data: {},
    ...more,
  };
}
