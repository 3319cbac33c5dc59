import { z } from "zod";
import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { satisfiesAcr } from "@/lib/oauth/acr";
import { GRANT_TYPES } from "@/lib/oauth/token-types";
import type { ActApproval } from "@/lib/services/approvals";
import { cibaScope, requireTheirsAlone } from "@/lib/services/ciba-requests";
import { touchClient } from "@/lib/services/clients";
import { mintIdToken } from "@/lib/services/id-tokens";
import { askPolicy, mintAccessToken, requireKeyWhereNeeded } from "@/lib/services/issuing";
import { findUser, type User } from "@/lib/services/users";
import { approvedTtl, requireApproved, storeIssued } from "./approved";
import { defineGrant, issuedToken, type TokenRequest, type TokenResponse } from "./grant";
import { approvalOf, type GoOn, workloadOf, workloadParams } from "./poll";

/**
 * Asks whether a person has answered, and gets what they allowed, once (CIBA Core §10.1): a token for that person, or
 * what a token request comes to that had to wait for somebody's approval.
 */
export const ciba = (goOn: GoOn) =>
  defineGrant({
    grantType: GRANT_TYPES.ciba,
    isContinuation: true,

    params: z.object({ auth_req_id: z.string().min(1), ...workloadParams }),

    clientOf: workloadOf,

    async handle(ctx, request) {
      const approval = await approvalOf(ctx, request, "auth_req_id", request.params.auth_req_id);
      if (approval.kind === "issuance") return goOn(ctx, request, approval);
      if (approval.kind === "ciba") return issueForPerson(ctx, request, approval);
      throw new OAuthError(
        "invalid_grant",
        "This auth_req_id is of another kind of request. Ask at /stepup.",
      );
    },
  });

/** The tokens of a person who agreed; no refresh token: whoever is asked each time is asked each time. */
async function issueForPerson(
  ctx: Context,
  request: TokenRequest<unknown>,
  approval: ActApproval,
): Promise<TokenResponse> {
  const { client, address, jkt } = request;
  if (!client.grantTypes.includes(GRANT_TYPES.ciba))
    throw new OAuthError("unauthorized_client", `This client is not registered for ${GRANT_TYPES.ciba}.`);
  const person = await personOf(ctx, approval);
  const { subject = "", resource, authorizationDetails, scope: asked, jkt: bound } = approval.act;
  const { authTime, amr } = signInOf(approval);
  const scope = await cibaScope(ctx, { client, resource, asked, role: person.role });
  await requireTheirsAlone(ctx, { resource, scope, authorizationDetails }, person);
  const { clientId } = client;
  const grantType = GRANT_TYPES.ciba;
  const token = { grantType, clientId, subject, scope, audience: resource, authorizationDetails };
  await requireKeyWhereNeeded(ctx, { audience: resource, jkt });
  // The key was asked about only if the client named one; else the token is bound to that of whoever polls.
  const wanted = { subject, actors: [], resource, scope, authorizationDetails, jkt: bound, lineage: [] };
  const decision = await askPolicy(ctx, token);
  const passed = requireApproved({ client, approval }, { ...wanted, isSingleUse: true }, decision);
  const ttl = approvedTtl(ctx.settings.accessTokenTtl, decision.effect === "step_up" ? approval : undefined);
  const minted = await mintAccessToken(ctx, { ...token, ...passed, ttl, jkt, authTime, amr });
  const { jti } = minted.row;
  const signIn = { clientId, userId: person.id, scope, resource, authTime, amr, familyId: jti };
  const idToken = await mintIdToken(ctx, { ...signIn, accessToken: minted.token });
  const issued = {
    row: minted.row,
    event: {
      type: "token.issued" as const,
      actor: `client:${clientId}`,
      subject: `token:${jti}`,
      clientId,
      data: {
        ...{ grantType, principal: subject, scope, audience: resource, approval: approval.id },
        ...(authorizationDetails && { authorizationDetails }),
      },
      address,
    },
  };
  await storeIssued(ctx, issued, approval);
  ctx.defer(() => touchClient(ctx, client));
  return {
    ...issuedToken({ token: minted.token, jkt, ttl, scope, authorizationDetails }),
    ...(idToken !== undefined && { id_token: idToken }),
  };
}

/** Somebody stopped since they answered gives nothing any more. */
async function personOf(ctx: Context, { userId }: ActApproval): Promise<User> {
  const person = userId === null ? undefined : await findUser(ctx, userId);
  if (person?.status === "active") return person;
  throw new OAuthError("invalid_grant", "The person who agreed may not sign in here any more.");
}

/** How the person had signed in when they answered, which has to be as the client asked (CIBA Core §7.1, RFC 9470 §5). */
function signInOf({ authTime, amr, act }: ActApproval): { authTime: Date; amr: readonly string[] } {
  if (authTime === null || amr === null) throw new Error("who answers has signed in");
  if (satisfiesAcr(amr, act.acrValues ?? [])) return { authTime, amr };
  throw new OAuthError(
    "unmet_authentication_requirements",
    "The person had not signed in as acr_values asked. Ask again, and tell them to use their passkey.",
  );
}
