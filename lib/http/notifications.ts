import { z } from "zod";
import { type Context, inTransaction } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { timeOrderedUuid } from "@/lib/ids";
import { userIdOf } from "@/lib/oauth/subject";
import { channels } from "@/lib/providers/channels/index";
import { record } from "@/lib/services/events";
import { enqueue, listDeliveries, type Notification, type Row } from "@/lib/services/outbox";
import { findUser } from "@/lib/services/users";
import type { Call } from "./call";
import { json, readJsonAs } from "./json";
import { TestNotification } from "./notification-schemas";
import { requireOperator } from "./operator";

/** Seconds that a test message is of use. */
const TEST_TTL = 300;

/** `POST /notifications/test`: a message by every channel, so that the operator sees which of them arrive. */
export async function testNotificationEndpoint(ctx: Context, call: Call): Promise<Response> {
  const actor = await requireOperator(ctx, call);
  const { user = userIdOf(actor) } = await readJsonAs(call.request, TestNotification);
  if (user !== undefined && !(await findUser(ctx, user)))
    throw new OAuthError("not_found", "There is no such person. GET /users lists them.");
  const notification = testMessage(ctx, user === undefined ? [] : [user]);
  const { id } = notification;
  const queued = await inTransaction(ctx, async (tx) => {
    await record(tx, {
      type: "notification.tested",
      actor,
      data: { notification: id },
      address: call.address,
    });
    return enqueue(tx, notification);
  });
  const answer = channels.map(({ name, isConfigured }) => ({
    channel: name,
    configured: isConfigured(ctx.settings),
    queued: queued.filter(({ channel }) => channel === name).length,
  }));
  return json({ id, channels: answer }, { status: 202, headers: { location: `/notifications/${id}` } });
}

function testMessage(ctx: Context, recipients: readonly string[]): Notification {
  const id = timeOrderedUuid(ctx.now());
  const { serverUrl } = ctx.settings;
  return {
    id,
    event: "notification.test",
    approvalId: id,
    recipients,
    title: `This is a test message from ${new URL(serverUrl).host}`,
    requester: "Authgent",
    risk: "low",
    expiresAt: new Date(ctx.now().getTime() + TEST_TTL * 1000),
    url: `${serverUrl}/me`,
    data: {},
  };
}

/** `GET /notifications/{id}`: how a notification stands at every place it went to. */
export async function getNotificationEndpoint(ctx: Context, call: Call): Promise<Response> {
  await requireOperator(ctx, call);
  const id = z.uuid().safeParse(call.params.id).data;
  const deliveries = id ? await listDeliveries(ctx, id) : [];
  const [first] = deliveries;
  if (!first)
    throw new OAuthError("not_found", "There is no such notification, or it is more than a week old.");
  return json({ id, event: first.event, deliveries: deliveries.map(toWire) });
}

const toWire = ({ id, channel, receiver, status, attempts, lastError, createdAt, endedAt }: Row) => ({
  id,
  channel,
  receiver,
  status,
  attempts,
  last_error: lastError,
  created_at: createdAt.toISOString(),
  ended_at: endedAt?.toISOString() ?? null,
});
