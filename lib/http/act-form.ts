import type { Context } from "@/lib/context";
import { isOAuthError, OAuthError } from "@/lib/errors";
import { toPlainText } from "@/lib/oauth/display-text";
import { approvalPath } from "@/lib/services/approval-page";
import { type ActApproval, findApproval, isAskedByAgent } from "@/lib/services/approvals";
import { askQuestion } from "@/lib/services/clarifications";
import { underRulesNow } from "@/lib/services/deciders";
import { stop } from "@/lib/services/kill-switch";
import { proofOfPresence } from "@/lib/services/proof-of-presence";
import type { SignedIn } from "@/lib/services/sessions";
import { allowFromNowOn } from "@/lib/services/standing-approvals";
import { decideAs } from "./act-decision";
import { StandingBounds } from "./approval-schemas";
import type { Call } from "./call";
import { loginPath, type PersonForm, readPersonForm, seeOther } from "./session";

/** What the form below a yes is for. */
export const standingPurpose = (id: string): string => `allow ${id} from now on`;

/** Where somebody signs in again, although they are signed in, and comes back to the question. */
export const againPath = (id: string): string => `${loginPath(approvalPath(id))}&again`;

/** Characters of a reason that a person types. */
const LONGEST_REASON = 500;

/** A person's answer to what an agent asks, from the page. */
export async function answerActForm(
  ctx: Context,
  call: Call,
  { fields, by, browser }: PersonForm,
  asked: ActApproval,
): Promise<Response> {
  const approval = await underRulesNow(ctx, asked);
  const { id } = approval;
  const pressed = fields.get("decision");
  if (pressed === "ask") return seeOther(await askAgent(ctx, call, { fields, by, browser }, approval));
  if (pressed !== "approve" && pressed !== "deny" && pressed !== "stop")
    throw new OAuthError("invalid_request", "Answer with one of the buttons.");
  if (pressed === "stop" && !mayStop(approval, by)) throw notYoursToStop();
  // First: it is to stop also where somebody else was faster with a yes.
  if (pressed === "stop") await stopRequester(ctx, call, by, approval);
  const reason = toPlainText(fields.get("reason") ?? "", LONGEST_REASON).trim();
  const person = { kind: "session", by, browser } as const;
  try {
    await decideAs(ctx, call, person, {
      id,
      decision: pressed === "approve" ? "approved" : "denied",
      number: fields.get("number")?.trim(),
      ...(pressed !== "approve" && reason && { reason }),
    });
  } catch (error) {
    return seeOther(await wayOn(ctx, by, approval, error));
  }
  return seeOther(approvalPath(id));
}

/** Asks the agent something before the person decides, and leads back to the page. */
async function askAgent(ctx: Context, call: Call, { fields, by }: PersonForm, { id }: ActApproval) {
  const text = toPlainText(fields.get("question") ?? "", LONGEST_REASON).trim();
  if (text === "") return `${approvalPath(id)}?problem=question`;
  const { outcome } = await askQuestion(ctx, { approvalId: id, by: by.user, text, address: call.address });
  // What is in the way of a question, the page says: who else asked, or what became of it.
  return outcome === "too_many" ? `${approvalPath(id)}?problem=questions` : approvalPath(id);
}

/** Where the person goes on with what was wrong with their answer; what no page can say is thrown on. */
async function wayOn(ctx: Context, by: SignedIn, approval: ActApproval, error: unknown): Promise<string> {
  const { id, risk } = approval;
  if (!isOAuthError(error)) throw error;
  switch (error.code) {
    case "insufficient_user_authentication":
      // Without JavaScript nobody signs with a passkey: the page says so.
      return (await proofOfPresence(ctx, by, risk)) === "passkey"
        ? `${approvalPath(id)}?problem=passkey`
        : againPath(id);
    case "validation_failed":
      return `${approvalPath(id)}?problem=number`;
    // Somebody was faster, or the time is over: the page says what became of it.
    case "conflict":
      return approvalPath(id);
    default:
      throw error;
  }
}

/** Who may stop the agent that asks: its owner, and admins. */
export const mayStop = ({ ownerId }: Pick<ActApproval, "ownerId">, { user }: SignedIn): boolean =>
  user.role === "admin" || ownerId === user.id;

const notYoursToStop = () =>
  new OAuthError(
    "forbidden",
    "Only an admin or the owner of this agent stops it. Deny, and tell one of them.",
  );

async function stopRequester(
  ctx: Context,
  call: Call,
  { user }: SignedIn,
  { clientId, ownerId, id }: ActApproval,
): Promise<void> {
  try {
    await stop(ctx, {
      target: ownerId === null ? { kind: "client", clientId } : { kind: "agent", id: clientId },
      action: "freeze",
      actor: `user:${user.id}`,
      isOperator: user.role === "admin",
      reason: `Refused at approval ${id}`,
      address: call.address,
    });
  } catch (error) {
    // It was stopped before, or is gone: that is what was wanted.
    if (!isOAuthError(error) || (error.code !== "conflict" && error.code !== "not_found")) throw error;
  }
}

/** `POST /approve/{id}/standing`: allows the same from now on, from the page; works without JavaScript. */
export async function standingEndpoint(ctx: Context, call: Call): Promise<Response> {
  const id = call.params.id ?? "";
  const form = await readPersonForm(ctx, call, standingPurpose(id));
  if (!form) return seeOther(loginPath(approvalPath(id)));
  const { fields, by } = form;
  const approval = await findApproval(ctx, id);
  if (!approval || !isAskedByAgent(approval)) return seeOther(approvalPath(id));
  if ((await proofOfPresence(ctx, by, approval.risk)) === "sign_in_again") return seeOther(againPath(id));
  const bounds = StandingBounds.safeParse({
    uses: Number(fields.get("uses")),
    days: Number(fields.get("days")),
  });
  if (!bounds.success) return seeOther(`${approvalPath(id)}?problem=bounds`);
  await allowFromNowOn(ctx, { approvalId: id, by, ...bounds.data, address: call.address });
  return seeOther(approvalPath(id));
}
