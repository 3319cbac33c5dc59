import { and, eq, gt, isNull, lt, or } from "drizzle-orm";
import { approvals, type ClientSnapshot, type StoredAuthorizationRequest } from "@/db/schema/approvals";
import { type Context, inTransaction } from "@/lib/context";
import { hashSecret, newOpaqueId } from "@/lib/ids";
import type { AuthorizationDetail } from "@/lib/oauth/authorization-details";
import { isIdentityScope } from "@/lib/oauth/identity-scope";
import { createCode } from "./authorization-codes";
import type { Client } from "./clients";
import { type Event, record } from "./events";
import { extendGrant } from "./grants";
import type { SignedIn } from "./sessions";
import { scopeOfRole } from "./targets";

export type Approval = typeof approvals.$inferSelect;

/** A person has this long to answer, in seconds. */
const APPROVAL_TTL = 600;

type NewConsent = { client: Client; request: StoredAuthorizationRequest; browser: string };

/** Keeps a validated authorization request until the person in this browser has answered it. */
export async function requestConsent(
  ctx: Context,
  { client, request, browser }: NewConsent,
): Promise<Approval> {
  const now = ctx.now();
  const [approval] = await ctx.db
    .insert(approvals)
    .values({
      id: newOpaqueId(),
      kind: "consent",
      clientId: client.clientId,
      client: snapshot(client),
      request,
      browserHash: hashSecret(browser),
      createdAt: now,
      expiresAt: new Date(now.getTime() + APPROVAL_TTL * 1000),
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

/** How an approval stands for the person who looks at it. */
export type ApprovalView =
  | { state: "unknown" | "expired" | "not_yours" }
  | { state: "answered"; approval: Approval }
  | { state: "open"; approval: Approval };

/**
 * Opens an approval for a person: it is theirs from then on, and only in the browser that asked
 * (a consent page somebody else started is not for you to answer).
 */
export async function openApproval(
  ctx: Context,
  { id, userId, browser }: { id: string; userId: string; browser: string },
): Promise<ApprovalView> {
  const approval = await findApproval(ctx, id);
  if (!approval) return { state: "unknown" };
  if (approval.browserHash !== hashSecret(browser)) return { state: "not_yours" };
  if (approval.userId !== null && approval.userId !== userId) return { state: "not_yours" };
  if (approval.status === "expired") return { state: "expired" };
  if (approval.status !== "pending") return { state: "answered", approval };
  if (approval.expiresAt <= ctx.now()) return { state: "expired" };
  if (approval.userId === userId) return { state: "open", approval };
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
  return claimed ? { state: "open", approval: claimed } : { state: "not_yours" };
}

type Decision = {
  id: string;
  by: SignedIn;
  browser: string;
  /** Scopes the person allows, of those the request names; undefined: the person refuses. */
  allow: readonly string[] | undefined;
  /** What they allow of the authorization details that the request has; absent: it has none. */
  details?: readonly AuthorizationDetail[] | undefined;
  address?: string | undefined;
};

/** What a decision led to: a code for the app, a refusal for the app, or nothing because another one stands. */
export type DecisionOutcome =
  | { outcome: "approved"; approval: Approval; code: string }
  | { outcome: "denied"; approval: Approval }
  | { outcome: "too_late" };

/** Takes a person's answer to a consent, once: the first answer stands. */
export function decideConsent(
  ctx: Context,
  { id, by, browser, allow, details, address }: Decision,
): Promise<DecisionOutcome> {
  const { user } = by;
  return inTransaction(ctx, async (tx) => {
    const [approval] = await tx.db
      .update(approvals)
      .set({
        status: allow ? "consumed" : "denied",
        decidedAt: tx.now(),
        grantedScope: allow ? [...allow] : null,
        grantedDetails: allow && details ? [...details] : null,
      })
      .where(
        and(
          eq(approvals.id, id),
          eq(approvals.kind, "consent"),
          eq(approvals.status, "pending"),
          eq(approvals.userId, user.id),
          eq(approvals.browserHash, hashSecret(browser)),
          gt(approvals.expiresAt, tx.now()),
        ),
      )
      .returning();
    if (!approval) return { outcome: "too_late" };
    const { request, clientId } = approval;
    const event = { actor: `user:${user.id}`, subject: `client:${clientId}`, clientId, address };
    if (!allow) {
      await record(tx, {
        ...event,
        type: "consent.denied",
        data: { approval: id, resource: request.resource },
      });
      return { outcome: "denied", approval };
    }
    return approve(tx, { approval, by, allow, details, event });
  });
}

type Approved = Pick<Decision, "by" | "details"> & {
  approval: Approval;
  allow: readonly string[];
  event: Pick<Event, "actor" | "subject" | "clientId" | "address">;
};

/** What a person's yes changes: the standing grant, and a code that stands on it. */
async function approve(
  tx: Context,
  { approval, by: { user, session }, allow, details, event }: Approved,
): Promise<DecisionOutcome> {
  const { id, request, clientId } = approval;
  const { resource } = request;
  const grant = await extendGrant(tx, { userId: user.id, clientId, resource }, allow);
  // The grant's own scopes come along, so that an app that asked only for what it lacked keeps the rest (Q33);
  // the page showed them. What the person's role no longer allows stays behind.
  const standing = isInDetailOnly(request) ? allow : grant.scope;
  const scope = [...(await scopeOfRole(tx, { resource, scope: standing }, user.role))];
  await tx.db.update(approvals).set({ grantId: grant.id }).where(eq(approvals.id, id));
  const code = await createCode(tx, {
    approvalId: id,
    grantId: grant.id,
    clientId,
    userId: user.id,
    redirectUri: request.redirectUri,
    codeChallenge: request.codeChallenge,
    resource: request.resource,
    scope,
    authorizationDetails: details ? [...details] : null,
    dpopJkt: request.dpopJkt ?? null,
    nonce: request.nonce ?? null,
    authTime: session.authTime,
    amr: session.amr,
  });
  await record(tx, {
    ...event,
    type: "consent.approved",
    data: {
      ...{ approval: id, grant: grant.id, resource, allowed: [...allow], scope },
      ...(details && { authorizationDetails: summary(details) }),
    },
  });
  return { outcome: "approved", approval, code };
}

/**
 * A request for details and no scope is for them and nothing else, beside who the person is: what was allowed before
 * stays where it is.
 */
export const isInDetailOnly = ({ scope, authorizationDetails }: StoredAuthorizationRequest): boolean =>
  authorizationDetails !== undefined && scope.every(isIdentityScope);

/** The trail tells what was agreed to; the token that comes of it is told with every detail. */
const summary = (details: readonly AuthorizationDetail[]) => ({
  count: details.length,
  types: [...new Set(details.map(({ type }) => type))],
});

/** Lets go of the open questions of a person in one browser, for whoever signs in there next. */
export async function releaseApprovals(
  ctx: Context,
  { userId, browser }: { userId: string; browser: string },
): Promise<void> {
  await ctx.db
    .update(approvals)
    .set({ userId: null })
    .where(
      and(
        eq(approvals.userId, userId),
        eq(approvals.browserHash, hashSecret(browser)),
        eq(approvals.status, "pending"),
      ),
    );
}

/** Ends the open questions of an app that is gone, within the caller's transaction. */
export async function endApprovalsOf(tx: Context, clientId: string): Promise<void> {
  await tx.db
    .update(approvals)
    .set({ status: "expired" })
    .where(and(eq(approvals.clientId, clientId), eq(approvals.status, "pending")));
}

/** Removes approvals a day after they ended, and what nobody ever signed in for as soon as it has lapsed. */
export async function pruneApprovals(ctx: Context): Promise<void> {
  await ctx.db.delete(approvals).where(and(isNull(approvals.userId), lt(approvals.expiresAt, ctx.now())));
  await ctx.db.delete(approvals).where(lt(approvals.expiresAt, new Date(ctx.now().getTime() - 86_400_000)));
}
