import { sql } from "drizzle-orm";
import { index, integer, jsonb, pgTable, text, timestamp, uniqueIndex, uuid } from "drizzle-orm/pg-core";

/** What people and machines are told about. */
export type NotificationEvent =
  | "approval.requested"
  | "approval.decided"
  | "approval.expired"
  | "notification.test";

/** What is told, as it is stored: nothing in it opens anything, since a link alone never approves. */
export type StoredMessage = {
  title: string;
  requester: string;
  risk: "low" | "medium" | "high";
  bindingCode?: string;
  url: string;
  data: Readonly<Record<string, unknown>>;
};

/**
 * `pending` waits for its time, `folded` is told by the message of another row, `dropped` is of no use to anybody any
 * more; `delivered` and `failed` are what they say.
 */
export type DeliveryStatus = "pending" | "folded" | "delivered" | "failed" | "dropped";

/** What is to be told to whom, written in the transaction it tells of. Written by services/outbox.ts only. */
export const outbox = pgTable(
  "outbox",
  {
    /** UUIDv7: what the receiver sees, the same at every try. */
    id: uuid().primaryKey(),
    notificationId: uuid().notNull(),
    event: text().$type<NotificationEvent>().notNull(),
    approvalId: text().notNull(),
    channel: text().notNull(),
    /** Who has to be reachable: the name of a setting, the host of a push service. */
    receiver: text().notNull(),
    /** Where there: a person, a browser. Never an address: it is looked up when the time comes. */
    destination: text().notNull(),
    message: jsonb().$type<StoredMessage>().notNull(),
    status: text().$type<DeliveryStatus>().notNull().default("pending"),
    foldedInto: uuid(),
    /** Counted when a try begins, so that one that kills the server counts too. */
    attempts: integer().notNull().default(0),
    attemptedAt: timestamp({ withTimezone: true }),
    /** When to try next; while an instance is at it: when it has to be done. */
    dueAt: timestamp({ withTimezone: true }).notNull(),
    /** When the approval ends: a request for it is not delivered later. */
    expiresAt: timestamp({ withTimezone: true }).notNull(),
    /** Short, and in our own words. */
    lastError: text(),
    createdAt: timestamp({ withTimezone: true }).notNull(),
    endedAt: timestamp({ withTimezone: true }),
  },
  (table) => [
    // To queue a notification twice is to queue it once.
    uniqueIndex("outbox_notification_index").on(table.notificationId, table.channel, table.destination),
    index("outbox_due_index")
      .on(table.channel, table.receiver, table.dueAt)
      .where(sql`${table.status} = 'pending'`),
    // How many messages somebody had in the last minute.
    index("outbox_attempted_index").on(table.channel, table.destination, table.attemptedAt),
    index("outbox_folded_index").on(table.foldedInto).where(sql`${table.foldedInto} is not null`),
    index("outbox_approval_index").on(table.approvalId).where(sql`${table.status} in ('pending', 'folded')`),
    index("outbox_created_at_index").on(table.createdAt),
  ],
);
