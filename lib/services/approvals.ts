import { and, count, eq, gt, inArray, isNull, lt, lte, or, type SQL, sql } from "drizzle-orm";
import {
  type ApprovalStatus,
  type AskedAct,
  approvals,
  type ClientSnapshot,
  type StoredAuthorizationRequest,
} from "@/db/schema/approvals";
import type { Context } from "@/lib/context";
import { hashSecret } from "@/lib/ids";
import type { Client } from "./clients";

export type Approval = typeof approvals.$inferSelect;
/** A question that an app put by sending a browser here. */
export type Consent = Approval & { request: StoredAuthorizationRequest };
/** A question that an agent or a device put, from wherever it runs. */
export type ActApproval = Approval & { act: AskedAct; digest: string };

/** Whether a question is of an app that waits for a browser to come back; all others are of agents and devices. */
export const isConsent = (approval: Approval): approval is Consent => approval.kind === "consent";
export const isAct = (approval: Approval): approval is ActApproval => approval.act !== null;
/** A question that an agent put by itself: nobody came here for it in a browser. */
export const isAskedByAgent = (approval: Approval): approval is ActApproval =>
  isAct(approval) && approval.kind !== "device";

/** Seconds in which what was approved has to be used. */
const USE_WITHIN = 300;
/** Seconds that a token lives at most which a person approved (product decision D9). */
export const APPROVED_TTL = 300;

/** By the database's own clock: instances whose clocks are apart agree on what has changed lately. */
const CHANGED = sql`clock_timestamp()`;
/** A change commits after the time that it is dated to, in seconds at most. */
const CHANGED_LATELY = sql`clock_timestamp() - interval '5 seconds'`;

type NewApproval = Omit<typeof approvals.$inferInsert, "clientId" | "client" | "createdAt" | "changedAt">;

/** Puts a question; what the person will be shown of the client is what it is now. */
export async function insertApproval(ctx: Context, client: Client, values: NewApproval): Promise<Approval> {
  const now = ctx.now();
  const [approval] = await ctx.db
    .insert(approvals)
    .values({
      ...values,
      clientId: client.clientId,
      client: snapshot(client),
      createdAt: now,
      changedAt: CHANGED,
    })
    .returning();
  if (!approval) throw new Error("an insert without conflict clause returns its row");
  return approval;
}

const snapshot = (client: Client): ClientSnapshot => ({
  name: client.name,
  kind: client.kind,
  ...(client.kind === "document" ? { verifiedHost: new URL(client.clientId).host } : {}),
  registeredAt: client.createdAt.toISOString(),
});

/** An approval by id, in whatever state; ids that cannot be one are no approval. */
export async function findApproval(ctx: Context, id: string): Promise<Approval | undefined> {
  const [approval] = await ctx.db.select().from(approvals).where(eq(approvals.id, id));
  return approval;
}

/** The same, which nobody else changes until the transaction ends. */
export async function lockApproval(tx: Context, id: string): Promise<Approval | undefined> {
  const [approval] = await tx.db.select().from(approvals).where(eq(approvals.id, id)).for("update");
  return approval;
}

/** How a question stands now: one whose time is over has expired, whether or not anybody wrote that down. */
export const statusOf = ({ now }: Pick<Context, "now">, { status, expiresAt }: Approval): ApprovalStatus =>
  status === "pending" && expiresAt <= now() ? "expired" : status;

/** Makes a question this person's own: nobody else may open or answer it afterwards. */
export async function claimApproval(
  ctx: Context,
  { id, userId }: { id: string; userId: string },
): Promise<Approval | undefined> {
  const [claimed] = await ctx.db
    .update(approvals)
    .set({ userId })
    .where(
      and(
        eq(approvals.id, id),
        eq(approvals.status, "pending"),
        or(isNull(approvals.userId), eq(approvals.userId, userId)),
      ),
    )
    .returning();
  return claimed;
}

