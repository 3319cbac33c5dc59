import { asc, desc, eq } from "drizzle-orm";
import { approvalMessages } from "@/db/schema/approvals";
import { type Context, inTransaction } from "@/lib/context";
import { timeOrderedUuid } from "@/lib/ids";
import { userIdOf } from "@/lib/oauth/subject";
import { type ActApproval, type Approval, isAct, lockApproval, statusOf, touchApproval } from "./approvals";
import { mayDecideNow } from "./deciders";
import { record } from "./events";
import { nameOf } from "./named-people";
import { findUsers, type User } from "./users";

/** One message as a page shows it. */
export type ShownMessage = { from: "person" | "requester"; name: string; text: string; at: string };

type Message = typeof approvalMessages.$inferSelect;

/** Questions that may be asked about one approval: whoever needs more says no. */
const MAX_ROUNDS = 3;

const messagesOf = (ctx: Context, approvalId: string): Promise<Message[]> =>
  ctx.db
    .select()
    .from(approvalMessages)
    .where(eq(approvalMessages.approvalId, approvalId))
    // Of one round the question comes first, whatever the clock says: "user:" after "client:".
    .orderBy(asc(approvalMessages.round), desc(approvalMessages.author));

const isQuestion = ({ author }: Message): boolean => userIdOf(author) !== undefined;

/** What approver and agent wrote to each other, oldest first. */
export async function listMessages(ctx: Context, approval: ActApproval): Promise<readonly ShownMessage[]> {
  const messages = await messagesOf(ctx, approval.id);
  const ids = messages.flatMap(({ author }) => userIdOf(author) ?? []);
  const people = new Map((await findUsers(ctx, ids)).map((user) => [`user:${user.id}`, nameOf(user)]));
  return messages.map((message) => ({
    from: isQuestion(message) ? "person" : "requester",
    name: people.get(message.author) ?? (isQuestion(message) ? message.author : approval.client.name),
    text: message.text,
    at: message.createdAt.toISOString(),
  }));
}

/** The question that waits for the requester's answer. */
export async function openQuestion(
  ctx: Context,
  approvalId: string,
): Promise<{ round: number; question: string } | undefined> {
  const last = (await messagesOf(ctx, approvalId)).at(-1);
  return last && isQuestion(last) ? { round: last.round, question: last.text } : undefined;
}

/** What became of a question or an answer. */
export type Said =
  | { outcome: "unknown" | "too_late" | "unanswered" | "too_many" | "nothing_asked" }
  | { outcome: "said"; round: number };

type Asking = {
  approvalId: string;
  by: Pick<User, "id" | "role" | "groups">;
  text: string;
  address?: string | undefined;
};

/** Asks the requester something before deciding: one question at a time, of whoever may decide. */
export function askQuestion(ctx: Context, { approvalId, by, text, address }: Asking): Promise<Said> {
  return inTransaction(ctx, async (tx): Promise<Said> => {
    const approval = await lockApproval(tx, approvalId);
    if (!approval || !isAct(approval) || !(await mayDecideNow(tx, approval, by)))
      return { outcome: "unknown" };
    if (statusOf(tx, approval) !== "pending") return { outcome: "too_late" };
    const last = (await messagesOf(tx, approvalId)).at(-1);
    if (last && isQuestion(last)) return { outcome: "unanswered" };
    const round = (last?.round ?? 0) + 1;
    if (round > MAX_ROUNDS) return { outcome: "too_many" };
    await say(tx, approval, { author: `user:${by.id}`, round, text, address });
    return { outcome: "said", round };
  });
}

type Answering = { approvalId: string; clientId: string; text: string; address?: string | undefined };

/** Answers the open question of a person; only the client that asked for the approval can. */
export function answerQuestion(
  ctx: Context,
  { approvalId, clientId, text, address }: Answering,
): Promise<Said> {
  return inTransaction(ctx, async (tx): Promise<Said> => {
    const approval = await lockApproval(tx, approvalId);
    if (!approval || !isAct(approval) || approval.clientId !== clientId) return { outcome: "unknown" };
    if (statusOf(tx, approval) !== "pending") return { outcome: "too_late" };
    const last = (await messagesOf(tx, approvalId)).at(-1);
    if (!last || !isQuestion(last)) return { outcome: "nothing_asked" };
    await say(tx, approval, { author: `client:${clientId}`, round: last.round, text, address });
    return { outcome: "said", round: last.round };
  });
}

type Saying = { author: string; round: number; text: string; address: string | undefined };

/** The trail keeps every word: what was decided was decided on them. */
async function say(tx: Context, approval: Approval, { author, round, text, address }: Saying): Promise<void> {
  const { id: approvalId, clientId, digest } = approval;
  const now = tx.now();
  await tx.db
    .insert(approvalMessages)
    .values({ id: timeOrderedUuid(now), approvalId, round, author, text, createdAt: now });
  await record(tx, {
    type: author.startsWith("user:") ? "approval.question_asked" : "approval.question_answered",
    actor: author,
    subject: `approval:${approvalId}`,
    clientId,
    data: { digest, round, text },
    address,
  });
  await touchApproval(tx, approvalId);
}
