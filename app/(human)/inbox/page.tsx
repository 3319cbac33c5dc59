import { redirect } from "next/navigation";
import { Letter } from "@/app/letter";
import { visitorOfPage } from "@/app/visitor";
import { Inbox } from "@/components/inbox";
import { listItems } from "@/lib/http/approvals";
import { loginPath } from "@/lib/http/session";
import { approvalPath } from "@/lib/services/approval-page";

/** What waits for the person's answer, and what was answered. */
export default async function InboxPage() {
  const { ctx, by } = await visitorOfPage();
  if (!by) redirect(loginPath("/inbox"));
  const items = async (status: "pending" | "past") =>
    (await listItems(ctx, by.user, status)).map(
      ({ id, sentence, risk, status: state, requested_at, expires_at, decided_at, decided_by }) => ({
        ...{ id, sentence, risk, status: state, href: approvalPath(id) },
        ...{ requestedAt: requested_at, expiresAt: expires_at, decidedAt: decided_at },
        wentAhead: decided_by?.startsWith("standing:") === true,
      }),
    );
  const [pending, past] = [await items("pending"), await items("past")];
  return (
    <Letter title={pending.length > 0 ? `(${pending.length}) Inbox` : "Inbox"} continueTo="/inbox">
      <Inbox pending={pending} past={past} now={ctx.now().toISOString()} />
    </Letter>
  );
}