/** What may be written about a question that still waits. */
type Note = Pick<
  Partial<Approval>,
  "wrongNumbers" | "grantId" | "expiresAt" | "polledAt" | "interval" | "matchNumber" | "sealedRequest"
>;

/** Notes something about a question that is not its answer. */
export async function noteApproval(tx: Context, id: string, note: Note): Promise<void> {
  await tx.db.update(approvals).set(note).where(eq(approvals.id, id));
}

/** Tells those who wait that there is something new to know of a question that is still open. */
export async function touchApproval(tx: Context, id: string): Promise<void> {
  await tx.db.update(approvals).set({ changedAt: CHANGED }).where(eq(approvals.id, id));
  tx.defer(async () => tx.waiting.wake([id]));
}

type Answer = Pick<
  Partial<Approval>,
  | "decidedBy"
  | "reason"
  | "grantedScope"
  | "grantedDetails"
  | "grantId"
  | "authTime"
  | "amr"
  | "userId"
  | "act"
>;

type Settled = Exclude<ApprovalStatus, "pending">;

/**
 * Answers a question that still waits, in one statement: the first answer stands, and a yes is good for a while.
 * Undefined: another answer stands, or the time of the question is over.
 */
export async function settleApproval(
  tx: Context,
  id: string,
  { status, answer = {}, where }: { status: Settled; answer?: Answer; where?: SQL | undefined },
): Promise<Approval | undefined> {
  const now = tx.now();
  const useBefore = status === "approved" && { expiresAt: new Date(now.getTime() + USE_WITHIN * 1000) };
  const [settled] = await tx.db
    .update(approvals)
    .set({ ...answer, ...useBefore, status, decidedAt: now, changedAt: CHANGED })
    .where(and(eq(approvals.id, id), eq(approvals.status, "pending"), gt(approvals.expiresAt, now), where))
    .returning();
  if (settled) tx.defer(async () => tx.waiting.wake([id]));
  return settled;
}

/** Uses a yes up, in one statement: true for the first who does, and nobody after the time it was good for. */
export async function consumeApproval(tx: Context, id: string): Promise<boolean> {
  const consumed = await tx.db
    .update(approvals)
    .set({ status: "consumed", changedAt: CHANGED, sealedRequest: null, sealedPing: null })
    .where(and(eq(approvals.id, id), eq(approvals.status, "approved"), gt(approvals.expiresAt, tx.now())))
    .returning({ id: approvals.id });
  return consumed.length > 0;
}

/** A question of this person and browser, for `settleApproval`. */
export const isOfBrowser = (userId: string, browser: string): SQL | undefined =>
  and(eq(approvals.userId, userId), eq(approvals.browserHash, hashSecret(browser)));

/**
 * How many questions of a client take up a place, and the most that do of one of these people. One that was taken back,
 * or had little time, keeps its place as long as any other: people were told of it, and asking anew tells them again.
 */
export async function countPending(
  ctx: Context,
  { clientId, people }: { clientId: string; people: readonly string[] },
): Promise<{ ofClient: number; ofPerson: number }> {
  const earliest = new Date(ctx.now().getTime() - ctx.settings.hitlTimeout * 1000);
  const isHeld = and(
    inArray(approvals.kind, ["step_up", "ciba", "issuance"]),
    inArray(approvals.status, ["pending", "cancelled", "expired"]),
    gt(approvals.createdAt, earliest),
    // Ends after it begins: this is what there is an index for.
    gt(approvals.expiresAt, earliest),
  );
  const number = async (where: SQL | undefined) => {
    const [row] = await ctx.db.select({ all: count() }).from(approvals).where(and(isHeld, where));
    return row?.all ?? 0;
  };
  const ofEach = people.map((id) => number(or(eq(approvals.subjectUserId, id), eq(approvals.ownerId, id))));
  return {
    ofClient: await number(eq(approvals.clientId, clientId)),
    ofPerson: Math.max(0, ...(await Promise.all(ofEach))),
  };
}

