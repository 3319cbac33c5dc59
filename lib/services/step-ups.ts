import type { AskedAct } from "@/db/schema/approvals";
import { type Context, inTransaction } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { timeOrderedUuid } from "@/lib/ids";
import { type Actor, parseActor } from "@/lib/oauth/access-token";
import { actorsOf } from "@/lib/oauth/actor";
import type { AuthorizationDetail } from "@/lib/oauth/authorization-details";
import { isIdentityScope } from "@/lib/oauth/identity-scope";
import { digestOf, requestAct } from "./acts";
import { findAgent } from "./agent-lookup";
import { isOfActivePeople } from "./approval-decisions";
import { spendApproval } from "./approval-ends";
import { type ActApproval, APPROVED_TTL, findApproval, isAct } from "./approvals";
import { chainLinksOf } from "./chain-links";
import { type Client, findClient } from "./clients";
import { record } from "./events";
import { mintAccessToken, requireKeyWhereNeeded } from "./issuing";
import { requestedDetails } from "./requested-details";
import { resolveTarget, type Target } from "./targets";
import { isUnrevoked, type LiveToken } from "./token-state";
import { storeAccessToken } from "./tokens";

/** What an agent asks a person to allow, once. */
export type NewStepUp = {
  client: Client;
  /** The token that the agent acts with; absent: it acts for itself. */
  token?: LiveToken | undefined;
  /** Thumbprint of the key that the request proves to hold. */
  jkt: string | undefined;
  action: string;
  scope: readonly string[];
  resource: string | undefined;
  authorizationDetails?: readonly AuthorizationDetail[] | undefined;
  said: AskedAct["said"];
  asSent: AskedAct["asSent"];
  matchNumber?: boolean | undefined;
  patience?: number | undefined;
  address: string;
  userAgent?: string | undefined;
};

/** The client behind the `agent_id` of a request: the agent's ULID and UUID are taken too (product decision D30). */
export async function findAskingClient(ctx: Context, agentId: string): Promise<Client | undefined> {
  const named = agentId.replace(/^client:/, "");
  const agent = await findAgent(ctx, named);
  return findClient(ctx, agent?.clientId ?? named);
}

/** Puts an agent's question to people: whether it may do something once, also beyond its registration (D30). */
export async function requestStepUp(ctx: Context, asked: NewStepUp): Promise<ActApproval> {
  const { client, token, jkt, action, scope, said, asSent, address, userAgent } = asked;
  const target = await resolveTarget(ctx, client, asked.resource);
  const { resource } = target;
  if (token) requireOwnAudience(ctx, token, resource);
  requireAskable(ctx, target, scope);
  const { authorizationDetails: details } = asked;
  const authorizationDetails = details && requestedDetails(client, target, details);
  const boundTo = token ? token.claims.cnf?.jkt : jkt;
  // Before anybody is asked: a yes that no token can come of is worth nothing.
  await requireKeyWhereNeeded(ctx, { audience: resource, jkt: boundTo });
  const subject = token?.claims.sub ?? `client:${client.clientId}`;
  const held = token ? token.scope : (client.scope ?? []);
  return requestAct(ctx, {
    kind: "step_up",
    client,
    matchNumber: asked.matchNumber,
    patience: asked.patience,
    act: {
      ...{ subject, action, resource, scope: [...scope], authorizationDetails, jkt: boundTo },
      actors: [...actorsOf(token?.claims.act)],
      chain: await chainLinksOf(ctx, {
        subject,
        lineage: token?.row.lineage ?? [],
        requester: { clientId: client.clientId, name: client.name, scope: held },
      }),
      ...{ said, asSent, address, userAgent },
      ...(token && { parent: parentOf(token) }),
    },
  });
}

const parentOf = ({ claims, row }: LiveToken): NonNullable<AskedAct["parent"]> => ({
  jti: claims.jti,
  lineage: row.lineage,
  ...(claims.act && { act: claims.act }),
  ...(row.grantId && { grantId: row.grantId }),
  ...(row.familyId && { familyId: row.familyId }),
});

/**
 * A resource sees the tokens that agents bring it: with one of them it must not be able to ask for anything elsewhere, nor
 * to get it.
 */
export function requireOwnAudience(
  { settings }: Pick<Context, "settings">,
  { claims: { aud } }: LiveToken,
  resource: string,
): void {
  if (aud === settings.serverUrl || aud === resource || settings.localMode) return;
  throw new OAuthError(
    "invalid_target",
    `A token for ${aud} is for step-ups there: name it as resource, or send a token for ${settings.serverUrl}.`,
  );
}

