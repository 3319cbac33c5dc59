import { z } from "zod";
import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { timeOrderedUuid } from "@/lib/ids";
import { GRANT_TYPES } from "@/lib/oauth/token-types";
import { withoutUnapproved } from "@/lib/services/approval-by-consent";
import { type PollResult, pollApproval } from "@/lib/services/approval-polls";
import { type ActApproval, consumeApproval } from "@/lib/services/approvals";
import { findByDeviceCode } from "@/lib/services/device-codes";
import { meansResource } from "@/lib/services/targets";
import { firstTokens } from "./first-tokens";
import { defineGrant, type TokenRequest, type TokenResponse } from "./grant";
import { heldDetails } from "./held-details";
import { oneResource } from "./one-resource";
import { remainingScope } from "./remaining-scope";

type Params = { device_code: string; authorization_details?: string | undefined };

/** Device access token requests and their polling answers (RFC 8628 §3.4, §3.5). */
export const deviceCode = defineGrant({
  grantType: GRANT_TYPES.deviceCode,

  params: z.object({
    device_code: z.string().min(1).max(200),
    authorization_details: z.string().optional(),
  }),

  async handle(ctx, request) {
    const approval = approvedBy(await poll(ctx, request));
    return (await redeem(ctx, approval, request)) ?? refuseUnknown();
  },
});

async function poll(ctx: Context, { client, params, jkt, wait }: TokenRequest<Params>): Promise<PollResult> {
  const asked = await findByDeviceCode(ctx, params.device_code);
  if (!asked) return { status: "unknown" };
  return pollApproval(ctx, { id: asked.id, clientId: client.clientId, jkt, wait });
}

/** The question with its yes; any other answer is told to the device as the standard wants it. */
function approvedBy(result: PollResult): ActApproval {
  switch (result.status) {
    case "approved":
      return result.approval;
    case "pending":
      throw new OAuthError("authorization_pending", "The person has not answered yet. Ask again.");
    case "too_fast":
      throw new OAuthError("slow_down", `Wait ${result.interval} seconds between polls.`);
    case "denied":
      throw new OAuthError("access_denied", "The person refused.");
    case "expired":
      throw new OAuthError("expired_token", "Nobody answered in time. Ask for a new device code.");
    case "another_key":
      throw new OAuthError(
        "invalid_dpop_proof",
        "Poll with a DPoP proof of the key that asked for this device code.",
      );
    case "unknown":
    case "cancelled":
      return refuseUnknown();
  }
}

function refuseUnknown(): never {
  throw new OAuthError(
    "invalid_grant",
    "The device code is unknown, used, or not this client's. Ask for a new one.",
  );
}

async function redeem(
  ctx: Context,
  { id, act, userId, grantId, grantedScope, grantedDetails, authTime, amr }: ActApproval,
  request: TokenRequest<Params>,
): Promise<TokenResponse | undefined> {
  if (!userId || !grantId || !authTime || !amr)
    throw new Error(`approval ${id} was not answered by a person`);
  const { resource } = act;
  const asked = oneResource(request.resources);
  if (asked !== undefined && !(await meansResource(ctx, asked, resource)))
    throw new OAuthError("invalid_target", `This device code is for ${resource}.`);
  const given = { resource, authorizationDetails: grantedDetails };
  const authorizationDetails = await heldDetails(ctx, given, request.params.authorization_details);
  const { scope: left, person } = await remainingScope(ctx, { grantId, resource, scope: grantedScope ?? [] });
  // They said yes a moment ago.
  const held = await withoutUnapproved(ctx, { resource, scope: left, authorizationDetails }, person);
  const { scope, authorizationDetails: details } = held;
  const authorization = {
    ...{ grantType: GRANT_TYPES.deviceCode, approvalId: id, familyId: timeOrderedUuid(ctx.now()) },
    ...{ grantId, userId, resource, scope, authorizationDetails: grantedDetails, authTime, amr },
    lasts: act.lasts,
  };
  return firstTokens(ctx, authorization, request, { details, consume: (tx) => consumeApproval(tx, id) });
}
