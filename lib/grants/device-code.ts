import { z } from "zod";
import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { timeOrderedUuid } from "@/lib/ids";
import { GRANT_TYPES } from "@/lib/oauth/token-types";
import { withoutUnapproved } from "@/lib/services/approval-by-consent";
import { spendApproval } from "@/lib/services/approval-ends";
import type { ActApproval } from "@/lib/services/approvals";
import { findByDeviceCode } from "@/lib/services/device-codes";
import { meansResource } from "@/lib/services/targets";
import { firstTokens } from "./first-tokens";
import { defineGrant, type TokenRequest, type TokenResponse } from "./grant";
import { heldDetails } from "./held-details";
import { oneResource } from "./one-resource";
import { answeredApproval, unknownHandle } from "./poll";
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
    const asked = await findByDeviceCode(ctx, request.params.device_code);
    const approval = await answeredApproval(ctx, request, { name: "device_code", id: asked?.id });
    const response = await redeem(ctx, approval, request);
    if (!response) throw unknownHandle("device_code");
    return response;
  },
});

/** The tokens for what the person allowed; undefined when another poll was first. */
async function redeem(
  ctx: Context,
  approval: ActApproval,
  request: TokenRequest<Params>,
): Promise<TokenResponse | undefined> {
  const { id, act, userId, grantId, grantedScope, grantedDetails, authTime, amr } = approval;
  if (!userId || !grantId || !authTime || !amr)
    throw new Error(`approval ${id} was not answered by a person`);
  const { address } = request;
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
  return firstTokens(ctx, authorization, request, {
    details,
    consume: (tx, jti) => spendApproval(tx, approval, { jti, address }),
  });
}