/**
 * What nobody gives an agent this way: the management of this server, what only an operator hands out (D19, D30), and
 * who somebody is, which they say themselves by signing in.
 */
function requireAskable(
  { settings }: Context,
  { scopes, registered, resource }: Target,
  asked: readonly string[],
) {
  const known = (name: string) => scopes.find((each) => each.name === name);
  const isNever = (name: string) =>
    name.startsWith("admin:") || isIdentityScope(name) || known(name)?.operatorOnly === true;
  const never = asked.filter(isNever);
  if (never.length > 0)
    throw new OAuthError("invalid_scope", `No person gives an agent: ${never.join(" ")}. Leave it out.`);
  if (!registered || settings.localMode) return;
  const unknown = asked.filter((name) => !known(name));
  if (unknown.length === 0) return;
  const offered = scopes.filter(({ name }) => !isNever(name)).map(({ name }) => name);
  throw new OAuthError(
    "invalid_scope",
    `${resource} does not know: ${unknown.join(" ")}. It knows: ${offered.join(" ") || "none"}.`,
  );
}

/** A step-up by its id, in whatever state; questions of other kinds are none. */
export async function findStepUp(ctx: Context, id: string): Promise<ActApproval | undefined> {
  const approval = await findApproval(ctx, id);
  return approval?.kind === "step_up" && isAct(approval) ? approval : undefined;
}

/**
 * The token for what a person allowed, and for nothing else: whoever of the agent's own asks first gets it, once.
 * Undefined: there is none, or none any more, or the token that the agent acted with was revoked meanwhile.
 */
export async function takeStepUpToken(
  ctx: Context,
  approval: ActApproval,
  address: string,
): Promise<string | undefined> {
  const { id, act, clientId, digest } = approval;
  if (approval.status !== "approved" || approval.expiresAt <= ctx.now()) return undefined;
  if (digestOf(approval, act) !== digest) throw new Error(`approval ${id} is not what was approved`);
  if (!(await standsStill(ctx, approval))) return undefined;
  const minted = await mintFor(ctx, approval);
  const taken = await inTransaction(ctx, async (tx) => {
    const { jti, scope, audience } = minted.row;
    if (!(await spendApproval(tx, approval, { jti, address }))) return false;
    await storeAccessToken(tx, minted);
    await record(tx, {
      type: "token.issued",
      actor: `client:${clientId}`,
      subject: `token:${jti}`,
      clientId,
      address,
      data: {
        ...{ grantType: GRANT_TYPE, scope, audience, principal: act.subject, actors: act.actors },
        ...{ approval: id, parent: act.parent?.jti ?? null },
        ...(act.authorizationDetails && { authorizationDetails: act.authorizationDetails }),
      },
    });
    return true;
  });
  return taken ? minted.token : undefined;
}

/** Not one that the token endpoint takes: what policies and the audit trail call it. */
const GRANT_TYPE = "step_up";

/** Whether what the yes stands on is still good: who said it, the token that the agent acted with, and the agent. */
async function standsStill(ctx: Context, approval: ActApproval): Promise<boolean> {
  const { act, clientId } = approval;
  if (!(await isOfActivePeople(ctx, approval))) return false;
  if (act.parent && !(await isUnrevoked(ctx, act.parent.jti))) return false;
  return (await findClient(ctx, clientId))?.status === "active";
}

function mintFor(ctx: Context, approval: ActApproval) {
  const { id, act, clientId, digest, decidedBy } = approval;
  const { parent, subject = `client:${clientId}` } = act;
  const issuedAt = ctx.now();
  // How somebody else signed in is nothing to say of the person it is for.
  const ownYes = decidedBy === subject;
  const actor: Actor | undefined = parent?.act === undefined ? undefined : parseActor(parent.act);
  return mintAccessToken(ctx, {
    grantType: GRANT_TYPE,
    ...{ clientId, subject, audience: act.resource, ttl: APPROVED_TTL, jkt: act.jkt },
    ...{ scope: act.scope, approvedScope: act.scope, approvalId: id, approvedDigest: digest },
    authorizationDetails: act.authorizationDetails,
    ...{ grantId: parent?.grantId, familyId: parent?.familyId },
    ...(ownYes && { authTime: approval.authTime ?? undefined, amr: approval.amr ?? undefined }),
    delegated: {
      ...{ jti: timeOrderedUuid(issuedAt), issuedAt, act: actor },
      lineage: parent ? [...parent.lineage, parent.jti] : [],
    },
  });
}
