import type { Context } from "@/lib/context";
import type { Actor } from "@/lib/oauth/access-token";
import { delegationDepth, extendChain, withRoot } from "@/lib/oauth/actor";
import type { AuthorizationDetail } from "@/lib/oauth/authorization-details";
import { intersectScope } from "@/lib/oauth/scope";
import { GRANT_TYPES } from "@/lib/oauth/token-types";
import type { Decision } from "@/lib/providers/policy/provider";
import { findAgentByClientRecently } from "@/lib/services/agent-lookup";
import type { Client } from "@/lib/services/clients";
import { askPolicy } from "@/lib/services/issuing";
import type { Target } from "@/lib/services/targets";
import { exchangedDetails } from "./details";
import { allowedAt, boundsOf, mayUseSubjectToken, scopeAt } from "./limits";
import type { SubjectToken } from "./subject-token";
import { exchangeTarget } from "./target";

/** What a client asks to be made of a subject token. */
export type Asked = {
  client: Client;
  audience: string | undefined;
  resources: readonly string[];
  /** Undefined: whatever both the subject token and the client's registration have. */
  scope: readonly string[] | undefined;
  /** Undefined: what the subject token has and the target knows. */
  authorizationDetails: readonly AuthorizationDetail[] | undefined;
  /** Thumbprint of the key that the request proves to hold. */
  jkt: string | undefined;
};

/** What an exchange would come to, and what the policy says of it; nothing is issued yet. */
export type Plan = {
  target: Target;
  scope: readonly string[];
  /** Undefined: the subject token has none, and none were asked for. */
  authorizationDetails: readonly AuthorizationDetail[] | undefined;
  act: Actor | undefined;
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
  const named = issuedTo?.byOperator || ctx.settings.localMode ? exchangeTargets : [];
  const target = given ?? (await exchangeTarget(ctx, asked, { audience: subject.audience, named }));
  // Where nothing says a scope but registrations, what is asked for adds nothing to them (security case 108).
  const wanted = subject.scope && (asked.scope ?? subject.scope);
  const registeredScope = await scopeAt(ctx, { client, target, asked: wanted }, subject);
  const allowed = given ? undefined : await allowedAt(ctx, subject, target, { client, named });
  const said = subject.scope ?? registeredScope;
  const heldScope = allowed?.scope ? intersectScope(said, allowed.scope) : said;
  const scope = asked.scope ?? commonScope(heldScope, registeredScope);
  const { details: authorizationDetails, problem } = await exchangedDetails(ctx, asked, subject, {
    target,
    saysNone: given !== undefined,
    elsewhere: allowed !== undefined,
  });
  const act = shownChain(ctx, subject.sub, extendChain(subject, actor));
  const facts = {
    issuedTo: subject.issuedTo,
    heldScope,
    requestedScope: scope,
    detailsProblem: problem,
    registeredScope,
    mayAct: subject.mayAct,
    registeredMayAct: issuedTo?.mayAct ?? [],
    mayUseSubjectToken: await mayUseSubjectToken(ctx, client, subject, issuedTo),
    exchangeTargets,
    exchangeBounds: await boundsOf(ctx, subject),
    allowedElsewhere: allowed?.elsewhere,
    boundTo: subject.boundTo,
    provenKey: asked.jkt,
    keyPolicy: ctx.settings.dpopChainPolicy,
    exchanges: Math.max(0, subject.lineage.length - 1),
    depth: delegationDepth(act),
    maxDepth: ctx.settings.maxDelegationDepth,
  };
  const token = {
    grantType: GRANT_TYPES.tokenExchange,
    clientId: client.clientId,
    subject: subject.sub,
    scope,
    authorizationDetails,
  };
  const decision = await askPolicy(ctx, { ...token, audience: target.resource }, { act, facts });
  return { target, scope, authorizationDetails, act, decision };
}

/** Verifiers of an earlier system look for the person innermost in `act` (product decision D7). */
const shownChain = ({ settings }: Context, subject: string, act: Actor | undefined): Actor | undefined =>
  settings.delegationRootInAct && subject.startsWith("user:") ? withRoot(act, subject) : act;

/** Without `scope`, what both have; where that is nothing, all that is held, so that the refusal names it. */
function commonScope(held: readonly string[], registered: readonly string[]): readonly string[] {
  const common = intersectScope(held, registered);
  return common.length > 0 ? common : held;
}
