import { boolean, jsonb, pgTable, text, timestamp } from "drizzle-orm/pg-core";

export type Risk = "low" | "medium" | "high";
export type Role = "member" | "approver" | "admin";

/** Who has to say yes each time something is to be done, and how many of them. */
export type ApprovalRule = {
  approval?: "required" | undefined;
  /** Ids of people, and `group:<name>`; absent: the owner of the agent, or the person it acts for. */
  approvers?: readonly string[] | undefined;
  quorum?: number | undefined;
  fourEyes?: boolean | undefined;
};

/** One scope of a resource, in words a person understands. */
export type ResourceScope = ApprovalRule & {
  name: string;
  description: string;
  risk: Risk;
  /** The least role a person needs to grant it; absent: anybody. */
  minimumRole?: Role | undefined;
  /** Only clients that an operator registered may be given it (product decision D19). */
  operatorOnly?: boolean | undefined;
};

/**
 * A type of authorization details at a resource (RFC 9396 §2). `schema` is JSON Schema for one object of the type; in
 * it `title` is what people read, and `narrowing` says what a smaller value is.
 */
export type AuthorizationDetailsType = ApprovalRule & {
  type: string;
  /** What one object of it allows, with `{member}` for its values: "Pay up to {amount} {currency} to {payee}". */
  words: string;
  risk: Risk;
  schema: Record<string, unknown>;
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
  authorizationDetailsTypes: jsonb().$type<AuthorizationDetailsType[]>().notNull().default([]),
  /** It takes tokens bound to a key only (RFC 9728 §2). */
  dpopBoundAccessTokensRequired: boolean().notNull().default(false),
  createdAt: timestamp({ withTimezone: true }).notNull(),
  createdBy: text().notNull(),
});
