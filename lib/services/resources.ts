import { asc } from "drizzle-orm";
import { type ResourceScope, type Role, resources } from "@/db/schema/resources";
import { type Context, inTransaction } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { rowId } from "@/lib/ids";
import { findResource, parseResource, sameResource } from "@/lib/oauth/resource";
import { intersectScope, unionScope } from "@/lib/oauth/scope";
import type { Client } from "./clients";
import { record } from "./events";

export type Resource = typeof resources.$inferSelect;
export type { ResourceScope };

/** What a token can be for: a registered resource, or one that only its identifier is known of. */
export type Target = {
  resource: string;
  name: string;
  scopes: readonly ResourceScope[];
  registered: boolean;
};

const MAX_RESOURCES = 10_000;

export const listResources = (ctx: Context): Promise<Resource[]> =>
  ctx.db.select().from(resources).orderBy(asc(resources.createdAt), asc(resources.id)).limit(MAX_RESOURCES);

const RECENT = "resources";

/** The registered resources as they were at most a second ago. */
const listResourcesRecently = async (ctx: Context): Promise<readonly Resource[]> =>
  (await ctx.recent.read(RECENT, () => listResources(ctx))) ?? [];

/** The server's own resource: what a token is for when nobody names one (client quirk Q27). */
const ownResource = ({ serverUrl }: Context["settings"]) => ({
  resource: serverUrl,
  name: "This authorization server",
  aliases: [] as string[],
  scopes: [
    { name: "account:read", description: "See your name and e-mail address on this server", risk: "low" },
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
}

type NewResource = {
  resource: string;
  name: string;
  scopes: readonly ResourceScope[];
  aliases: readonly string[];
  introspectionClients: readonly string[];
};

/** Registers a protected resource; the same identifier again is a conflict (product decision D17). */
export async function createResource(ctx: Context, input: NewResource, actor: string): Promise<Resource> {
  const identifiers = [input.resource, ...input.aliases].map(parseResource);
  const resource = await inTransaction(ctx, async (tx) => {
    const known = await listResources(tx);
    const names = known.flatMap(({ resource, aliases }) => [resource, ...aliases]);
    const taken = identifiers.find((identifier) => names.some((name) => sameResource(name, identifier)));
    if (taken) throw new OAuthError("conflict", `${taken} is registered already.`);
    const [created] = await tx.db
      .insert(resources)
      .values({
        id: rowId(tx.now()),
        resource: input.resource,
        name: input.name,
        aliases: [...input.aliases],
        scopes: [...input.scopes],
        introspectionClients: [...input.introspectionClients],
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
      data: { name: created.name, scopes: created.scopes.map(({ name }) => name) },
    });
    return created;
  });
  ctx.recent.forget(RECENT);
  return resource;
}

/** A registered resource by identifier or alias; an unambiguous origin will do (client quirk Q26). */
export async function findRegisteredResource(
  ctx: Context,
  identifier: string,
): Promise<Resource | undefined> {
  const match = findResource(await listResources(ctx), identifier);
  return "found" in match ? match.found : undefined;
}

/** Whether a client that sends `requested` means `resource`; it may repeat the alias or origin it asked with. */
export async function meansResource(ctx: Context, requested: string, resource: string): Promise<boolean> {
  if (sameResource(requested, resource)) return true;
  return (await findRegisteredResource(ctx, requested))?.resource === resource;
}

/**
 * What a client's `resource` parameter means (RFC 8707 §2).
 * Unregistered ones are accepted in local mode, or where the client's registration names them (D17).
 */
export async function resolveTarget(
  ctx: Context,
  client: Client,
  requested: string | undefined,
): Promise<Target> {
  const identifier = requested === undefined ? ctx.settings.serverUrl : parseResource(requested);
  const recent = registeredTarget(ctx, await listResourcesRecently(ctx), identifier);
  if (recent) return recent;
  const byName = { resource: identifier, name: new URL(identifier).host, scopes: [], registered: false };
  if (client.allowedResources.includes(identifier)) return byName;
  // Not among those of a second ago: it may have been registered since, here or on another instance.
  const known = await listResources(ctx);
  const registered = registeredTarget(ctx, known, identifier);
  if (registered) return registered;
  if (ctx.settings.localMode) return byName;
  const match = findResource(known, identifier);
  const near = "found" in match ? [] : match.candidates;
  const candidates = (near.length > 0 ? near : known.map(({ resource }) => resource)).slice(0, 10).join(", ");
  throw new OAuthError(
    "invalid_target",
    `This server does not protect ${identifier}. It knows: ${candidates}.`,
  );
}

function registeredTarget(
  { settings }: Context,
  known: readonly Resource[],
  identifier: string,
): Target | undefined {
  const match = findResource(known, identifier);
  const found = "found" in match ? match.found : onlyOfOrigin(settings, known, identifier);
  if (!found) return undefined;
  const own = found.resource === settings.serverUrl ? settings.scopesSupported : [];
  const scopes = [...found.scopes, ...own.map((name) => describeScope({ scopes: [] }, name))];
  return { resource: found.resource, name: found.name, scopes, registered: true };
}

/** With `AUTHGENT_RESOURCE_MATCH=origin` any path of a host means the one resource registered there. */
function onlyOfOrigin(
  { resourceMatch }: Context["settings"],
  known: readonly Resource[],
  identifier: string,
) {
  if (resourceMatch !== "origin") return undefined;
  const { origin } = new URL(identifier);
  const [only, ...others] = known.filter(({ resource }) => new URL(resource).origin === origin);
  return others.length === 0 ? only : undefined;
}

const RANK: Record<Role, number> = { member: 0, approver: 1, admin: 2 };

type Asking = { client: Client; target: Target; asked: readonly string[] | undefined; role?: Role };

/** Whether a person of this role may grant a scope (product decision D19). */
const mayGrant = (role: Role, { minimumRole }: ResourceScope): boolean =>
  !minimumRole || RANK[role] >= RANK[minimumRole];

/** Of the scopes of a request, those that a person of this role may grant. */
export async function scopeOfRole(
  ctx: Context,
  { resource, scope }: { resource: string; scope: readonly string[] },
  role: Role,
): Promise<readonly string[]> {
  const target = await findRegisteredResource(ctx, resource);
  const withheld = target?.scopes.filter((each) => !mayGrant(role, each)).map(({ name }) => name) ?? [];
  return scope.filter((name) => !withheld.includes(name));
}

/**
 * The scopes a person may grant a client at a target, in the target's order; those of their role (D19).
 * What an app registered for itself is what it asks for by default and no limit: it may need more when a resource
 * challenges for it, and the person decides (client quirks Q12, Q33). What an operator registered is a limit.
 */
export function grantableScope(ctx: Context, { client, target, asked, role }: Asking): readonly string[] {
  const offered = target.scopes.filter((scope) => !role || mayGrant(role, scope));
  const names = offered.map(({ name }) => name);
  const known = unionScope(names, registeredElsewhere(ctx, client, target, asked));
  return client.scope && client.kind === "static" ? intersectScope(known, client.scope) : known;
}

/**
 * The scopes a client may have for itself, without a person: never beyond its registration, and of those that take
 * a role only what an operator registered it for (product decision D19).
 */
export function ownScope(ctx: Context, asking: Omit<Asking, "role">): readonly string[] {
  const known = grantableScope(ctx, asking.client.kind === "static" ? asking : { ...asking, role: "member" });
  return asking.client.scope ? intersectScope(known, asking.client.scope) : known;
}

/**
 * In local mode, and at resources known only by name, what a client registered is known too (D30);
 * at a resource nobody described, the scopes that are asked for are known too: the person reads them and decides.
 */
function registeredElsewhere(
  ctx: Context,
  client: Client,
  target: Target,
  asked: Asking["asked"],
): readonly string[] {
  if (!ctx.settings.localMode && target.registered) return [];
  const own = unionScope(client.scope ?? [], target.registered ? [] : (asked ?? []));
  return own.filter((name) => !name.startsWith("admin:") && !HARMLESS.includes(name));
}

/**
 * Asking for these is no mistake and no power: a refresh token comes anyway (client quirk Q30),
 * and some clients ask every server for the OpenID ones (Q32).
 */
const HARMLESS = ["offline_access", "openid", "profile", "email"];

/** What is asked for beyond the names that are no mistake and no power. */
export const meantScope = (known: readonly string[], asked: readonly string[]): readonly string[] =>
  asked.filter((name) => known.includes(name) || !HARMLESS.includes(name));

/**
 * The scopes a request comes to: unknown ones are dropped as long as one known is left (D21),
 * and a request without any asks for what the client registered, or all it may have there (client quirk Q12).
 */
export function requestedScope(
  grantable: readonly string[],
  asked: readonly string[] | undefined,
  registered: readonly string[] = [],
): readonly string[] {
  const meant = meantScope(grantable, asked ?? []);
  if (meant.length === 0) {
    const byDefault = intersectScope(grantable, registered);
    return byDefault.length > 0 ? byDefault : grantable;
  }
  const known = meant.filter((name) => grantable.includes(name));
  if (known.length > 0) return known;
  const offer =
    grantable.length > 0 ? `Ask for some of: ${grantable.join(" ")}.` : "This client may ask for none here.";
  throw new OAuthError("invalid_scope", `None of the requested scopes is known at this resource. ${offer}`);
}

/** A scope in words; one nobody described is shown by its name, at medium risk (product decision D30). */
export function describeScope(target: Pick<Target, "scopes">, name: string): ResourceScope {
  return (
    target.scopes.find((scope) => scope.name === name) ?? {
      name,
      description: `Use “${name}”`,
      risk: "medium",
    }
  );
}
