import type { z } from "zod";
import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { decideDevice } from "@/lib/services/device-decisions";
import { FRESH_SIGN_IN } from "@/lib/services/proof-of-presence";
import { refuseOwnClient } from "./act-decision";
import type { Call, Handler } from "./call";
import { type DecidingPerson, requireDecidingPerson } from "./deciding-person";
import { allowedOf, deviceLasts, isNothing, presenceOf } from "./device-decision";
import { DeviceAnswer, DeviceCompletion } from "./device-schemas";
import { signInAgain } from "./insufficient-authentication";
import { json, readJsonAs } from "./json";
import { claimByUserCode, claimedByAnother } from "./user-codes";

type Answer = z.infer<typeof DeviceAnswer> & { action: "approve" | "deny" };

/** `POST /device/approve` and `/device/deny`. */
export const deviceApproveEndpoint: Handler = async (ctx, call) =>
  answer(ctx, call, async () => ({ ...(await readJsonAs(call.request, DeviceAnswer)), action: "approve" }));

export const deviceDenyEndpoint: Handler = async (ctx, call) =>
  answer(ctx, call, async () => ({ ...(await readJsonAs(call.request, DeviceAnswer)), action: "deny" }));

/** `POST /device/complete`: either of the two. */
export const deviceCompleteEndpoint: Handler = async (ctx, call) =>
  answer(ctx, call, () => readJsonAs(call.request, DeviceCompletion));

async function answer(ctx: Context, call: Call, read: () => Promise<Answer>): Promise<Response> {
  const person = await requireDecidingPerson(ctx, call);
  const { user_code: typed, action, scope } = await read();
  const { by } = person;
  const approval = await claimed(ctx, call, person, typed);
  const decision = { id: approval.id, by, lasts: deviceLasts(ctx).short, address: call.address };
  if (action === "deny") return told(await decideDevice(ctx, { ...decision, allow: undefined }));
  const { act } = approval;
  const chosen = { scope: scope ?? act.scope, details: act.authorizationDetails };
  const allowed = await allowedOf(ctx, approval, by, chosen);
  if (isNothing(approval, allowed))
    throw new OAuthError(
      "forbidden",
      "Your role lets you allow nothing of this. Ask an admin to answer, or deny.",
    );
  if (await presenceOf(ctx, approval, by, allowed)) throw signInAgain(FRESH_SIGN_IN);
  return told(await decideDevice(ctx, { ...decision, allow: allowed.scope, details: allowed.details }));
}

/** The open question behind a code, for the one person who may answer it. */
async function claimed(ctx: Context, call: Call, person: DecidingPerson, typed: string) {
  const view = await claimByUserCode(ctx, call, { typed, userId: person.by.user.id });
  switch (view.state) {
    case "open":
      await refuseOwnClient(ctx, person, view.approval);
      return view.approval;
    case "answered":
      throw answeredBefore();
    case "not_yours":
      throw claimedByAnother();
    case "expired":
      throw new OAuthError("expired_token", "This code has expired. Ask the device for a new one.");
    case "unreadable":
    case "unknown":
      throw new OAuthError(
        "invalid_request",
        "There is no such code. Send user_code as the device shows it.",
      );
  }
}

const answeredBefore = () => new OAuthError("conflict", "This code was answered already.");

function told(outcome: "approved" | "denied" | "too_late"): Response {
  if (outcome === "too_late") throw answeredBefore();
  return json({ status: outcome });
}
