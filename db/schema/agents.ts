import { type AnyPgColumn, index, integer, jsonb, pgTable, text, timestamp, uuid } from "drizzle-orm/pg-core";
import { clients } from "./clients";
import { users } from "./users";

/** How well an agent's own account of itself is proven. */
export type AttestationLevel = "none" | "self" | "verified" | "hardware";

/** The agent registry; status and scopes are those of the agent's client. Written by services/agents.ts only. */
export const agents = pgTable(
  "agents",
  {
    /** A ULID. */
    id: text().primaryKey(),
    /** The id that /api/v1 knows the agent by (product decision D5). */
    uuid: uuid().notNull().unique(),
    clientId: text()
      .notNull()
      .unique()
      .references(() => clients.clientId),
    name: text().notNull(),
    description: text(),
    /** A label; who may manage the agent is said by `ownerId` (product decision D30). */
    owner: text(),
    /** The person whose session created it. */
    ownerId: text().references(() => users.id),
    /** The agent it was made by or for: stopped with it. */
    parentId: text().references((): AnyPgColumn => agents.id),
    capabilities: text().array().notNull().default([]),
    /** Bounds every exchange of a token issued to this agent; empty: no bound of its own (product decision D22). */
    allowedExchangeTargets: text().array().notNull().default([]),
    /** Clients that may act with tokens issued to this agent; empty: decided by audience (RFC 8693 §4.4). */
    mayAct: text().array().notNull().default([]),
    /** What its registrant keeps there; never trusted, never put into a token. */
    metadata: jsonb().$type<Record<string, unknown>>().notNull().default({}),
    agentType: text(),
    agentModel: text(),
    agentVersion: text(),
    agentProvider: text(),
    attestationLevel: text().$type<AttestationLevel>().notNull().default("none"),
    createdAt: timestamp({ withTimezone: true }).notNull(),
    createdBy: text().notNull(),
    updatedAt: timestamp({ withTimezone: true }).notNull(),
    version: integer().notNull().default(1),
  },
  (table) => [
    index("agents_owner_id_index").on(table.ownerId),
    index("agents_parent_id_index").on(table.parentId),
  ],
);
