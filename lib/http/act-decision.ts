import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import type { Json } from "@/lib/oauth/canonical-json";
import type { DecisionProof } from "@/lib/oauth/signed-decision";
import { areKin, findAgentByClientRecently } from "@/lib/services/agent-lookup";
import { type ActOutcome, decideAct } from "@/lib/services/approval-decisions";
import { shownOf } from "@/lib/services/approval-shown";
import { type ActApproval, findApproval, isAct, statusOf } from "@/lib/services/approvals";
import { mayDecide } from "@/lib/services/deciders";
import { FRESH_SIGN_IN, proofOfPresence } from "@/lib/services/proof-of-presence";
import { type Assertion, type Question, verifyDecisionAssertion } from "@/lib/services/signed-decisions";
import type { Call } from "./call";
import type { DecidingPerson } from "./deciding-person";

/** An answer as it came in. */
export type GivenDecision = {
  decision: "approved" | "denied";
  reason?: string | undefined;
  /** What the requester shows, where the page asks for it. */
  number?: string | undefined;
  /** The signature of a passkey, where one is asked for. */
  assertion?: Assertion | undefined;
};

/**
 * A question of an agent that this person may answer; for everybody else it is not there (security case 161). What a
 * device asks is answered by its code, see device-decision.ts.
 */
export async function findDecidable(ctx: Context, person: DecidingPerson, id: string): Promise<ActApproval> {
  const approval = await findApproval(ctx, id);
  if (!approval || !isAct(approval) || approval.kind === "device" || !mayDecide(approval, person.by.user))
    throw noSuchQuestion();
  await refuseOwnClient(ctx, person, approval);
  return approval;
}

const noSuchQuestion = () => new OAuthError("not_found", "There is no such question for you.");

/** What a person's app asks, or an agent of its kin, that same app does not answer for them. */
export async function refuseOwnClient(
  ctx: Context,
  person: DecidingPerson,
  { clientId, act }: ActApproval,
): Promise<void> {
  if (person.kind !== "token") return;
  const involved = [clientId, ...act.chain.map(({ sub }) => sub.replace(/^client:/, ""))];
  const [own, asking] = [
    await findAgentByClientRecently(ctx, person.clientId),
    await findAgentByClientRecently(ctx, clientId),
  ];
  if (!involved.includes(person.clientId) && !areKin(own, asking)) return;
  throw new OAuthError("forbidden", "Whoever asks does not answer. Sign in at the page of the question.");
}

/** The question as a passkey signs it: its answer, and all that the page says. */
export const questionOf = async (
  ctx: Context,
  approval: ActApproval,
  decision: GivenDecision["decision"],
): Promise<Question> => ({
  approvalId: approval.id,
  decision,
  shown: (await shownOf(ctx, approval)) satisfies Json,
});

/** Takes the answer of a person, once what its risk asks of them is there. */
export async function decideAs(
  ctx: Context,
  call: Call,
  person: DecidingPerson,
  { id, ...given }: GivenDecision & { id: string },
): Promise<{ outcome: "approved" | "denied" | "counted"; approval: ActApproval }> {
  const approval = await findDecidable(ctx, person, id);
  // Saying no needs no more than being there.
  const isOpen = statusOf(ctx, approval) === "pending";
  const proof =
    given.decision === "approved" && isOpen ? await prove(ctx, person, approval, given) : undefined;
  const { decision, reason, number } = given;
  const { by } = person;
  const decided = await decideAct(ctx, { id, by, decision, reason, number, proof, address: call.address });
  return accepted(ctx, decided);
}

async function prove(
  ctx: Context,
  person: DecidingPerson,
  approval: ActApproval,
  { decision, assertion }: GivenDecision,
): Promise<DecisionProof | undefined> {
  switch (await proofOfPresence(ctx, person.by, approval.risk)) {
    case "ok":
      return undefined;
    case "sign_in_again":
      throw signInAgain(approval.risk === "high" ? FRESH_SIGN_IN : ctx.settings.sessionIdle);
    case "passkey":
      if (person.kind === "session" && assertion)
        return verifyDecisionAssertion(ctx, person, {
          question: await questionOf(ctx, approval, decision),
          assertion,
        });
      throw insufficient("Confirm this with a passkey of yours, at the page of the question.", 0);
  }
}

/** The refusal of an answer whose person signed in longer ago than this, in seconds. */
export const signInAgain = (maxAge: number) =>
  insufficient("Sign in again to answer this: your sign-in is too long ago.", maxAge);

/** RFC 9470 §3: how fresh the sign-in has to be. */
const insufficient = (description: string, maxAge: number) =>
  new OAuthError("insufficient_user_authentication", description, {
    headers: {
      "www-authenticate": `Bearer error="insufficient_user_authentication", error_description="${description}", max_age="${maxAge}"`,
    },
    members: { max_age: maxAge },
  });

function accepted(ctx: Context, decided: ActOutcome) {
  switch (decided.outcome) {
    case "approved":
    case "denied":
    case "counted":
      return { outcome: decided.outcome, approval: decided.approval };
    case "unknown":
    case "not_yours":
      throw noSuchQuestion();
    case "beyond_role":
      throw new OAuthError("forbidden", "Your role does not let you allow this. Ask an admin to answer.");
    case "wrong_number":
      throw new OAuthError(
        "validation_failed",
        "That is not the number. Enter the two digits that the agent shows, or deny.",
      );
    case "answered_before":
      throw new OAuthError("conflict", "You answered this already, and others have to answer too.");
    case "too_late":
      throw new OAuthError(
        "conflict",
        TOO_LATE[statusOf(ctx, decided.approval)] ?? "This was answered already.",
      );
  }
}

const TOO_LATE: Partial<Record<ActApproval["status"], string>> = {
  expired: "This question has expired: nobody answered in time.",
  cancelled: "Whoever asked this has taken it back.",
};
