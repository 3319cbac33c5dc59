import { eq, type SQL, sql } from "drizzle-orm";
import { rowsOf } from "@/db/client";
import { agents } from "@/db/schema/agents";
import { clients } from "@/db/schema/clients";
import type { Context } from "@/lib/context";

/**
 * The clients of an agent and of all that descend from it, the agent's own first; locked until the transaction ends,
 * so that none is added beneath them meanwhile.
 */
export const descendantClientIds = (tx: Context, agentId: string): Promise<string[]> =>
  lockTrees(tx, eq(agents.id, agentId));

/** The clients of the agents a person owns and of all that descend from them, locked likewise. */
export const ownedClientIds = (tx: Context, userId: string): Promise<string[]> =>
  lockTrees(tx, eq(agents.ownerId, userId));

async function lockTrees(tx: Context, areRoots: SQL): Promise<string[]> {
  let known: string[] = [];
  for (;;) {
    // Parents before their children, in every such query: two of these at once wait for each other and never both.
    // So the depth is that from the top of the registry, wherever a query begins.
    const rows = await rowsOf<{ clientId: string }>(
      tx.db.execute(sql`
        with recursive above(root, parent_id, height) as (
          select id, parent_id, 0 from ${agents} where ${areRoots}
          union all
          select above.root, parent.parent_id, height + 1
          from ${agents} parent join above on parent.id = above.parent_id
        ), tree(id, client_id, depth) as (
          select id, client_id, (select max(height) from above where root = id) from ${agents} where ${areRoots}
          union
          select child.id, child.client_id, depth + 1 from ${agents} child join tree on child.parent_id = tree.id
        )
        select tree.client_id as "clientId" from tree join ${clients} on clients.client_id = tree.client_id
        order by tree.depth, tree.id for update of clients`),
    );
    // One that was being made while these rows were locked is seen by the next look only.
    if (rows.length === known.length) return known;
    known = rows.map(({ clientId }) => clientId);
  }
}