/** How often people refused a client since then. */
export async function countDenials(ctx: Context, clientId: string, since: Date): Promise<number> {
  const [row] = await ctx.db
    .select({ all: count() })
    .from(approvals)
    .where(
      and(eq(approvals.clientId, clientId), eq(approvals.status, "denied"), gt(approvals.decidedAt, since)),
    );
  return row?.all ?? 0;
}

type Same = { clientId: string; digest: string; kind: Approval["kind"]; chain: AskedAct["chain"] };

/** The question with this digest, come the same way, that a client already waits for, or has the answer to. */
export async function findPendingAct(
  tx: Context,
  { clientId, digest, kind, chain }: Same,
): Promise<Approval | undefined> {
  const [found] = await tx.db
    .select()
    .from(approvals)
    .where(
      and(
        eq(approvals.clientId, clientId),
        eq(approvals.kind, kind),
        eq(approvals.digest, digest),
        sql`${approvals.act} -> 'chain' = ${JSON.stringify(chain)}::jsonb`,
        inArray(approvals.status, ["pending", "approved"]),
        gt(approvals.expiresAt, tx.now()),
      ),
    )
    .orderBy(sql`${approvals.createdAt} desc`)
    .limit(1);
  return found;
}

/** Approvals in an order, narrowed by the caller. */
export const listApprovals = (ctx: Context, where: SQL | undefined, limit: number): Promise<Approval[]> =>
  ctx.db.select().from(approvals).where(where).orderBy(sql`${approvals.createdAt} desc`).limit(limit);

/** What changed in the last seconds: what those who wait are told of. */
export const listChanges = ({ db }: Pick<Context, "db">): Promise<{ id: string; changedAt: Date | null }[]> =>
  db
    .select({ id: approvals.id, changedAt: approvals.changedAt })
    .from(approvals)
    .where(gt(approvals.changedAt, CHANGED_LATELY))
    .limit(10_000);

/** Lets go of the open questions of a person in one browser, for whoever signs in there next. */
export async function releaseApprovals(
  ctx: Context,
  { userId, browser }: { userId: string; browser: string },
): Promise<void> {
  await ctx.db
    .update(approvals)
    .set({ userId: null })
    .where(and(isOfBrowser(userId, browser), eq(approvals.status, "pending")));
}

/** Ends what these asked or were allowed and did not use yet, within the caller's transaction, which tells of it. */
export async function endApprovalsOf(tx: Context, clientIds: readonly string[]): Promise<Approval[]> {
  const ended = await tx.db
    .update(approvals)
    .set({ status: "cancelled", changedAt: CHANGED, sealedRequest: null, sealedPing: null })
    .where(
      and(inArray(approvals.clientId, [...clientIds]), inArray(approvals.status, ["pending", "approved"])),
    )
    .returning();
  tx.defer(async () => tx.waiting.wake(ended.map(({ id }) => id)));
  return ended;
}

/** Writes down what has expired, within the caller's transaction, which tells of it. */
export const expireApprovals = (tx: Context): Promise<Approval[]> =>
  tx.db
    .update(approvals)
    .set({ status: "expired", changedAt: CHANGED, sealedRequest: null })
    .where(and(eq(approvals.status, "pending"), lte(approvals.expiresAt, tx.now())))
    .returning();

/** Removes approvals a day after they ended, and what nobody ever signed in for as soon as it has lapsed. */
export async function pruneApprovals(ctx: Context): Promise<void> {
  await ctx.db
    .delete(approvals)
    .where(and(eq(approvals.kind, "consent"), isNull(approvals.userId), lt(approvals.expiresAt, ctx.now())));
  await ctx.db.delete(approvals).where(lt(approvals.expiresAt, new Date(ctx.now().getTime() - 86_400_000)));
}
