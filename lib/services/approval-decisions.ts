import { eq } from "drizzle-orm";
import { approvalDecisions } from "@/db/schema/approvals";
import { type Context, inTransaction } from "@/lib/context";
import type { DecisionProof } from "@/lib/oauth/signed-decision";
import { tellOfOutcome } from "./approval-news";
import {
  type ActApproval,
  type Approval,
  isAct,
  lockApproval,
  noteApproval,
  settleApproval,
  statusOf,
  touchApproval,
} from "./approvals";
import { mayDecideNow, mayGive, underRulesNow } from "./deciders";
import { record } from "./events";
import type { Answerer } from "./sessions";
import { endStandingLike } from "./standing-approvals";
import { findUsers, type User } from "./users";

export type ApprovalDecision = typeof approvalDecisions.$inferSelect;

/** A person's answer to one question of an agent or a device. */
export type NewDecision = {
  id: string;
  by: Answerer;
  decision: "approved" | "denied";
  /** Why not, for the requester to read. */
  reason?: string | undefined;
  /** The number that the requester shows, where the page asks for it. */
  number?: string | undefined;
  /** What a passkey signed. */
  proof?: DecisionProof | undefined;
  address?: string | undefined;
};

/** What an answer led to. `counted`: it counts, and others have to say yes too. */
export type ActOutcome =
  | { outcome: "unknown" | "not_yours" | "beyond_role" | "answered_before" | "wrong_number" }
  | { outcome: "too_late"; approval: ActApproval }
  | { outcome: "approved" | "denied" | "counted"; approval: ActApproval };

/** Wrong numbers after which a question is over: somebody answers what they did not start. */
const MAX_WRONG_NUMBERS = 3;

/**
 * Takes a person's answer: one no is enough, and as many yeses as the question needs. Nobody answers twice, and what is
 * answered stays answered.
 */
export function decideAct(ctx: Context, given: NewDecision): Promise<ActOutcome> {
  return inTransaction(ctx, async (tx): Promise<ActOutcome> => {
    const asked = await lockApproval(tx, given.id);
    if (!asked || !isAct(asked)) return { outcome: "unknown" };
    if (!(await mayDecideNow(tx, asked, given.by.user))) return { outcome: "not_yours" };
    const approval = await underRulesNow(tx, asked);
    if (statusOf(tx, approval) !== "pending") return { outcome: "too_late", approval };
    return given.decision === "approved" ? approve(tx, approval, given) : answer(tx, approval, given);
  });
}

async function approve(tx: Context, approval: ActApproval, given: NewDecision): Promise<ActOutcome> {
  if (!(await mayGive(tx, approval, given.by.user.role))) return { outcome: "beyond_role" };
  if (!approval.matchNumber || given.number === approval.bindingCode) return answer(tx, approval, given);
  // Whoever does not see the agent's screen can guess: not often.
  const wrongNumbers = approval.wrongNumbers + 1;
  if (wrongNumbers >= MAX_WRONG_NUMBERS)
    return answer(tx, approval, {
      ...given,
      decision: "denied",
      reason: "The number was entered wrongly three times.",
    });
  await noteApproval(tx, approval.id, { wrongNumbers });
  return { outcome: "wrong_number" };
}

async function answer(tx: Context, approval: ActApproval, given: NewDecision): Promise<ActOutcome> {
  if (!(await note(tx, given))) return { outcome: "answered_before" };
  await tell(tx, approval, given);
  const isShort = given.decision === "approved" && (await countYeses(tx, approval)) < approval.quorum;
  if (!isShort) return settle(tx, approval, given);
  await touchApproval(tx, approval.id);
  return { outcome: "counted", approval };
}

async function settle(tx: Context, approval: ActApproval, given: NewDecision): Promise<ActOutcome> {
  const { by, decision, reason } = given;
  const settled = await settleApproval(tx, approval.id, {
    status: decision,
    answer: {
      decidedBy: `user:${by.user.id}`,
      reason: reason ?? null,
      ...{ authTime: by.session.authTime, amr: by.session.amr },
    },
  });
  if (!settled || !isAct(settled)) return { outcome: "too_late", approval };
  if (decision === "denied") await endStandingLike(tx, settled, `user:${by.user.id}`);
  await tellOfOutcome(tx, settled);
  return { outcome: decision, approval: settled };
}

async function note(tx: Context, { id, by, decision, reason, proof }: NewDecision): Promise<boolean> {
  const { authTime, amr } = by.session;
  const noted = await tx.db
    .insert(approvalDecisions)
    .values({
      ...{ approvalId: id, userId: by.user.id, decision, reason: reason ?? null, proof: proof ?? null },
      ...{ authTime, amr, decidedAt: tx.now() },
    })
    .onConflictDoNothing()
    .returning({ userId: approvalDecisions.userId });
  return noted.length > 0;
}

/** The trail keeps what was signed: it can be proven from there when this row is long gone. */
const tell = (tx: Context, approval: ActApproval, { by, decision, reason, proof, address }: NewDecision) =>
  record(tx, {
    type: decision === "approved" ? "approval.approved" : "approval.denied",
    actor: `user:${by.user.id}`,
    subject: `approval:${approval.id}`,
    clientId: approval.clientId,
    data: {
      ...{
        kind: approval.kind,
        digest: approval.digest,
        resource: approval.act.resource,
        scope: approval.act.scope,
      },
      ...(approval.quorum > 1 && { quorum: approval.quorum }),
      ...(reason && { reason }),
      ...(proof && { proof }),
    },
    address,
  });

/** How many said yes who still may: whoever was stopped or lost their role since counts no more. */
async function countYeses(tx: Context, approval: ActApproval): Promise<number> {
  const said = (await listDecisions(tx, approval.id)).filter(({ decision }) => decision === "approved");
  const people = await findUsers(
    tx,
    said.map(({ userId }) => userId),
  );
  const isGood = async (user: User): Promise<boolean> =>
    user.status === "active" &&
    (await mayDecideNow(tx, approval, user)) &&
    (await mayGive(tx, approval, user.role));
  const good = await Promise.all(people.map(isGood));
  return good.filter(Boolean).length;
}

/** Whether everybody who said yes is still there: what somebody said who was stopped since is worth nothing. */
export async function isOfActivePeople(ctx: Context, { id }: Pick<Approval, "id">): Promise<boolean> {
  const said = (await listDecisions(ctx, id)).filter(({ decision }) => decision === "approved");
  const people = await findUsers(
    ctx,
    said.map(({ userId }) => userId),
  );
  return people.length === said.length && people.every(({ status }) => status === "active");
}

/** Who answered a question so far, and how. */
export const listDecisions = (ctx: Context, approvalId: Approval["id"]): Promise<ApprovalDecision[]> =>
  ctx.db
    .select()
    .from(approvalDecisions)
    .where(eq(approvalDecisions.approvalId, approvalId))
    .orderBy(approvalDecisions.decidedAt);
