import { asc, eq, sql } from "drizzle-orm";
import { type AuthorizationDetailsType, type ResourceScope, resources } from "@/db/schema/resources";
import { type Context, inTransaction } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { rowId } from "@/lib/ids";
import { findResource, parseResource, sameResource } from "@/lib/oauth/resource";
import { record } from "./events";

export type Resource = typeof resources.$inferSelect;

const MAX_RESOURCES = 10_000;

export const listResources = (ctx: Context): Promise<Resource[]> =>
  ctx.db.select().from(resources).orderBy(asc(resources.createdAt), asc(resources.id)).limit(MAX_RESOURCES);

const RECENT = "resources";

/** The registered resources as they were at most a second ago. */
export const listResourcesRecently = async (ctx: Context): Promise<readonly Resource[]> =>
  (await ctx.recent.read(RECENT, () => listResources(ctx))) ?? [];

/** Lets a client give a person's answer to what agents ask (product decision D2). */
export const DECIDE_SCOPE = "approvals:decide";

/** The server's own resource: what a token is for when nobody names one (client quirk Q27). */
const ownResource = ({ serverUrl }: Context["settings"]) => ({
  resource: serverUrl,
  name: "this authorization server",
  aliases: [] as string[],
  scopes: [
    { name: "account:read", description: "See your name and e-mail address on this server", risk: "low" },
    {
      name: DECIDE_SCOPE,
      description: "Answer for you what agents ask",
      risk: "high",
      // Whoever may answer for a person could let their own agents do anything (product decision D19).
      operatorOnly: true,
    },
  ] satisfies ResourceScope[],
});

/** Our MCP endpoint is a protected resource like any other (product decision D15). */
const mcpResource = ({ serverUrl }: Context["settings"]) => ({
  resource: `${serverUrl}/mcp`,
  name: "Authgent tools",
  aliases: [] as string[],
  scopes: [
    { name: "mcp:tools", description: "Use the tools of this authorization server as you", risk: "low" },
  ] satisfies ResourceScope[],
});

/** Registers the server's own two resources; safe with several instances starting at once. */
export async function ensureOwnResources(ctx: Context): Promise<void> {
  const now = ctx.now();
  await ctx.db
    .insert(resources)
    .values(
      [ownResource(ctx.settings), mcpResource(ctx.settings)].map((own) => ({
        id: rowId(now),
        ...own,
        createdAt: now,
        createdBy: "system",
      })),
    )
    .onConflictDoNothing();
  await addOwnScopes(ctx);
}

/** What this release added to the server's own resource is there after an upgrade too; what an operator said of it stays. */
async function addOwnScopes(ctx: Context): Promise<void> {
  const { resource, scopes } = ownResource(ctx.settings);
  const [known] = await ctx.db.select().from(resources).where(eq(resources.resource, resource));
  const missing = scopes.filter(({ name }) => !known?.scopes.some((scope) => scope.name === name));
  if (!known || missing.length === 0) return;
  await ctx.db
    .update(resources)
    .set({ scopes: [...known.scopes, ...missing] })
    .where(eq(resources.id, known.id));
}

type NewResource = {
  resource: string;
  name: string;
  scopes: readonly ResourceScope[];
  aliases: readonly string[];
  introspectionClients: readonly string[];
  authorizationDetailsTypes: readonly AuthorizationDetailsType[];
  dpopBoundAccessTokensRequired: boolean;
};

/** Registers a protected resource; the same identifier again is a conflict (product decision D17). */
export async function createResource(ctx: Context, input: NewResource, actor: string): Promise<Resource> {
  const identifiers = [input.resource, ...input.aliases].map(parseResource);
  const resource = await inTransaction(ctx, async (tx) => {
    refuseTaken(await listResourcesToChange(tx), identifiers);
    const [created] = await tx.db
      .insert(resources)
      .values({
        id: rowId(tx.now()),
        resource: input.resource,
        name: input.name,
        aliases: [...input.aliases],
        scopes: [...input.scopes],
        introspectionClients: [...input.introspectionClients],
        authorizationDetailsTypes: [...input.authorizationDetailsTypes],
        dpopBoundAccessTokensRequired: input.dpopBoundAccessTokensRequired,
        createdAt: tx.now(),
        createdBy: actor,
      })
      .onConflictDoNothing()
      .returning();
    if (!created) throw new OAuthError("conflict", `${input.resource} is registered already.`);
    await record(tx, {
      type: "resource.created",
      actor,
      subject: `resource:${created.resource}`,
      data: {
        name: created.name,
        scopes: created.scopes.map(({ name }) => name),
        authorizationDetailsTypes: created.authorizationDetailsTypes.map(({ type }) => type),
      },
    });
    return created;
  });
  ctx.recent.forget(RECENT);
  return resource;
}

