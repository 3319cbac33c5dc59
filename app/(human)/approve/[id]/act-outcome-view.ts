import { lengthOfTime } from "@/app/(human)/length-of-time";
import type { Visitor } from "@/app/visitor";
import type { ActOutcomeView, StandingOfferView } from "@/components/act-outcome";
import type { Context } from "@/lib/context";
import { standingPurpose } from "@/lib/http/act-form";
import { MAX_DAYS, MAX_USES } from "@/lib/http/approval-schemas";
import { actInWords } from "@/lib/services/approval-words";
import { type ActApproval, statusOf } from "@/lib/services/approvals";
import { findClient } from "@/lib/services/clients";
import type { SignedIn } from "@/lib/services/sessions";
import { canAllowFromNowOn, findStandingOf } from "@/lib/services/standing-approvals";
import { findUser } from "@/lib/services/users";

type Over = {
  by: SignedIn;
  approval: ActApproval;
  /** What was said so far, where others have to say so too. */
  decisions: readonly { userId: string }[];
  problem: string | undefined;
};

/** What the page says of a question that is over, or that others have to answer yet. */
export async function actOutcomeView(visitor: Visitor, over: Over): Promise<ActOutcomeView> {
  const { ctx } = visitor;
  const { approval } = over;
  const { verb } = await actInWords(ctx, approval);
  const { title, told } = wordsOf(visitor, over);
  return {
    title,
    told: approval.status === "denied" && (await isStopped(ctx, approval)) ? `${told} ${STOPPED}` : told,
    asked: { agent: approval.client.name, verb, waits: statusOf(ctx, approval) === "pending" },
    by: await whoSaidSo(visitor, over),
    at: approval.decidedAt ?? undefined,
    reason: approval.reason ?? undefined,
    now: ctx.now(),
    standing: await standingOf(visitor, over),
  };
}

const STOPPED = "It is stopped: nothing is given to it now.";

async function isStopped(ctx: Context, { clientId }: ActApproval): Promise<boolean> {
  const client = await findClient(ctx, clientId);
  return client !== undefined && client.status !== "active";
}

/** What is so now, and what the agent was told of it. */
function wordsOf({ ctx }: Visitor, { approval, decisions }: Over): Pick<ActOutcomeView, "title" | "told"> {
  const agent = approval.client.name;
  switch (statusOf(ctx, approval)) {
    case "pending":
      return {
        title: "Your yes counts, and others have to say it too",
        told: `${decisions.length} of ${approval.quorum} people approved so far. ${agent} waits until then.`,
      };
    case "approved":
    case "consumed":
      return { title: "Approved", told: `${agent} was told so${afterYes(ctx, approval)}` };
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

/** What the agent makes of a yes, or made of it. */
function afterYes(ctx: Context, { kind, status, expiresAt }: ActApproval): string {
  const actsFor = lengthOfTime(ctx.settings.accessTokenTtl);
  if (status === "consumed")
    return kind === "ciba"
      ? `, and acts for you within this for ${actsFor} at most.`
      : ", and took what it needs for this, once.";
  if (expiresAt <= ctx.now()) return ", and did not take it up within 5 minutes. It counts for nothing now.";
  return kind === "ciba"
    ? `. It has 5 minutes to take this up, and then acts for you within it for ${actsFor} at most.`
    : ". It has 5 minutes to do it, once, and nothing else.";
}

async function whoSaidSo({ ctx }: Visitor, { approval, by, decisions }: Over): Promise<string | undefined> {
  const [kind, id = ""] = (approval.decidedBy ?? "").split(":");
  if (kind === "standing") return "By what was allowed from now on, without asking anybody";
  if (kind !== "user") return undefined;
  const nameOf = async (userId: string) =>
    userId === by.user.id ? "You" : ((await findUser(ctx, userId))?.email ?? "Somebody");
  if (approval.status === "denied") return `${await nameOf(id)} refused it`;
  const everybody = decisions.length > 1 ? decisions.map(({ userId }) => userId) : [id];
  const names = await Promise.all(everybody.map(nameOf));
  return `${PEOPLE.format(names.sort((one, other) => Number(other === "You") - Number(one === "You")))} approved it`;
}

const PEOPLE = new Intl.ListFormat("en-GB");

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
