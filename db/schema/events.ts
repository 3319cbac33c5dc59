import { sql } from "drizzle-orm";
import { customType, index, integer, jsonb, pgTable, text, timestamp, uuid } from "drizzle-orm/pg-core";

const xid8 = customType<{ data: string; driverData: string }>({ dataType: () => "xid8" });

/** The audit trail: rows are only ever added (a trigger refuses the rest). Written by services/events.ts only. */
export const events = pgTable(
  "events",
  {
    /** UUIDv7, so that ids sort by time. */
    id: uuid().primaryKey(),
    at: timestamp({ withTimezone: true }).notNull(),
    type: text().notNull(),
    /** Who acted: `user:…`, `client:…`, `operator`, `system`. */
    actor: text().notNull(),
    /** On whom or what, in the same words; `grant:…`, `key:…`, `resource:…` too. */
    subject: text(),
    clientId: text(),
    data: jsonb().$type<Record<string, unknown>>().notNull().default({}),
    requestId: text(),
    address: text(),
    /** The epoch and the transaction that wrote it: the order in which it is sealed (product decision D28). */
    epoch: integer().notNull().default(1),
    transaction: xid8().notNull().default(sql`pg_current_xact_id()`),
  },
  (table) => [
    index("events_subject_index").on(table.subject, table.id),
    index("events_type_index").on(table.type, table.id),
  ],
);
