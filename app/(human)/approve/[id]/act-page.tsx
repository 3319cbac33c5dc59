import { Letter } from "@/app/letter";
import type { Visitor } from "@/app/visitor";
import { ActApproval } from "@/components/act-approval";
import { ActOutcome } from "@/components/act-outcome";
import { Notice } from "@/components/notice";
import { listDecisions } from "@/lib/services/approval-decisions";
import { approvalPath } from "@/lib/services/approval-page";
import { shownOf } from "@/lib/services/approval-shown";
import { type ActApproval as Asked, statusOf } from "@/lib/services/approvals";
import { mayDecideNow, underRulesNow } from "@/lib/services/deciders";
import type { SignedIn } from "@/lib/services/sessions";
import { actOutcomeView } from "./act-outcome-view";
import { actView } from "./act-view";

type ActPageProps = {
  visitor: Visitor;
  by: SignedIn;
  approval: Asked;
  /** What was wrong with the last answer, as the address says. */
  problem: string | undefined;
};

/** What an agent asks: put to whoever may answer, and to nobody else. */
export async function ActPage({ visitor, by, approval: asked, problem }: ActPageProps) {
  const { ctx } = visitor;
  const approval = await underRulesNow(ctx, asked);
  const continueTo = approvalPath(approval.id);
  if (!(await mayDecideNow(ctx, approval, by.user)))
    return (
      <Letter title={NOT_YOURS.title} continueTo={continueTo}>
        <Notice {...NOT_YOURS} />
      </Letter>
    );
  const decisions = await listDecisions(ctx, approval.id);
  const answered = decisions.some(({ userId }) => userId === by.user.id);
  if (statusOf(ctx, approval) !== "pending" || answered) {
    const outcome = await actOutcomeView(visitor, { by, approval, decisions, problem });
    return (
      <Letter title={outcome.title} continueTo={continueTo}>
        <ActOutcome {...outcome} />
      </Letter>
    );
  }
  const view = await actView(visitor, { by, approval, shown: await shownOf(ctx, approval), problem });
  return (
    <Letter title={`${view.problem ? "Error: " : ""}${view.shown.sentence}`} continueTo={continueTo}>
      <ActApproval {...view} />
    </Letter>
  );
}

const NOT_YOURS = {
  title: "This question is for somebody else",
  happened: "It was put to other people, and only they see what it is.",
  advice:
    "If you expected to answer it, sign in with the account that was asked, or tell your administrator.",
};
