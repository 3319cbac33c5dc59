import type { Context } from "@/lib/context";
import type { Actor } from "@/lib/oauth/access-token";
import { delegationDepth, extendChain, withRoot } from "@/lib/oauth/actor";
import { sameResource } from "@/lib/oauth/resource";
import { intersectScope } from "@/lib/oauth/scope";
import { GRANT_TYPES } from "@/lib/oauth/token-types";
import type { Decision } from "@/lib/providers/policy/provider";
import { type Agent, areKin, findAgentByClientRecently } from "@/lib/services/agents";
import type { Client } from "@/lib/services/clients";
import { askPolicy } from "@/lib/services/issuing";
import { findRegisteredResource } from "@/lib/services/resources";
import { grantableScope, ownScope, scopeOfRole, type Target } from "@/lib/services/targets";
import type { SubjectToken } from "./subject-token";
import { exchangeTarget } from "./target";

/** What a client asks to be made of a subject token. */
export type Asked = {
  client: Client;
  audience: string | undefined;
  resources: readonly string[];
  /** Undefined: whatever both the subject token and the client's registration have. */
  scope: readonly string[] | undefined;
};

/** What an exchange would come to, and what the policy says of it; nothing is issued yet. */
export type Plan = {
  target: Target;
  scope: readonly string[];
  act: Actor | undefined;
  depth: number;
  decision: Decision;
};

/**
 * Works out an exchange from the subject token and the registrations, and asks the policy (RFC 8693 §2).
 * Kinds of token that are for no resource bring their target along.
 */
export async function planExchange(
  ctx: Context,
  asked: Asked,
  subject: SubjectToken,
  given?: Target,
): Promise<Plan> {
  const { client } = asked;
  const actor = `client:${client.clientId}`;
  const issuedTo =
    subject.issuedTo === undefined ? undefined : await findAgentByClientRecently(ctx, subject.issuedTo);
  const exchangeTargets = issuedTo?.allowedExchangeTargets ?? [];
  const target = given ?? (await exchangeTarget(ctx, asked, { audience: subject.audience, exchangeTargets }));
  const registeredScope = await scopeAt(
    ctx,
    { client, target, asked: asked.scope ?? subject.scope },
    subject,
  );
  const heldScope = subject.scope ?? registeredScope;
  const scope = asked.scope ?? commonScope(heldScope, registeredScope);
  const act = shownChain(ctx, subject.sub, extendChain(subject, actor));
  const depth = delegationDepth(act);
  const facts = {
    issuedTo: subject.issuedTo,
    heldScope,
    requestedScope: scope,
    registeredScope,
    mayAct: subject.mayAct,
    registeredMayAct: issuedTo?.mayAct ?? [],
    mayUseSubjectToken: await mayUseSubjectToken(ctx, client, subject, issuedTo),
    exchangeTargets,
    depth,
    maxDepth: ctx.settings.maxDelegationDepth,
  };
  const token = {
    grantType: GRANT_TYPES.tokenExchange,
    clientId: client.clientId,
    subject: subject.sub,
    scope,
  };
  const decision = await askPolicy(ctx, { ...token, audience: target.resource }, { act, facts });
  return { target, scope, act, depth, decision };
}

/**
 * What the acting client may have at a target, and of that only what the person it acts for may pass on (D19).
 * What a person gave an app stands above what the app registered for itself (client quirks Q12, Q33): where it
 * exchanges its own token, the grant is the limit.
 */
async function scopeAt(
  ctx: Context,
  asking: Parameters<typeof ownScope>[1],
  { role, issuedTo, grantId }: SubjectToken,
): Promise<readonly string[]> {
  const isOwnGrant = grantId !== undefined && issuedTo === asking.client.clientId;
  const scope = isOwnGrant ? grantableScope(ctx, asking) : ownScope(ctx, asking);
  return role ? scopeOfRole(ctx, { resource: asking.target.resource, scope }, role) : scope;
}

/** Verifiers of an earlier system look for the person innermost in `act` (product decision D7). */
const shownChain = ({ settings }: Context, subject: string, act: Actor | undefined): Actor | undefined =>
  settings.delegationRootInAct && subject.startsWith("user:") ? withRoot(act, subject) : act;

/** Without `scope`, what both have; where that is nothing, all that is held, so that the refusal names it. */
function commonScope(held: readonly string[], registered: readonly string[]): readonly string[] {
  const common = intersectScope(held, registered);
  return common.length > 0 ? common : held;
}

/**
 * Whether a client may exchange a token at all: it is its own, it is addressed to it or to a resource it acts for,
 * or it names the client. Tokens for this server itself are exchanged among kin, in local mode by any agent (D30).
 */
async function mayUseSubjectToken(
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
