import { index, integer, jsonb, pgTable, text, timestamp } from "drizzle-orm/pg-core";
import type { AuthorizationDetail } from "./authorization-details";

/**
 * What a person allows from now on without being asked each time: the same kind of act, within bounds, so many times.
 * Written by services/standing-approvals.ts only.
 */
export const standingApprovals = pgTable(
  "standing_approvals",
  {
    id: text().primaryKey(),
    /** Who allows it, and for whom it counts. */
    userId: text().notNull(),
    clientId: text().notNull(),
    subject: text().notNull(),
    resource: text().notNull(),
    scope: text().array().notNull(),
    action: text(),
    /** The widest details that it covers, as they were approved; null: none. */
    authorizationDetails: jsonb().$type<AuthorizationDetail[]>(),
    /** The approval it was made at. */
    approvalId: text().notNull(),
    maxUses: integer().notNull(),
    uses: integer().notNull().default(0),
    createdAt: timestamp({ withTimezone: true }).notNull(),
    expiresAt: timestamp({ withTimezone: true }).notNull(),
    lastUsedAt: timestamp({ withTimezone: true }),
    revokedAt: timestamp({ withTimezone: true }),
  },
  (table) => [
    index("standing_approvals_client_id_index").on(table.clientId),
    index("standing_approvals_user_id_index").on(table.userId),
  ],
);
