import { z } from "zod";
import { OAuthError } from "@/lib/errors";
import { GRANT_TYPES } from "@/lib/oauth/token-types";
import { defineGrant } from "./grant";
import { approvalOf, type GoOn, workloadOf, workloadParams } from "./poll";

/** Asks how a token request stands that a client let be deferred (draft-ietf-oauth-deferred-token-response-00). */
export const deferred = (goOn: GoOn) =>
  defineGrant({
    grantType: GRANT_TYPES.deferred,
    isContinuation: true,

    params: z.object({ deferral_code: z.string().min(1), ...workloadParams }),

    clientOf: workloadOf,

    async handle(ctx, request) {
      const approval = await approvalOf(ctx, request, "deferral_code", request.params.deferral_code);
      if (approval.kind === "issuance") return goOn(ctx, request, approval);
      throw new OAuthError("invalid_grant", "This request was not deferred. Poll with its auth_req_id.");
    },
  });
