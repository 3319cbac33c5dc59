import { lengthOfTime } from "@/app/(human)/length-of-time";
import type { Visitor } from "@/app/visitor";
import type { ActApprovalView } from "@/components/act-approval";
import { againPath, mayStop } from "@/lib/http/act-form";
import { decisionPurpose } from "@/lib/http/decision";
import { confirmPath } from "@/lib/http/person-authentication";
import { satisfiesAcr } from "@/lib/oauth/acr";
import { approvalPath } from "@/lib/services/approval-page";
import type { Shown } from "@/lib/services/approval-shown";
import type { ActApproval } from "@/lib/services/approvals";
import { proofOfPresence } from "@/lib/services/proof-of-presence";
import type { SignedIn } from "@/lib/services/sessions";
import { digestShown } from "@/lib/services/signed-decisions";

type Asked = { by: SignedIn; approval: ActApproval; shown: Shown; problem: string | undefined };

/** What the page of a question needs beside what it says: how this person may answer it. */
export async function actView(
  { ctx, formToken }: Visitor,
  { by, approval, shown, problem }: Asked,
): Promise<ActApprovalView> {
  const { id, risk } = approval;
  const proof = await proofOfPresence(ctx, by, risk);
  // The client was promised how the person signs in (CIBA Core §7.1): a yes by less would give it nothing.
  const presence =
    proof === "ok" && !satisfiesAcr(by.session.amr, approval.act.acrValues ?? []) ? "confirm_first" : proof;
  return {
    shown,
    csrf: formToken(decisionPurpose(id)),
    now: ctx.now(),
    email: by.user.email,
    presence,
    // Of exactly what the page is made of, not of what is so a moment later.
    digest: digestShown(ctx, { by }, { approvalId: id, decision: "approved", shown }),
    signInPath: againPath(id),
    confirmPath: confirmPath(approvalPath(id)),
    lacksPasskey: risk === "high" && presence === "ok",
    mayStop: mayStop(approval, by),
    actsFor: lengthOfTime(ctx.settings.accessTokenTtl),
    problem: PROBLEMS[problem ?? ""],
  };
}

const PROBLEMS: Readonly<Record<string, string>> = {
  number: "That is not the number. Enter the two digits that the agent shows, or deny.",
  question: "Nothing was asked: type your question first.",
  questions: "Nothing was asked: three questions are the most. Decide, or deny with a reason.",
  passkey: "Nothing was approved: this needs your passkey, and that needs JavaScript.",
};
