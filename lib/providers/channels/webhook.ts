import assert from "node:assert/strict";
import type { NotificationEvent } from "@/db/schema/outbox";
import { postTrusted } from "@/lib/outbound/post";
import { requireDelivered } from "./answer";
import { type Channel, type Message, SEND_TIMEOUT } from "./channel";
import { bodySignature, standardSignature } from "./webhook-signature";

/** How receivers of an earlier system know what they are told. */
const NAMES: Record<NotificationEvent, { header: string; type: string }> = {
  "approval.requested": { header: "stepup.requested", type: "stepup_approval_request" },
  "approval.decided": { header: "stepup.decided", type: "stepup_approval_decided" },
  "approval.expired": { header: "stepup.expired", type: "stepup_approval_expired" },
  "notification.test": { header: "notification.test", type: "notification_test" },
};

/** The operator's receiver: JSON, signed as Standard Webhooks says and as an earlier system did. */
export const webhook: Channel = {
  name: "webhook",
  forPeople: false,
  isConfigured: ({ webhookUrl }) => webhookUrl !== undefined,
  destinations: async () => [{ receiver: "webhook", destination: "webhook" }],
  backoff: ({ webhookRetries, webhookBackoff }) =>
    Array.from({ length: webhookRetries }, (_, tried) => webhookBackoff[tried] ?? webhookBackoff.at(-1) ?? 1),
  async send({ settings, now }, { id, messages: [message] }) {
    const { webhookUrl, webhookHmacSecret } = settings;
    assert(webhookUrl && webhookHmacSecret, "these settings need each other");
    const url = new URL(webhookUrl);
    const body = JSON.stringify(bodyOf(message));
    // Of this try: receivers refuse what is older than five minutes.
    const timestamp = Math.floor(now().getTime() / 1000);
    const headers = {
      "content-type": "application/json",
      "user-agent": "Authgent",
      "webhook-id": id,
      "webhook-timestamp": `${timestamp}`,
      "webhook-signature": standardSignature(webhookHmacSecret, { id, timestamp, body }),
      "x-authgent-event": NAMES[message.event].header,
      "x-authgent-request-id": message.approvalId,
      "x-authgent-signature-256": bodySignature(webhookHmacSecret, body),
    };
    requireDelivered(url, await postTrusted(url, { headers, body }, { timeoutMs: SEND_TIMEOUT }));
    return "delivered";
  },
};

/** What is said of the request by whoever asked stands beside our own members, and never in their place. */
const bodyOf = ({
  id,
  event,
  approvalId,
  title,
  requester,
  risk,
  bindingCode,
  expiresAt,
  url,
  data,
}: Message) => ({
  ...data,
  id: approvalId,
  type: NAMES[event].type,
  event,
  notification_id: id,
  title,
  requester,
  risk,
  ...(bindingCode ? { binding_code: bindingCode } : {}),
  expires_at: expiresAt.toISOString(),
  url,
});
