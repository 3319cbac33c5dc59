import { type Context, inTransaction } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { actDigest } from "@/lib/oauth/act-digest";
import type { AuthorizationDetail } from "@/lib/oauth/authorization-details";
import type { Decision } from "@/lib/providers/policy/provider";
import { spendApproval } from "@/lib/services/approval-ends";
import { needsApproval, rulingOf } from "@/lib/services/approval-rules";
import { type ActApproval, APPROVED_TTL } from "@/lib/services/approvals";
import type { Client } from "@/lib/services/clients";
import { type Issue, requireAllowed } from "@/lib/services/issuing";
import { appendIssuedTokens, type IssuedToken } from "@/lib/services/tokens";

/** What a token request would come to: what is issued, to the letter, and what a person is told of it. */
export type Wanted = {
  /** `user:<id>` or `client:<client_id>`. */
  subject: string;
  /** Who acts, the current actor first; empty: the subject itself. */
  actors: readonly string[];
  resource: string;
  scope: readonly string[];
  authorizationDetails: readonly AuthorizationDetail[] | undefined;
  jkt: string | undefined;
  /** The `jti` of every token it descends from, the first one first. */
  lineage: readonly string[];
  /** When what it is made of ends: an answer after that is worth nothing. */
  until?: Date | undefined;
  /** It is made of something that is good for one use. */
  isSingleUse: boolean;
};

/** Thrown by a grant whose token a person has to approve first; the request is kept, and goes on after the yes. */
export class WaitsForPerson extends Error {
  override readonly name = "WaitsForPerson";

  constructor(readonly wanted: Wanted) {
    super("a person has to approve this first");
  }
}

type Requester = { client: Client; approval?: ActApproval | undefined };

/** The version of the policy that lets a token be issued, and what the token says of the yes it was issued for. */
export type Passed = { policyVersion: string } & Pick<Issue, "approvalId" | "approvedDigest">;

/**
 * Lets a token request go on that the policy allows, or that a person approved: exactly this, and nothing that
 * registrations, subject token or policy have turned it into since.
 */
export function requireApproved({ client, approval }: Requester, wanted: Wanted, decision: Decision): Passed {
  if (decision.effect === "deny") return { policyVersion: requireAllowed(decision) };
  if (!approval) {
    if (decision.effect === "step_up") throw new WaitsForPerson(wanted);
    return { policyVersion: decision.version };
  }
  const { clientId } = client;
  const { subject, actors, resource, scope, authorizationDetails, jkt } = wanted;
  const digest = actDigest({ clientId, subject, actors, resource, scope, authorizationDetails, jkt });
  if (digest !== approval.digest) {
    throw new OAuthError(
      "invalid_grant",
      "What this request comes to is no longer what the person approved. Send the request again.",
      { reason: "the digest differs" },
    );
  }
  return { policyVersion: decision.version, approvalId: approval.id, approvedDigest: digest };
}

/** How long a token lives, in seconds, which perhaps a person approved. */
export const approvedTtl = (ttl: number, approval: ActApproval | undefined): number =>
  approval ? Math.min(ttl, APPROVED_TTL) : ttl;

/** The same for what a person consented to: a yes to what is approved each time is as short as any other. */
export async function consentedTtl(
  ctx: Context,
  ttl: number,
  given: Parameters<typeof rulingOf>[1],
): Promise<number> {
  return needsApproval(await rulingOf(ctx, given)) ? Math.min(ttl, APPROVED_TTL) : ttl;
}

/** Uses a yes up together with what comes of it, both or neither: of many polls at once one gets the token. */
export async function withApproval(
  ctx: Context,
  { approval, issued }: { approval: ActApproval | undefined; issued: IssuedToken },
  work: (tx: Context) => Promise<void>,
): Promise<void> {
  if (!approval) return work(ctx);
  const { row, event } = issued;
  await inTransaction(ctx, async (tx) => {
    // Nothing was changed yet that would have to stay.
    if (!(await spendApproval(tx, approval, { jti: row.jti, address: event.address }))) throw alreadyUsed();
    await work(tx);
  });
}

/** Stores a token; what only appends shares its commit with others, and is no part of a transaction. */
export const append = (
  ctx: Context,
  issued: IssuedToken,
  approval: ActApproval | undefined,
): Promise<void> => (approval ? appendIssuedTokens(ctx.db, ctx.now(), [issued]) : ctx.appendIssued(issued));

/** Stores a token that nothing else is used up for but the yes it waited for, if it did. */
export const storeIssued = (
  ctx: Context,
  issued: IssuedToken,
  approval: ActApproval | undefined,
): Promise<void> => withApproval(ctx, { approval, issued }, (tx) => append(tx, issued, approval));

const alreadyUsed = () =>
  new OAuthError("invalid_grant", "This approval was used already. Send the request again to ask once more.");
