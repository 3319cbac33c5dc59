import { integer, pgTable, text, timestamp } from "drizzle-orm/pg-core";

/** Counters that guard secrets, shared by every instance. Written by services/rate-limits.ts only. */
export const rateLimits = pgTable("rate_limits", {
  key: text().primaryKey(),
  points: integer().notNull(),
  expire: timestamp({ withTimezone: true }),
});
