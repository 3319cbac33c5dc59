import { and, desc, eq, gt, inArray, isNull, lt, sql } from "drizzle-orm";
import type { ChainLink } from "@/db/schema/approvals";
import { standingApprovals } from "@/db/schema/standing-approvals";
import { type Context, inTransaction } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { rowId } from "@/lib/ids";
import type { AuthorizationDetail } from "@/lib/oauth/authorization-details";
import { covers, findUncovered } from "@/lib/oauth/details-narrowing";
import { typeOf } from "@/lib/oauth/details-terms";
import { type ActApproval, isAct, lockApproval, settleApproval } from "./approvals";
import { mayDecideNow, mayGive } from "./deciders";
import { record } from "./events";
import type { Answerer } from "./sessions";
import { targetAt } from "./targets";
import { findUser, type User } from "./users";

export type StandingApproval = typeof standingApprovals.$inferSelect;

/** Days without use after which what was allowed is off. */
const IDLE_DAYS = 14;
const DAY = 86_400_000;

/**
 * Why this cannot be allowed from now on, as a sentence; undefined: it can. What matters most is asked each time, and
 * so is what several people decide, what has to be matched, who somebody is, and what came down a chain of agents.
 */
export function whyNotStanding(approval: ActApproval): string | undefined {
  const { risk, quorum, fourEyes, matchNumber, kind, act, clientId } = approval;
  if (risk === "high") return "what is of high risk is asked each time.";
  if (quorum > 1 || fourEyes) return "what several people decide is asked each time.";
  if (matchNumber) return "this agent was refused before, so it is asked each time.";
  if (kind !== "step_up" && kind !== "issuance") return "who you are is asked each time.";
  if (act.subject === undefined || act.acrValues) return "it is asked each time.";
  const isBetween = ({ sub }: ChainLink) => sub !== act.subject && sub !== `client:${clientId}`;
  // An app that holds a person's token is no actor, and yet it was this one and not another.
  if (act.actors.length > 1 || act.chain.some(isBetween))
    return "what came through other agents is asked each time.";
  return undefined;
}

type Bounds = { uses: number; days: number };
type Allowing = Bounds & { approvalId: string; by: Answerer; address?: string | undefined };

/** Allows what a person just approved from now on, within bounds; twice for one approval is once. */
export function allowFromNowOn(ctx: Context, allowing: Allowing): Promise<StandingApproval> {
  const { approvalId, by } = allowing;
  return inTransaction(ctx, async (tx) => {
    const approval = await lockApproval(tx, approvalId);
    if (!approval || !isAct(approval) || approval.decidedBy !== `user:${by.user.id}`)
      throw new OAuthError("not_found", "There is no such question that you said yes to.");
    const why = isYes(approval) ? whyNotStanding(approval) : "you did not say yes to it.";
    if (why) throw new OAuthError("conflict", `This cannot be allowed from now on: ${why}`);
    const [known] = await tx.db
      .select()
      .from(standingApprovals)
      .where(eq(standingApprovals.approvalId, approvalId));
    return known ?? create(tx, approval, allowing);
  });
}

const isYes = ({ status }: ActApproval): boolean => status === "approved" || status === "consumed";

/** Whether this person can allow from now on what they said yes to; of several who did, nobody. */
export const canAllowFromNowOn = (approval: ActApproval, { id }: Pick<User, "id">): boolean =>
  isYes(approval) && approval.decidedBy === `user:${id}` && whyNotStanding(approval) === undefined;

async function create(
  tx: Context,
  { id: approvalId, clientId, act }: ActApproval,
  { by, uses, days, address }: Allowing,
): Promise<StandingApproval> {
  const now = tx.now();
  const { resource, scope, action, authorizationDetails, subject = `client:${clientId}` } = act;
  const [created] = await tx.db
    .insert(standingApprovals)
    .values({
      ...{ id: rowId(now), userId: by.user.id, clientId, subject, resource, scope, approvalId },
      ...{ action: action ?? null, maxUses: uses, createdAt: now },
      authorizationDetails: authorizationDetails ? [...authorizationDetails] : null,
      expiresAt: new Date(now.getTime() + days * DAY),
    })
    .returning();
  if (!created) throw new Error("an insert without conflict clause returns its row");
  await record(tx, {
    type: "standing_approval.created",
    actor: `user:${by.user.id}`,
    subject: `standing:${created.id}`,
    clientId,
    data: { approvalId, resource, scope, uses, days, ...(authorizationDetails && { authorizationDetails }) },
    address,
  });
  return created;
}

/** Of the same client, for the same subject, at the same resource, by the same name. */
const isSameKind = ({ clientId, act }: ActApproval) =>
  and(
    eq(standingApprovals.clientId, clientId),
    eq(standingApprovals.subject, act.subject ?? `client:${clientId}`),
    eq(standingApprovals.resource, act.resource),
    act.action === undefined ? isNull(standingApprovals.action) : eq(standingApprovals.action, act.action),
  );

/** Still good for at least one use. */
const isLive = ({ now }: Pick<Context, "now">) =>
  and(
    isNull(standingApprovals.revokedAt),
    lt(standingApprovals.uses, standingApprovals.maxUses),
    gt(standingApprovals.expiresAt, now()),
    gt(
      sql`coalesce(${standingApprovals.lastUsedAt}, ${standingApprovals.createdAt})`,
      new Date(now().getTime() - IDLE_DAYS * DAY).toISOString(),
    ),
  );

