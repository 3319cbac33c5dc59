import { jsonb, pgTable, text, timestamp } from "drizzle-orm/pg-core";

export type Risk = "low" | "medium" | "high";
export type Role = "member" | "approver" | "admin";

/** One scope of a resource, in words a person understands. */
export type ResourceScope = {
  name: string;
  description: string;
  risk: Risk;
  /** The least role a person needs to grant it; absent: anybody. */
  minimumRole?: Role | undefined;
};

/** Protected resources (MCP servers, APIs). Written by services/resources.ts only. */
export const resources = pgTable("resources", {
  id: text().primaryKey(),
  /** The resource identifier, which becomes `aud` (RFC 8707 §2). */
  resource: text().notNull().unique(),
  name: text().notNull(),
  aliases: text().array().notNull().default([]),
  scopes: jsonb().$type<ResourceScope[]>().notNull(),
  /** Clients that act as this resource and may therefore introspect tokens meant for it. */
  introspectionClients: text().array().notNull().default([]),
  createdAt: timestamp({ withTimezone: true }).notNull(),
  createdBy: text().notNull(),
});
