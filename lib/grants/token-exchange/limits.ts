import type { Context } from "@/lib/context";
import { sameResource } from "@/lib/oauth/resource";
import { type Agent, areKin, findAgentByClientRecently } from "@/lib/services/agent-lookup";
import { type Client, isOperatorRegistered } from "@/lib/services/clients";
import { findStandingGrant } from "@/lib/services/grants";
import { findRegisteredResource } from "@/lib/services/resources";
import { grantableScope, ownScope, scopeOfRole, type Target } from "@/lib/services/targets";
import type { SubjectToken } from "./subject-token";

/**
 * What a person allowed the app of their grant at a target: at the grant's own resource everything it says, at
 * another one what they allowed there (D22, D30). Undefined: no grant bounds it, or an operator named the target,
 * for the agent that holds the token or for the client that acts.
 */
export async function allowedAt(
  ctx: Context,
  { grant }: SubjectToken,
  { resource, registered }: Target,
  { client, named }: { client: Client; named: readonly string[] },
): Promise<{ scope?: readonly string[]; elsewhere?: string } | undefined> {
  const isBound = grant && registered && !ctx.settings.localMode && grant.resource !== resource;
  if (!isBound) return undefined;
  const own = isOperatorRegistered(client) ? client.allowedResources : [];
  if ([...named, ...own].some((target) => sameResource(target, resource))) return undefined;
  const { userId, clientId } = grant;
  const there = await findStandingGrant(ctx, { userId, clientId, resource });
  return there ? { scope: there.scope } : { elsewhere: grant.resource };
}

/** The lists of exchange targets of those who handed the token on. */
export async function boundsOf(
  ctx: Context,
  { holders = [] }: SubjectToken,
): Promise<readonly (readonly string[])[]> {
  const agents = await Promise.all(holders.map((clientId) => findAgentByClientRecently(ctx, clientId)));
  return agents.flatMap((agent) => (agent ? [agent.allowedExchangeTargets] : []));
}

/**
 * What the acting client may have at a target, and of that only what the person it acts for may pass on (D19).
 * What a person gave an app stands above what the app registered for itself (client quirks Q12, Q33): where it
 * exchanges its own token, the grant is the limit.
 */
export async function scopeAt(
  ctx: Context,
  asking: Parameters<typeof ownScope>[1],
  { role, issuedTo, grantId, scope: subjectScope }: SubjectToken,
): Promise<readonly string[]> {
  const isOwnGrant = grantId !== undefined && issuedTo === asking.client.clientId;
  const scope = isOwnGrant ? grantableScope(ctx, asking) : ownScope(ctx, asking);
  // Nothing but registrations says what an ID token comes to: an operator's, not the client's own word (case 108).
  const isSaid = scopeIsSaid(ctx, asking.client, subjectScope);
  if (!isSaid) return [];
  return role ? scopeOfRole(ctx, { resource: asking.target.resource, scope }, role) : scope;
}

const scopeIsSaid = (
  { settings }: Context,
  client: Client,
  subjectScope: readonly string[] | undefined,
): boolean =>
  subjectScope !== undefined ||
  (client.scope !== null && (settings.localMode || isOperatorRegistered(client)));

/**
 * Whether a client may exchange a token at all: it is its own, it is addressed to it or to a resource it acts for,
 * or it names the client. Tokens for this server itself are exchanged among kin, in local mode by any agent (D30).
 */
export async function mayUseSubjectToken(
  ctx: Context,
  client: Client,
  { issuedTo, audience, mayAct }: SubjectToken,
  holder: Agent | undefined,
): Promise<boolean> {
  const { clientId, allowedResources } = client;
  // Another server's assertion was verified to be for us, or for this client.
  if (issuedTo === undefined || issuedTo === clientId || audience === undefined || audience === clientId)
    return true;
  // The rule on may_act judges whom it names.
  if (mayAct !== undefined || holder?.mayAct.includes(clientId)) return true;
  if (allowedResources.some((resource) => sameResource(resource, audience))) return true;
  const resource = /^https?:/.test(audience) ? await findRegisteredResource(ctx, audience) : undefined;
  if (resource?.introspectionClients.includes(clientId)) return true;
  if (resource && resource.resource !== ctx.settings.serverUrl) return false;
  if (ctx.settings.localMode) return true;
  return !audience.startsWith("agnt_") && areKin(holder, await findAgentByClientRecently(ctx, clientId));
}