/** Answers a question by what a person allowed before, if that covers it: one use of it, in one statement. */
export async function takeStandingApproval(
  tx: Context,
  approval: ActApproval,
): Promise<ActApproval | undefined> {
  if (whyNotStanding(approval)) return undefined;
  const allowed = await tx.db
    .select()
    .from(standingApprovals)
    .where(and(isSameKind(approval), isLive(tx)))
    .orderBy(standingApprovals.createdAt);
  for (const one of allowed) {
    if (!(await isCovered(tx, one, approval)) || !(await couldSayYes(tx, one, approval))) continue;
    const used = await consumeUse(tx, one.id);
    if (used) return settleBy(tx, approval, used);
  }
  return undefined;
}

async function isCovered(tx: Context, standing: StandingApproval, { act }: ActApproval): Promise<boolean> {
  if (!act.scope.every((name) => standing.scope.includes(name))) return false;
  const held = standing.authorizationDetails;
  const asked = act.authorizationDetails;
  // Without details a scope may mean more than with them.
  if (!held || !asked) return !held && !asked;
  const { detailsTerms } = await targetAt(tx, act.resource);
  const isCover = (one: AuthorizationDetail, detail: AuthorizationDetail) => {
    const type = typeOf(detailsTerms, detail);
    return type !== undefined && one.type === type.type && covers(type, one, detail);
  };
  return findUncovered(held, asked, isCover) === undefined;
}

/** Whoever allowed it could still say yes now. */
async function couldSayYes(tx: Context, { userId }: StandingApproval, approval: ActApproval) {
  const user = await findUser(tx, userId);
  if (user?.status !== "active" || !(await mayDecideNow(tx, approval, user))) return false;
  return mayGive(tx, approval, user.role);
}

async function consumeUse(tx: Context, id: string): Promise<StandingApproval | undefined> {
  const [used] = await tx.db
    .update(standingApprovals)
    .set({ uses: sql`${standingApprovals.uses} + 1`, lastUsedAt: tx.now() })
    .where(and(eq(standingApprovals.id, id), isLive(tx)))
    .returning();
  return used;
}

async function settleBy(tx: Context, approval: ActApproval, used: StandingApproval) {
  const settled = await settleApproval(tx, approval.id, {
    status: "approved",
    answer: { decidedBy: `standing:${used.id}` },
  });
  if (!settled || !isAct(settled)) return undefined;
  await record(tx, {
    type: "standing_approval.used",
    actor: `client:${approval.clientId}`,
    subject: `standing:${used.id}`,
    clientId: approval.clientId,
    data: {
      ...{ approvalId: approval.id, digest: approval.digest, user: `user:${used.userId}` },
      ...{ uses: used.uses, maxUses: used.maxUses },
    },
    address: approval.act.address,
  });
  return settled;
}

/** What a person allowed from now on and is still good, newest first. */
export const listStandingApprovals = (ctx: Context, userId: string): Promise<StandingApproval[]> =>
  ctx.db
    .select()
    .from(standingApprovals)
    .where(and(eq(standingApprovals.userId, userId), isLive(ctx)))
    .orderBy(desc(standingApprovals.createdAt))
    .limit(100);

/** What was allowed from now on at one approval, whatever became of it. */
export async function findStandingOf(
  ctx: Context,
  approvalId: string,
): Promise<StandingApproval | undefined> {
  const [found] = await ctx.db
    .select()
    .from(standingApprovals)
    .where(eq(standingApprovals.approvalId, approvalId));
  return found;
}

/** The person stops what they allowed; false: it is not there, or was stopped. */
export function stopStandingApproval(
  ctx: Context,
  { id, userId, address }: { id: string; userId: string; address: string },
): Promise<boolean> {
  return inTransaction(ctx, async (tx) => {
    const where = and(eq(standingApprovals.id, id), eq(standingApprovals.userId, userId));
    const stopped = await revoke(tx, where, { actor: `user:${userId}`, because: "stopped", address });
    return stopped > 0;
  });
}

/** Ends what was allowed of a kind that somebody now refused, within the caller's transaction. */
export async function endStandingLike(tx: Context, approval: ActApproval, actor: string): Promise<void> {
  await revoke(tx, isSameKind(approval), { actor, because: "refused" });
}

/** Ends what was allowed from now on to clients, or by a person, who were stopped for good: they start without it. */
export async function endStandingOf(
  tx: Context,
  of: { clientIds: readonly string[] } | { userId: string },
  actor: string,
): Promise<void> {
  const { clientId, userId } = standingApprovals;
  const where = "userId" in of ? eq(userId, of.userId) : inArray(clientId, [...of.clientIds]);
  await revoke(tx, and(where), { actor, because: "killed" });
}

type Ending = { actor: string; because: "stopped" | "refused" | "killed"; address?: string };

async function revoke(
  tx: Context,
  where: ReturnType<typeof and>,
  { actor, because, address }: Ending,
): Promise<number> {
  const revoked = await tx.db
    .update(standingApprovals)
    .set({ revokedAt: tx.now() })
    .where(and(where, isNull(standingApprovals.revokedAt)))
    .returning();
  for (const { id, clientId, uses } of revoked)
    await record(tx, {
      type: "standing_approval.revoked",
      actor,
      subject: `standing:${id}`,
      clientId,
      data: { because, uses },
      address,
    });
  return revoked.length;
}
