import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { approvalUrl } from "@/lib/services/approval-page";
import { shownOf } from "@/lib/services/approval-shown";
import { actInWords, sentenceOf } from "@/lib/services/approval-words";
import { type ActApproval, statusOf } from "@/lib/services/approvals";
import { listPastOf, listWaitingFor } from "@/lib/services/deciders";
import { assertionOptions, digestShown } from "@/lib/services/signed-decisions";
import { allowFromNowOn, whyNotStanding } from "@/lib/services/standing-approvals";
import type { User } from "@/lib/services/users";
import { decideAs, findDecidable, questionOf } from "./act-decision";
import { ActDecisionBody, ApprovalOptions, ApprovalsQuery } from "./approval-schemas";
import type { Call } from "./call";
import { requireDecidingPerson } from "./deciding-person";
import { json, parseJsonAs, readJsonAs } from "./json";

/** `GET /approvals`: what waits for this person's answer, or what they could have answered and is over. */
export async function listApprovalsEndpoint(ctx: Context, call: Call): Promise<Response> {
  const { by } = await requireDecidingPerson(ctx, call);
  const { status } = parseJsonAs(Object.fromEntries(call.url.searchParams), ApprovalsQuery);
  const items = await listItems(ctx, by.user, status);
  return json({ items, total: items.length });
}

/** The questions of a person, as lists show them, newest first. */
export async function listItems(ctx: Context, user: User, status: "pending" | "past") {
  const list = status === "pending" ? listWaitingFor : listPastOf;
  return Promise.all((await list(ctx, user)).map((approval) => toItem(ctx, approval)));
}

/** `GET /approvals/{id}`: one question, with all that its page says of it. */
export async function getApprovalEndpoint(ctx: Context, call: Call): Promise<Response> {
  const person = await requireDecidingPerson(ctx, call);
  const approval = await findDecidable(ctx, person, call.params.id ?? "");
  return json({
    ...(await toItem(ctx, approval)),
    digest: approval.digest,
    shown: await shownOf(ctx, approval),
    ...(statusOf(ctx, approval) === "pending" && {
      digest_to_sign: digestShown(ctx, person, await questionOf(ctx, approval, "approved")),
    }),
  });
}

/** `POST /approvals/{id}/options`: what a passkey of the person is to sign to say yes (WebAuthn Level 3 §5.5). */
export async function approvalOptionsEndpoint(ctx: Context, call: Call): Promise<Response> {
  const person = await requireDecidingPerson(ctx, call);
  if (person.kind !== "session")
    throw new OAuthError("forbidden", "A passkey signs at the page of the question. Open it in a browser.");
  const { digest } = await readJsonAs(call.request, ApprovalOptions);
  const approval = await findDecidable(ctx, person, call.params.id ?? "");
  if (statusOf(ctx, approval) !== "pending")
    throw new OAuthError("conflict", "This question is over. Load its page again to see what became of it.");
  const question = await questionOf(ctx, approval, "approved");
  return json(await assertionOptions(ctx, person, { question, digest }));
}

/** `POST /approvals/{id}/decision` for what agents ask (product decision D2). */
export async function answerActAsJson(ctx: Context, call: Call): Promise<Response> {
  const person = await requireDecidingPerson(ctx, call);
  const id = call.params.id ?? "";
  const { decision, credential, standing, ...given } = await readJsonAs(call.request, ActDecisionBody);
  if (standing) await refuseStanding(ctx, await findDecidable(ctx, person, id));
  const decided = await decideAs(ctx, call, person, {
    ...{ id, ...given, assertion: credential },
    decision: decision === "deny" ? "denied" : "approved",
  });
  const allowed =
    standing && decided.outcome === "approved"
      ? await allowFromNowOn(ctx, { approvalId: id, by: person.by, ...standing, address: call.address })
      : undefined;
  return json({
    id,
    // It counts, and others have to say yes too.
    status: decided.outcome === "counted" ? "pending" : decided.outcome,
    ...(allowed && { standing_approval_id: allowed.id }),
  });
}

async function refuseStanding(ctx: Context, approval: ActApproval): Promise<void> {
  const reason = whyNotStanding(approval);
  if (reason && statusOf(ctx, approval) === "pending")
    throw new OAuthError("validation_failed", `standing: ${reason}`);
}

async function toItem(ctx: Context, approval: ActApproval) {
  const { id, kind, client, clientId, risk, createdAt, expiresAt, quorum } = approval;
  const { decidedAt, decidedBy, reason } = approval;
  const status = statusOf(ctx, approval);
  return {
    ...{ id, kind, status, risk, quorum },
    sentence: sentenceOf(client.name, await actInWords(ctx, approval), status !== "pending"),
    ...{ client_id: clientId, client_name: client.name },
    requested_at: createdAt.toISOString(),
    expires_at: expiresAt.toISOString(),
    approval_url: approvalUrl(ctx, id),
    ...(decidedAt && { decided_at: decidedAt.toISOString() }),
    ...(decidedBy && { decided_by: decidedBy }),
    ...(reason && { reason }),
  };
}
