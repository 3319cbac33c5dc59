import type { ResourceScope, Role } from "@/db/schema/resources";
import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { type DetailsTerms, noTerms } from "@/lib/oauth/details-terms";
import { describeIdentityScope, IDENTITY_SCOPE_NAMES, isIdentityScope } from "@/lib/oauth/identity-scope";
import { findResource, parseResource, sameResource } from "@/lib/oauth/resource";
import { intersectScope, unionScope } from "@/lib/oauth/scope";
import { type Client, isOperatorRegistered } from "./clients";
import { findRegisteredResource, listResources, listResourcesRecently, type Resource } from "./resources";

/** What a token can be for: a registered resource, or one that only its identifier is known of. */
export type Target = {
  resource: string;
  name: string;
  scopes: readonly ResourceScope[];
  registered: boolean;
  /** What authorization details can say there; absent: nothing. */
  detailsTerms?: DetailsTerms;
};

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
  const { resource, name, aliases, scopes, authorizationDetailsTypes: types } = found;
  const target = { resource, name, registered: true, detailsTerms: { resource, aliases, types } };
  if (resource !== settings.serverUrl) return { ...target, scopes };
  // Whoever lists them here means what they say of a person, which a person gives and no client has for itself.
  const own = [...scopes, ...settings.scopesSupported.map((each) => describeScope({ scopes: [] }, each))];
  return { ...target, scopes: own.filter((scope) => !isIdentityScope(scope.name)) };
}

/** What authorization details can say at a resource that tokens are for already. */
export async function detailsTermsAt(ctx: Context, resource: string): Promise<DetailsTerms> {
  const target = registeredTarget(ctx, await listResourcesRecently(ctx), resource);
  return target?.detailsTerms ?? noTerms(resource);
}

/** With `AUTHGENT_RESOURCE_MATCH=origin` any path of a host means the one resource registered there. */
function onlyOfOrigin(
  { resourceMatch }: Context["settings"],
  known: readonly Resource[],
  identifier: string,
) {
  // Tokens may be for an agent or a name, which has no origin.
  if (resourceMatch !== "origin" || !URL.canParse(identifier)) return undefined;
  const { origin } = new URL(identifier);
  const [only, ...others] = known.filter(({ resource }) => new URL(resource).origin === origin);
  return others.length === 0 ? only : undefined;
}

const RANK: Record<Role, number> = { member: 0, approver: 1, admin: 2 };

type Asking = { client: Client; target: Target; asked: readonly string[] | undefined; role?: Role };

/** Whether a person of this role may grant a scope (product decision D19). */
export const roleSuffices = (role: Role, { minimumRole }: ResourceScope): boolean =>
  !minimumRole || RANK[role] >= RANK[minimumRole];

/** Of some scopes at a resource, those that a person of this role may have: asked for, granted, or in a token. */
export async function scopeOfRole(
  ctx: Context,
  { resource, scope }: { resource: string; scope: readonly string[] },
  role: Role,
): Promise<readonly string[]> {
  const target = registeredTarget(ctx, await listResourcesRecently(ctx), resource);
  const withheld = target?.scopes.filter((each) => !roleSuffices(role, each)).map(({ name }) => name) ?? [];
  return scope.filter((name) => !withheld.includes(name));
}

/**
 * The scopes a person may grant a client at a target, in the target's order; those of their role (D19).
 * What an app registered for itself is what it asks for by default and no limit: it may need more when a resource
 * challenges for it, and the person decides (client quirks Q12, Q33). What an operator or the agent registry holds is
 * a limit.
 */
export function grantableScope(ctx: Context, { client, target, asked, role }: Asking): readonly string[] {
  const ofOperator = isOperatorRegistered(client);
  const offered = target.scopes.filter(
    (scope) => (!role || roleSuffices(role, scope)) && (ofOperator || !scope.operatorOnly),
  );
  const names = offered.map(({ name }) => name);
  const known = unionScope(names, registeredElsewhere(ctx, client, target, asked));
  return withinLimit(client, known);
}

/** What an operator or the agent registry lets a client have is a limit. */
export function withinLimit({ kind, scope }: Client, names: readonly string[]): readonly string[] {
  const isLimit = kind === "static" || kind === "agent";
  return scope && isLimit ? intersectScope(names, scope) : names;
}

/**
 * The scopes a client may have for itself, without a person: never beyond its registration, and of those that take
 * a role only what an operator registered it for (product decision D19).
 */
export function ownScope(ctx: Context, asking: Omit<Asking, "role">): readonly string[] {
  const known = grantableScope(
    ctx,
    isOperatorRegistered(asking.client) ? asking : { ...asking, role: "member" },
  );
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
  // What the resource describes is judged by that: naming it in a registration lifts no limit of it.
  const described = target.scopes.map(({ name }) => name);
  const notElsewhere = [...described, ...HARMLESS];
  return own.filter((name) => !name.startsWith("admin:") && !notElsewhere.includes(name));
}

/**
 * Asking for these is no mistake and no power over a resource: a refresh token comes anyway (client quirk Q30),
 * and some clients ask every server for the OpenID ones (Q32), which a person may give beside what the resource has.
 */
const HARMLESS = ["offline_access", ...IDENTITY_SCOPE_NAMES];

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
export const describeScope = (target: Pick<Target, "scopes">, name: string): ResourceScope =>
  target.scopes.find((scope) => scope.name === name) ?? describeIdentityScope(name) ?? undescribedScope(name);

/** A scope whose words are only its name. */
export const undescribedScope = (name: string): ResourceScope => ({
  name,
  description: `Use “${name}”`,
  risk: "medium",
});

/** Whether a client that sends `requested` means `resource`; it may repeat the alias or origin it asked with. */
export async function meansResource(ctx: Context, requested: string, resource: string): Promise<boolean> {
  if (sameResource(requested, resource)) return true;
  return (await findRegisteredResource(ctx, requested))?.resource === resource;
}

/** What is registered of the resource that a token is for: its scopes in words, and its types of details. */
export async function targetAt(ctx: Context, resource: string) {
  const known = await listResourcesRecently(ctx);
  const target = registeredTarget(ctx, known, resource);
  const registered = known.find((each) => each.resource === target?.resource);
  return {
    name: target?.name ?? (URL.canParse(resource) ? new URL(resource).host : resource),
    scopes: target?.scopes ?? [],
    types: registered?.authorizationDetailsTypes ?? [],
    detailsTerms: target?.detailsTerms ?? noTerms(resource),
  };
}
