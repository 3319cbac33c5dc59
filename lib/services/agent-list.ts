import { and, count, desc, eq, lt } from "drizzle-orm";
import { agents } from "@/db/schema/agents";
import { type ClientStatus, clients } from "@/db/schema/clients";
import type { Context } from "@/lib/context";
import { type Agent, selectAgents, toAgent } from "./agent-lookup";

type Page = { offset: number; limit: number; cursor?: string | undefined };
type Filter = {
  status?: ClientStatus | undefined;
  owner?: string | undefined;
  ownerId?: string | undefined;
};

/** Some of the agents, newest first, how many there are of that kind, and where the next page begins. */
export async function listAgents(
  ctx: Context,
  { status, owner, ownerId, offset, limit, cursor }: Filter & Page,
): Promise<{ items: Agent[]; total: number; nextCursor: string | null }> {
  const filter = and(
    status && eq(clients.status, status),
    owner === undefined ? undefined : eq(agents.owner, owner),
    ownerId === undefined ? undefined : eq(agents.ownerId, ownerId),
  );
  const [counted] = await ctx.db
    .select({ total: count() })
    .from(agents)
    .innerJoin(clients, eq(clients.clientId, agents.clientId))
    .where(filter);
  // A ULID sorts by time, and no two are the same: a page neither repeats nor skips what was there before it.
  const rows = await selectAgents(ctx)
    .where(cursor === undefined ? filter : and(filter, lt(agents.id, cursor)))
    .orderBy(desc(agents.id))
    .offset(offset)
    .limit(limit + 1);
  const items = rows.slice(0, limit).map(toAgent);
  const nextCursor = rows.length > limit ? (items.at(-1)?.id ?? null) : null;
  return { items, total: counted?.total ?? 0, nextCursor };
}
