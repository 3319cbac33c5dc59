import { outbox } from "@/db/schema/outbox";
import { inTransaction } from "@/lib/context";
import { enqueue, type Notification } from "@/lib/services/outbox";
import { type TestContext, testContext } from "./context";
import { requestFor } from "./request";

/** A server whose outbox is empty: files of one worker share it. */
export async function serverWith(
  env: Record<string, string>,
  options: Omit<Parameters<typeof testContext>[0] & object, "env"> = {},
): Promise<TestContext> {
  const t = await testContext({ ...options, env });
  await t.ctx.db.delete(outbox);
  return t;
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
