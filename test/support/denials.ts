import { and, eq, like } from "drizzle-orm";
import { events } from "@/db/schema/events";
import type { App } from "./client";
import type { TestContext } from "./context";

/** The refusals that a client left in the audit trail: what was refused, by which code, and why (D26). */
export async function denialsOf({ ctx }: TestContext, { clientId }: App): Promise<unknown[]> {
  const rows = await ctx.db
    .select({ type: events.type, data: events.data })
    .from(events)
    .where(and(eq(events.actor, `client:${clientId}`), like(events.type, "%.denied")));
  // Clocks of tests stand still: within one of their moments no event is the earlier one.
  return rows.map(({ type, data: { error, reason } }) => [type, error, reason]).sort();
}
