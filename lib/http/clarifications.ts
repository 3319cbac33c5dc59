import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { answerQuestion, askQuestion, type Said } from "@/lib/services/clarifications";
import { findDecidable } from "./act-decision";
import type { Call } from "./call";
import { requireDecidingPerson } from "./deciding-person";
import { json, readJsonAs } from "./json";
import { ownQuestion, requireAsker } from "./step-up-asker";
import { Clarification } from "./step-up-schemas";

/** `POST /approvals/{id}/questions`: who decides wants to know something first. */
export async function askQuestionEndpoint(ctx: Context, call: Call): Promise<Response> {
  const person = await requireDecidingPerson(ctx, call);
  const { text } = await readJsonAs(call.request, Clarification);
  const { id: approvalId } = await findDecidable(ctx, person, call.params.id ?? "");
  const by = person.by.user;
  return answered(await askQuestion(ctx, { approvalId, by, text, address: call.address }));
}

/** `POST /stepup/{id}/answers`: the agent answers the question that waits for it. */
export async function answerQuestionEndpoint(ctx: Context, call: Call): Promise<Response> {
  const asker = await requireAsker(ctx, call);
  const { text } = await readJsonAs(call.request, Clarification);
  const { id: approvalId, clientId } = await ownQuestion(ctx, call, asker);
  return answered(await answerQuestion(ctx, { approvalId, clientId, text, address: call.address }));
}

function answered(said: Said): Response {
  switch (said.outcome) {
    case "said":
      return json({ round: said.round }, { status: 201 });
    case "unknown":
      throw new OAuthError("not_found", "There is no such question for you.");
    case "too_late":
      throw new OAuthError("conflict", "This was decided already, or its time is over.");
    case "unanswered":
      throw new OAuthError("conflict", "A question waits for its answer. Ask the next one after it.");
    case "too_many":
      throw new OAuthError(
        "conflict",
        "Three questions were asked already. Decide, or say no with a reason.",
      );
    case "nothing_asked":
      throw new OAuthError("conflict", "No question waits for an answer.");
  }
}
