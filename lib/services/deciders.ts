import { and, arrayContains, arrayOverlaps, eq, gt, inArray, ne, or, type SQL, sql } from "drizzle-orm";
import { approvals } from "@/db/schema/approvals";
import type { Role } from "@/db/schema/resources";
import type { Context } from "@/lib/context";
import { findAgentByClientRecently } from "./agent-lookup";
import { highest, rulingOf } from "./approval-rules";
import { type ActApproval, type Approval, isAct, listApprovals } from "./approvals";
import { listNamedPeople } from "./named-people";
import { describeScope, roleSuffices, targetAt } from "./targets";
import type { User } from "./users";

/** Roles that decide about any agent's request (product decision D30). */
const DECIDING_ROLES: readonly Role[] = ["approver", "admin"];

type Decider = Pick<User, "id" | "role" | "groups">;

/**
 * Whether a person may answer a question: the one whom it is for alone; else whoever is named, or where nobody is named
 * the owner of the agent and the person on whose behalf it acts; and those whose role lets them (product decision D30).
 * Agents answer nothing: there is no way to say one here.
 */
export function mayDecide(approval: Approval, { id, role, groups }: Decider): boolean {
  const { kind, userId, subjectUserId, ownerId, approverIds, approverGroups, fourEyes } = approval;
  if (kind === "consent" || kind === "device" || kind === "ciba") return userId === id;
  if (fourEyes && (subjectUserId === id || ownerId === id)) return false;
  if (DECIDING_ROLES.includes(role)) return true;
  if (approverIds.length + approverGroups.length === 0) return subjectUserId === id || ownerId === id;
  return approverIds.includes(id) || approverGroups.some((group) => groups.includes(group));
}

/**
 * A question under the rules of now: where they have become stricter since it was asked, a yes takes what they say.
 * Whether one person alone may still say it is judged when their yes is used.
 */
export async function underRulesNow(ctx: Context, approval: ActApproval): Promise<ActApproval> {
  const now = await rulingOf(ctx, approval.act);
  const risk = highest([approval.risk, now.risk]);
  if (!isAskedOfMany(approval)) return { ...approval, risk };
  const { approverIds, approverGroups } = now;
  return {
    ...approval,
    risk,
    quorum: Math.max(approval.quorum, now.quorum),
    fourEyes: approval.fourEyes || now.fourEyes,
    ...(approverIds.length + approverGroups.length > 0 && {
      approverIds: [...approverIds],
      approverGroups: [...approverGroups],
    }),
  };
}

const isAskedOfMany = ({ kind }: Approval): boolean => kind === "step_up" || kind === "issuance";

/**
 * Whether a person may answer a question now. Four eyes are not those of who owns an agent that it came through: theirs
 * could ask by another's.
 */
export async function mayDecideNow(ctx: Context, approval: ActApproval, by: Decider): Promise<boolean> {
  const asked = await underRulesNow(ctx, approval);
  if (!mayDecide(asked, by)) return false;
  if (!asked.fourEyes) return true;
  const parties = asked.act.chain.map(({ sub }) => sub.replace(/^client:/, ""));
  const agents = await Promise.all(parties.map((clientId) => findAgentByClientRecently(ctx, clientId)));
  return agents.every((agent) => agent?.ownerId !== by.id);
}

/** The same as a condition on rows. */
function isDecidedBy({ id, role, groups }: Decider): SQL | undefined {
  const { kind, userId, subjectUserId, ownerId, approverIds, approverGroups, fourEyes } = approvals;
  const isInvolved = or(eq(subjectUserId, id), eq(ownerId, id));
  const isNamed = or(
    arrayContains(approverIds, [id]),
    groups.length > 0 ? arrayOverlaps(approverGroups, groups) : undefined,
  );
  const nobodyIsNamed = sql`cardinality(${approverIds}) + cardinality(${approverGroups}) = 0`;
  const isOne = DECIDING_ROLES.includes(role) ? undefined : or(isNamed, and(nobodyIsNamed, isInvolved));
  const isAllowed = or(eq(fourEyes, false), sql`not coalesce(${isInvolved}, false)`);
  return or(
    and(eq(kind, "ciba"), eq(userId, id)),
    and(inArray(kind, ["step_up", "issuance"]), isOne, isAllowed),
  );
}

/** How many questions a list shows. */
const MAX_LISTED = 100;

/** What waits for this person's answer, newest first. */
export async function listWaitingFor(ctx: Context, by: Decider): Promise<ActApproval[]> {
  const isOpen = and(eq(approvals.status, "pending"), gt(approvals.expiresAt, ctx.now()));
  const rows = await listApprovals(ctx, and(isOpen, isDecidedBy(by)), MAX_LISTED);
  return rows.filter(isAct);
}

/** What this person could have answered and is over, newest first. */
export async function listPastOf(ctx: Context, by: Decider): Promise<ActApproval[]> {
  const isOver = or(
    ne(approvals.status, "pending"),
    sql`${approvals.expiresAt} <= ${ctx.now().toISOString()}`,
  );
  const rows = await listApprovals(ctx, and(isOver, isDecidedBy(by)), MAX_LISTED);
  return rows.filter(isAct);
}

/**
 * The ids of those who are told that a question waits: not everybody who may answer, but those whom it concerns; where it
 * concerns nobody, everybody whose role lets them.
 */
export async function decidersToTell(ctx: Context, approval: Approval): Promise<readonly string[]> {
  if (approval.userId !== null) return [approval.userId];
  const { approverIds, approverGroups, subjectUserId, ownerId } = approval;
  const named = approverIds.length + approverGroups.length > 0;
  const involved = [subjectUserId, ownerId].flatMap((id) => id ?? []);
  const ids = named ? approverIds : involved;
  const concerned = await listNamedPeople(ctx, { ids, groups: approverGroups, roles: [] });
  const able = concerned.filter((user) => mayDecide(approval, user));
  const told =
    able.length > 0 ? able : await listNamedPeople(ctx, { ids: [], groups: [], roles: DECIDING_ROLES });
  return told.filter((user) => mayDecide(approval, user)).map(({ id }) => id);
}

/** Whether a person of this role may give all that is asked: a resource may name the least role for a scope (D19). */
export async function mayGive(ctx: Context, { act }: ActApproval, role: Role): Promise<boolean> {
  const { scopes } = await targetAt(ctx, act.resource);
  return act.scope.every((name) => roleSuffices(role, describeScope({ scopes }, name)));
}
