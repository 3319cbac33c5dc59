import type { z } from "zod";
import type { Context } from "@/lib/context";
import { decideAs } from "./act-decision";
import type { Call } from "./call";
import { requireDecidingPerson } from "./deciding-person";
import { readText } from "./form";
import { readJsonAs } from "./json";
import { stepUpAnswer } from "./step-up-answers";
import { requireStepUp } from "./step-up-asker";
import { StepUpApproval, StepUpDenial } from "./step-up-schemas";

/** `POST /stepup/{id}/approve`: a person says yes; who they are is what they proved, not what the body says. */
export async function approveStepUpEndpoint(ctx: Context, call: Call): Promise<Response> {
  const person = await requireDecidingPerson(ctx, call);
  const { number } = await readBody(call.request, StepUpApproval);
  const { id } = await requireStepUp(ctx, call);
  const { approval } = await decideAs(ctx, call, person, { id, decision: "approved", number });
  return stepUpAnswer(ctx, approval);
}

/** `POST /stepup/{id}/deny`: a person says no, and perhaps why. */
export async function denyStepUpEndpoint(ctx: Context, call: Call): Promise<Response> {
  const person = await requireDecidingPerson(ctx, call);
  const { reason } = await readBody(call.request, StepUpDenial);
  const { id } = await requireStepUp(ctx, call);
  const { approval } = await decideAs(ctx, call, person, {
    ...{ id, decision: "denied" },
    ...(reason && { reason }),
  });
  return stepUpAnswer(ctx, approval);
}

/** Earlier clients send no body where there is nothing to say. */
async function readBody<Schema extends z.ZodType>(
  request: Request,
  schema: Schema,
): Promise<z.output<Schema>> {
  const isEmpty = (await readText(request.clone())) === "";
  return isEmpty ? schema.parse({}) : readJsonAs(request, schema);
}
