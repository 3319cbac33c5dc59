import { and, desc, eq, isNull, lt, or, sql } from "drizzle-orm";
import { clients } from "@/db/schema/clients";
import { grants } from "@/db/schema/grants";
import { resources } from "@/db/schema/resources";
import { users } from "@/db/schema/users";
import { type Context, inTransaction } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { rowId } from "@/lib/ids";
import { record } from "./events";
import { withoutStrays } from "./identity";

/** What a person lets an app do at one resource, until they stop it. */
export type StandingGrant = typeof grants.$inferSelect;

type GrantKey = { userId: string; clientId: string; resource: string };

/** The standing grant of a person for an app at a resource, if they gave one and did not stop it. */
export async function findStandingGrant(ctx: Context, { userId, clientId, resource }: GrantKey) {
  const [grant] = await ctx.db
    .select()
    .from(grants)
    .where(
      and(
        eq(grants.userId, userId),
        eq(grants.clientId, clientId),
        eq(grants.resource, resource),
        eq(grants.status, "active"),
      ),
    );
  return grant;
}

/** A grant with the person who gave it, in whatever state. */
export async function findGrant(ctx: Context, id: string) {
  const [row] = await ctx.db
    .select({ grant: grants, user: users })
    .from(grants)
    .innerJoin(users, eq(users.id, grants.userId))
    .where(eq(grants.id, id));
  return row;
}

/** Adds scopes to the standing grant, or makes it: consent only ever grows it (MCP 2026-07-28, incremental consent). */
export async function extendGrant(
  tx: Context,
  key: GrantKey,
  scope: readonly string[],
): Promise<StandingGrant> {
  const now = tx.now();
  const [grant] = await tx.db
    .insert(grants)
    .values({ id: rowId(now), ...key, scope: [...scope], createdAt: now, updatedAt: now })
    .onConflictDoUpdate({
      target: [grants.userId, grants.clientId, grants.resource],
      targetWhere: sql`status = 'active'`,
      set: {
        scope: sql`array(select distinct unnest(${grants.scope} || excluded.scope) order by 1)`,
        version: sql`${grants.version} + 1`,
        updatedAt: now,
      },
    })
    .returning();
  if (!grant) throw new Error("an upsert returns its row");
  return grant;
}

/** A grant as its owner sees it, with the app and the resource it is about. */
export type GrantOverview = {
  grant: StandingGrant;
  client: typeof clients.$inferSelect | null;
  resource: typeof resources.$inferSelect | null;
};

/** All grants a person gave, newest first: live ones and the stopped ones that remain as a record. */
export const listGrants = (ctx: Context, userId: string): Promise<GrantOverview[]> =>
  ctx.db
    .select({ grant: grants, client: clients, resource: resources })
    .from(grants)
    .leftJoin(clients, eq(clients.clientId, grants.clientId))
    .leftJoin(resources, eq(resources.resource, grants.resource))
    .where(eq(grants.userId, userId))
    .orderBy(desc(grants.createdAt))
    .limit(500);

/** Stops an app for its owner: every token that came from the grant is refused from this commit on. */
export function stopGrant(
  ctx: Context,
  { userId, grantId }: { userId: string; grantId: string },
): Promise<StandingGrant> {
  return inTransaction(ctx, async (tx) => {
    const [grant] = await tx.db
      .update(grants)
      .set({ status: "revoked", revokedAt: tx.now(), revokedBy: `user:${userId}` })
      .where(and(eq(grants.id, grantId), eq(grants.userId, userId), eq(grants.status, "active")))
      .returning();
    // Somebody else's grant and one that never was look the same.
    if (!grant)
      throw new OAuthError(
        "not_found",
        "There is no such active connection. It may have been stopped already.",
      );
    await record(tx, {
      type: "agent_access.stopped",
      actor: `user:${userId}`,
      subject: `grant:${grant.id}`,
      clientId: grant.clientId,
      data: { resource: grant.resource },
    });
    return grant;
  });
}

/** Ends everything that a person allowed or that an app was allowed, within the caller's transaction, which records the event. */
export async function revokeGrantsOf(
  tx: Context,
  of: { userId: string } | { clientId: string },
  revokedBy: string,
): Promise<void> {
  const theirs = "userId" in of ? eq(grants.userId, of.userId) : eq(grants.clientId, of.clientId);
  await tx.db
    .update(grants)
    .set({ status: "revoked", revokedAt: tx.now(), revokedBy })
    .where(and(theirs, eq(grants.status, "active")));
}

/** Takes scopes away from a grant; tokens already out lose them at their next check or refresh. */
export function narrowGrant(
  ctx: Context,
  { userId, grantId, keep }: { userId: string; grantId: string; keep: readonly string[] },
): Promise<StandingGrant> {
  return inTransaction(ctx, async (tx) => {
    const [grant] = await tx.db
      .select()
      .from(grants)
      .where(and(eq(grants.id, grantId), eq(grants.userId, userId), eq(grants.status, "active")))
      .for("update");
    if (!grant)
      throw new OAuthError(
        "not_found",
        "There is no such active connection. It may have been stopped already.",
      );
    const left = grant.scope.filter((name) => keep.includes(name));
    const scope = [...(await withoutStrays(tx, { resource: grant.resource, scope: left }))];
    if (scope.length === 0) {
      throw new OAuthError("validation_failed", "Keep at least one permission, or stop the app instead.");
    }
    const [narrowed] = await tx.db
      .update(grants)
      .set({ scope, version: grant.version + 1, updatedAt: tx.now() })
      .where(eq(grants.id, grant.id))
      .returning();
    await record(tx, {
      type: "agent_access.narrowed",
      actor: `user:${userId}`,
      subject: `grant:${grant.id}`,
      clientId: grant.clientId,
      data: { before: grant.scope, after: scope },
    });
    return narrowed ?? grant;
  });
}

/** Notes that a grant was used. Best effort: never part of what a request promises. */
export async function touchGrantUse(ctx: Context, grantId: string): Promise<void> {
  const now = ctx.now();
  // Deferred work of two requests may come in either order.
  const isLater = or(isNull(grants.lastUsedAt), lt(grants.lastUsedAt, now));
  await ctx.db
    .update(grants)
    .set({ lastUsedAt: now })
    .where(and(eq(grants.id, grantId), isLater));
}
