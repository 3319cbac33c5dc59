import { outbox } from "@/db/schema/outbox";
import { type Context, inTransaction } from "@/lib/context";
import { newOpaqueId, timeOrderedUuid } from "@/lib/ids";
import { enqueue, type Notification } from "@/lib/services/outbox";
import { type TestContext, testContext } from "./context";

/** A server whose outbox is empty: files of one worker share it. */
export async function serverWith(
  env: Record<string, string>,
  options: Omit<Parameters<typeof testContext>[0] & object, "env"> = {},
): Promise<TestContext> {
  const t = await testContext({ ...options, env });
  await t.ctx.db.delete(outbox);
  return t;
}

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

/** Queues a notification as a service does, in a transaction of its own; what it leads to is not waited for. */
export async function queue(t: TestContext, more: Partial<Notification> = {}): Promise<Notification> {
  const notification = requestFor(t.ctx, more);
  await inTransaction(t.ctx, (tx) => enqueue(tx, notification));
  return notification;
}

/** Queues a notification, and waits until it was tried once. */
export async function tell(t: TestContext, more: Partial<Notification> = {}): Promise<Notification> {
  const notification = await queue(t, more);
  await t.settled();
  return notification;
}

/** Lets time pass, and delivers what is due then. */
export async function later(t: TestContext, seconds: number): Promise<void> {
  t.advance(seconds);
  await t.ctx.courier.deliver();
  await t.settled();
}