type ResourceChanges = {
  [Member in Exclude<keyof NewResource, "resource">]?: NewResource[Member] | undefined;
};

/** Changes what is said of a resource; its identifier stays, because tokens and grants carry it. */
export async function updateResource(
  ctx: Context,
  id: string,
  changes: ResourceChanges,
  actor: string,
): Promise<Resource> {
  const { name, scopes, aliases, introspectionClients } = changes;
  const { authorizationDetailsTypes, dpopBoundAccessTokensRequired } = changes;
  const identifiers = (aliases ?? []).map(parseResource);
  const changed = await inTransaction(ctx, async (tx) => {
    const known = await listResourcesToChange(tx);
    const others = known.filter((other) => other.id !== id);
    const before = known.find((each) => each.id === id);
    if (!before) throw unknownResource();
    refuseTaken(others, identifiers);
    const [updated] = await tx.db
      .update(resources)
      .set({
        name,
        ...(scopes && { scopes: scopes.map((scope) => asReserved(before, scope)) }),
        ...(aliases && { aliases: [...aliases] }),
        ...(introspectionClients && { introspectionClients: [...introspectionClients] }),
        ...(authorizationDetailsTypes && { authorizationDetailsTypes: [...authorizationDetailsTypes] }),
        dpopBoundAccessTokensRequired,
      })
      .where(eq(resources.id, id))
      .returning();
    if (!updated) throw unknownResource();
    await record(tx, {
      type: "resource.updated",
      actor,
      subject: `resource:${updated.resource}`,
      data: {
        name: updated.name,
        scopes: updated.scopes.map((scope) => scope.name),
        aliases: updated.aliases,
        introspectionClients: updated.introspectionClients,
        authorizationDetailsTypes: updated.authorizationDetailsTypes.map(({ type }) => type),
        dpopBoundAccessTokensRequired: updated.dpopBoundAccessTokensRequired,
      },
    });
    return updated;
  });
  ctx.recent.forget(RECENT);
  return changed;
}

/** What is kept for clients of the operator stays so, whatever else is said of it. */
const asReserved = ({ scopes }: Resource, scope: ResourceScope): ResourceScope => {
  const { operatorOnly } = scopes.find(({ name }) => name === scope.name) ?? {};
  return operatorOnly ? { ...scope, operatorOnly } : scope;
};

const unknownResource = () => new OAuthError("not_found", "There is no resource with this id.");

/** The registered resources, which nobody else changes until the transaction ends: no index keeps aliases apart. */
async function listResourcesToChange(tx: Context): Promise<readonly Resource[]> {
  await tx.db.execute(sql`lock table ${resources} in share row exclusive mode`);
  return listResources(tx);
}

function refuseTaken(known: readonly Resource[], identifiers: readonly string[]): void {
  const names = known.flatMap(({ resource, aliases }) => [resource, ...aliases]);
  const taken = identifiers.find((identifier) => names.some((name) => sameResource(name, identifier)));
  if (taken) throw new OAuthError("conflict", `${taken} is registered already.`);
}

/** A registered resource by identifier or alias; an unambiguous origin will do (client quirk Q26). */
export async function findRegisteredResource(
  ctx: Context,
  identifier: string,
): Promise<Resource | undefined> {
  const recent = findResource(await listResourcesRecently(ctx), identifier);
  if ("found" in recent) return recent.found;
  // Not among those of a second ago: it may have been registered since, here or on another instance.
  const match = findResource(await listResources(ctx), identifier);
  return "found" in match ? match.found : undefined;
}

/** Whether a resource takes tokens bound to a key only, as it was registered at most a second ago. */
export async function requiresBoundTokens(ctx: Context, identifier: string): Promise<boolean> {
  const known = await listResourcesRecently(ctx);
  return known.some(
    ({ resource, dpopBoundAccessTokensRequired }) => dpopBoundAccessTokensRequired && resource === identifier,
  );
}
