import { redirect } from "next/navigation";
import { Letter } from "@/app/letter";
import { firstOf, visitorOfPage } from "@/app/visitor";
import { Consent } from "@/components/consent";
import { Notice, type NoticeView } from "@/components/notice";
import { loginPath } from "@/lib/http/session";
import { approvalPath } from "@/lib/services/approval-page";
import { findApproval, isAskedByAgent } from "@/lib/services/approvals";
import { type ConsentView, openConsent } from "@/lib/services/consents";
import { ActPage } from "./act-page";
import { consentView } from "./consent-view";
import { DeviceQuestion } from "./device-question";

/** Puts a question to a person; what can be asked no more says so. */
export default async function ApprovalPage({ params, searchParams }: PageProps<"/approve/[id]">) {
  const { id } = await params;
  const visitor = await visitorOfPage();
  const { ctx, by, browser } = visitor;
  if (!by) redirect(loginPath(approvalPath(id)));
  const nothingTicked = "nothing-ticked" in (await searchParams);
  const approval = await findApproval(ctx, id);
  if (approval && isAskedByAgent(approval)) {
    const problem = firstOf((await searchParams).problem);
    return <ActPage visitor={visitor} by={by} approval={approval} problem={problem} />;
  }
  if (approval?.kind === "device")
    return <DeviceQuestion id={id} visitor={{ ...visitor, by }} nothingTicked={nothingTicked} />;
  const opened = await openConsent(ctx, { id, userId: by.user.id, browser });
  const consent =
    opened.state === "open"
      ? await consentView(visitor, { approval: opened.approval, by, nothingTicked })
      : undefined;
  if (consent) {
    return (
      <Letter
        title={`${consent.error ? "Error: " : ""}Allow ${consent.app}?`}
        continueTo={`/authorize/${id}`}
      >
        <Consent {...consent} />
      </Letter>
    );
  }
  const notice = noticeOf(opened);
  return (
    <Letter title={notice.title} continueTo={`/authorize/${id}`}>
      <Notice {...notice} />
    </Letter>
  );
}

const TO_MY_AGENTS = { label: "See my agents", href: "/me" };
const START_AGAIN = "To go on, start again in the app that sent you here.";

function noticeOf(view: ConsentView): NoticeView {
  switch (view.state) {
    case "answered":
      return view.approval.status === "denied"
        ? {
            title: "You refused this request",
            happened: "The app got nothing, and was told so.",
            advice: START_AGAIN,
            action: TO_MY_AGENTS,
          }
        : {
            title: "You allowed this request",
            happened: "It was answered before, and an answer counts once.",
            advice: "You can see what the app may do, give it less, or stop it.",
            action: TO_MY_AGENTS,
          };
    case "expired":
      return {
        title: "This question has lapsed",
        happened: "Its ten minutes are over, or the app left this server. Nothing was given.",
        advice: START_AGAIN,
      };
    case "not_yours":
      return {
        title: "This question is for somebody else",
        happened: "It was asked in another browser, or of another person.",
        advice: "Answer it there, or start again in the app, in this browser.",
      };
    case "unknown":
      return {
        title: "There is no such question",
        happened: "It was answered long ago, or the address is not complete.",
        advice: START_AGAIN,
      };
    case "open":
      return {
        title: "This app is not known here any more",
        happened: "It was removed while it waited for your answer. Nothing was given.",
        advice: "Tell your administrator if you expected something else.",
      };
  }
}
