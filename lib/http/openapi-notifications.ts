import { z } from "zod";
import type { DeliveryStatus } from "@/db/schema/outbox";
import { NewPushSubscription, TestNotification } from "./notification-schemas";
import { JSON_ERRORS } from "./openapi-errors";
import type { Operation } from "./openapi-operations";

const instant = z.iso.datetime();
const STATUSES = ["pending", "folded", "delivered", "failed", "dropped"] as const satisfies DeliveryStatus[];

export const notificationRequests = { TestNotification, NewPushSubscription };

export const notificationAnswers = {
  QueuedNotification: z.object({
    id: z.uuid(),
    channels: z.array(
      z.object({
        channel: z.string(),
        configured: z.boolean().describe("Whether the settings name a way to reach anybody by it"),
        queued: z.int().describe("To how many places the message goes"),
      }),
    ),
  }),
  Notification: z.object({
    id: z.uuid(),
    event: z.string(),
    deliveries: z.array(
      z.object({
        id: z.uuid().describe("What the receiver sees, the same at every try"),
        channel: z.string(),
        receiver: z.string().describe("Who has to be reachable"),
        status: z.enum(STATUSES).describe("`folded`: another message tells of it too"),
        attempts: z.int(),
        last_error: z.string().nullable(),
        created_at: instant,
        ended_at: instant.nullable(),
      }),
    ),
  }),
};

const person = { tag: "People", security: "session" } as const;
const management = { tag: "Management", security: "operator" } as const;

/** Telling people and machines, by `METHOD path`. */
export const notificationOperations: Readonly<Record<string, Operation>> = {
  "POST /notifications/test": {
    ...management,
    summary: "Send a test message by every channel",
    json: "TestNotification",
    answers: { 202: "QueuedNotification" },
    errors: [...JSON_ERRORS, "invalid_token", "forbidden", "not_found"],
  },
  "GET /notifications/{id}": {
    ...management,
    summary: "How a notification stands at every place it went to",
    answers: { 200: "Notification" },
    errors: ["invalid_token", "forbidden", "not_found"],
  },
  "POST /me/push-subscriptions": {
    ...person,
    summary: "Be told in this browser",
    spec: "RFC 8030 §4",
    also: ["RFC 8291", "RFC 8292"],
    json: "NewPushSubscription",
    answers: { 204: "empty" },
    errors: [...JSON_ERRORS, "invalid_token", "forbidden"],
  },
  "DELETE /me/push-subscriptions": {
    ...person,
    summary: "Be told in this browser no more",
    answers: { 204: "empty" },
    errors: ["invalid_token", "forbidden"],
  },
};
