import type { StoredAuthorizationRequest } from "@/db/schema/approvals";
import { type Context, inTransaction } from "@/lib/context";
import { hashSecret, newOpaqueId } from "@/lib/ids";
import type { AuthorizationDetail } from "@/lib/oauth/authorization-details";
import { isIdentityScope } from "@/lib/oauth/identity-scope";
import { comesAlong } from "./approval-by-consent";
import {
  type Approval,
  type Consent,
  claimApproval,
  findApproval,
  insertApproval,
  isConsent,
  isOfBrowser,
  noteApproval,
  settleApproval,
  statusOf,
} from "./approvals";
import { createCode } from "./authorization-codes";
import type { Client } from "./clients";
import { type Event, record } from "./events";
import { extendGrant } from "./grants";
import type { SignedIn } from "./sessions";
import { scopeOfRole } from "./targets";

/** A person has this long to answer, in seconds. */
const APPROVAL_TTL = 600;

type NewConsent = { client: Client; request: StoredAuthorizationRequest; browser: string };

/** Keeps a validated authorization request until the person in this browser has answered it. */
export const requestConsent = async (
  ctx: Context,
  { client, request, browser }: NewConsent,
): Promise<Consent> => {
  const approval = await insertApproval(ctx, client, {
    id: newOpaqueId(),
    kind: "consent",
    request,
    browserHash: hashSecret(browser),
    expiresAt: new Date(ctx.now().getTime() + APPROVAL_TTL * 1000),
  });
  return { ...approval, request };
};

/** How a consent stands for the person who looks at it. */
export type ConsentView =
  | { state: "unknown" | "expired" | "not_yours" }
  | { state: "answered"; approval: Approval }
  | { state: "open"; approval: Consent };

/**
 * Opens a consent for a person: it is theirs from then on, and only in the browser that asked
 * (a consent page somebody else started is not for you to answer).
 */
export async function openConsent(
  ctx: Context,
  { id, userId, browser }: { id: string; userId: string; browser: string },
): Promise<ConsentView> {
  const approval = await findApproval(ctx, id);
  if (!approval || !isConsent(approval)) return { state: "unknown" };
  if (approval.browserHash !== hashSecret(browser)) return { state: "not_yours" };
  if (approval.userId !== null && approval.userId !== userId) return { state: "not_yours" };
  const status = statusOf(ctx, approval);
  if (status === "expired" || status === "cancelled") return { state: "expired" };
  if (status !== "pending") return { state: "answered", approval };
  if (approval.userId === userId) return { state: "open", approval };
  const claimed = await claimApproval(ctx, { id, userId });
  return claimed && isConsent(claimed) ? { state: "open", approval: claimed } : { state: "not_yours" };
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
  | { outcome: "approved"; approval: Consent; code: string }
  | { outcome: "denied"; approval: Consent }
  | { outcome: "too_late" };

/** Takes a person's answer to a consent, once: the first answer stands. */
export function decideConsent(
  ctx: Context,
  { id, by, browser, allow, details, address }: Decision,
): Promise<DecisionOutcome> {
  const { user } = by;
  return inTransaction(ctx, async (tx) => {
    const settled = await settleApproval(tx, id, {
      status: allow ? "consumed" : "denied",
      answer: {
        decidedBy: `user:${user.id}`,
        grantedScope: allow ? [...allow] : null,
        grantedDetails: allow && details ? [...details] : null,
      },
      where: isOfBrowser(user.id, browser),
    });
    if (!settled || !isConsent(settled)) return { outcome: "too_late" };
    const approval = settled;
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
  approval: Consent;
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
  const standing = isInDetailOnly(request) ? allow : await comesAlong(tx, grant, allow);
  const scope = [...(await scopeOfRole(tx, { resource, scope: standing }, user.role))];
  await noteApproval(tx, id, { grantId: grant.id });
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
