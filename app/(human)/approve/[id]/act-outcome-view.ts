import type { Visitor } from "@/app/visitor";
import type { ActOutcomeView, StandingOfferView } from "@/components/act-outcome";
import { standingPurpose } from "@/lib/http/act-form";
import { MAX_DAYS, MAX_USES } from "@/lib/http/approval-schemas";
import { actInWords } from "@/lib/services/approval-words";
import { type ActApproval, statusOf } from "@/lib/services/approvals";
import type { SignedIn } from "@/lib/services/sessions";
import { canAllowFromNowOn, findStandingOf } from "@/lib/services/standing-approvals";
import { findUser } from "@/lib/services/users";

type Over = {
  by: SignedIn;
  approval: ActApproval;
  /** How many said yes so far, where others have to say so too. */
  yeses: number;
  problem: string | undefined;
};

/** What the page says of a question that is over, or that others have to answer yet. */
export async function actOutcomeView(visitor: Visitor, over: Over): Promise<ActOutcomeView> {
  const { ctx } = visitor;
  const { approval } = over;
  const { verb } = await actInWords(ctx, approval);
  const words = wordsOf(visitor, over);
  return {
    ...words,
    asked: { agent: approval.client.name, verb },
    by: await whoSaidSo(visitor, over),
    at: approval.decidedAt ?? undefined,
    reason: approval.reason ?? undefined,
    now: ctx.now(),
    standing: await standingOf(visitor, over),
  };
}

/** What is so now, and what the agent was told of it. */
function wordsOf({ ctx }: Visitor, { approval, yeses }: Over): Pick<ActOutcomeView, "title" | "told"> {
  const agent = approval.client.name;
  switch (statusOf(ctx, approval)) {
    case "pending":
      return {
        title: "Your yes counts, and others have to say it too",
        told: `${yeses} of ${approval.quorum} people approved so far. ${agent} waits until then.`,
      };
    case "approved":
      return {
        title: "Approved",
        told: `${agent} was told so. It has 5 minutes to do it, once, and nothing else.`,
      };
    case "consumed":
      return { title: "Approved", told: `${agent} was told so, and took what it needs for this, once.` };
    case "denied":
      return { title: "Refused", told: `${agent} was told so, and got nothing.` };
    case "expired":
      return {
        title: "This question has expired",
        told: `Nobody answered in time. ${agent} was told so, and got nothing. It can ask again.`,
      };
    case "cancelled":
      return {
        title: "This question was withdrawn",
        told: `${agent} took it back, or was stopped. It got nothing.`,
      };
  }
}

async function whoSaidSo({ ctx }: Visitor, { approval, by }: Over): Promise<string | undefined> {
  const [kind, id = ""] = (approval.decidedBy ?? "").split(":");
  if (kind === "standing") return "By what was allowed from now on, without asking anybody";
  if (kind !== "user") return undefined;
  const said = approval.status === "denied" ? "refused it" : "approved it";
  if (id === by.user.id) return `You ${said}`;
  const user = await findUser(ctx, id);
  return `${user?.email ?? "Somebody"} ${said}`;
}

/** Only who said yes alone can allow it from now on. */
async function standingOf(
  { ctx, formToken }: Visitor,
  { approval, by, problem }: Over,
): Promise<StandingOfferView | undefined> {
  if (!canAllowFromNowOn(approval, by.user)) return undefined;
  const given = await findStandingOf(ctx, approval.id);
  if (given)
    return given.revokedAt
      ? undefined
      : { kind: "given", maxUses: given.maxUses, expiresAt: given.expiresAt };
  return {
    kind: "offer",
    id: approval.id,
    csrf: formToken(standingPurpose(approval.id)),
    maxUses: MAX_USES,
    maxDays: MAX_DAYS,
    problem:
      problem === "bounds" ? "Nothing was allowed yet: enter whole numbers within the bounds." : undefined,
  };
}
