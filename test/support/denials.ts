import { and, asc, eq, like } from "drizzle-orm";
import { events } from "@/db/schema/events";
import type { App } from "./client";
import type { TestContext } from "./context";

/** The refusals that a client left in the audit trail, in order: what was refused, by which code, and why (D26). */
export async function denialsOf({ ctx }: TestContext, { clientId }: App): Promise<unknown[]> {
  const rows = await ctx.db
    .select({ type: events.type, data: events.data })
    .from(events)
    .where(and(eq(events.actor, `client:${clientId}`), like(events.type, "%.denied")))
    .orderBy(asc(events.id));
  return rows.map(({ type, data: { error, reason } }) => [type, error, reason]);
}
