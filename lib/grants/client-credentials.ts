import { z } from "zod";
import { OAuthError } from "@/lib/errors";
import { parseAuthorizationDetails } from "@/lib/oauth/authorization-details";
import { parseScope } from "@/lib/oauth/scope";
import { touchClient } from "@/lib/services/clients";
import { askPolicy, mintAccessToken, requireKeyWhereNeeded } from "@/lib/services/issuing";
import { ownDetails } from "@/lib/services/requested-details";
import { ownScope, requestedScope, resolveTarget } from "@/lib/services/targets";
import type { IssuedToken } from "@/lib/services/tokens";
import { approvedTtl, requireApproved, storeIssued } from "./approved";
import { defineGrant, issuedToken } from "./grant";
import { oneResource } from "./one-resource";

/** A client acts for itself (RFC 6749 §4.4); no refresh token, it can ask again (§4.4.3). */
export const clientCredentials = defineGrant({
  grantType: "client_credentials",

  params: z.object({ scope: z.string().optional(), authorization_details: z.string().optional() }),

  async handle(ctx, request) {
    const { client, authMethod, params, resources, address, jkt, approval } = request;
    // "The client credentials grant type MUST only be used by confidential clients."
    if (authMethod === "none") {
      throw new OAuthError(
        "unauthorized_client",
        "Register a client with a secret to use client_credentials.",
      );
    }
    const asked = params.scope === undefined ? undefined : parseScope(params.scope);
    const target = await resolveTarget(ctx, client, oneResource(resources) ?? client.allowedResources[0]);
    const details = parseAuthorizationDetails(params.authorization_details);
    const authorizationDetails = details && ownDetails(client, target, details);
    // Who says in detail what it needs, and names no scope, needs none.
    const scope =
      details && !asked?.length ? [] : strictScope(ownScope(ctx, { client, target, asked }), asked);
    const ttl = approvedTtl(ctx.settings.clientCredentialsTtl ?? ctx.settings.accessTokenTtl, approval);
    const subject = `client:${client.clientId}`;
    const { clientId } = client;
    const { resource: audience } = target;
    const token = { grantType: "client_credentials", clientId, subject, scope, audience };
    const issue = { ...token, ttl, jkt, authorizationDetails };
    await requireKeyWhereNeeded(ctx, issue);
    const wanted = { subject, actors: [], resource: audience, scope, authorizationDetails, jkt };
    const passed = requireApproved(
      request,
      { ...wanted, lineage: [], isSingleUse: false },
      await askPolicy(ctx, issue),
    );
    const minted = await mintAccessToken(ctx, { ...issue, ...passed });
    const issued: IssuedToken = {
      row: minted.row,
      event: {
        type: "token.issued",
        actor: subject,
        subject: `token:${minted.row.jti}`,
        clientId: client.clientId,
        data: {
          ...{ grantType: "client_credentials", scope, audience: target.resource },
          ...(authorizationDetails && { authorizationDetails }),
        },
        address,
      },
    };
    await storeIssued(ctx, issued, approval);
    ctx.defer(() => touchClient(ctx, client));
    return issuedToken({ token: minted.token, jkt, ttl, scope, authorizationDetails });
  },
});

/** No person will look at this request, so a scope beyond the registration is refused and not dropped (D8). */
function strictScope(grantable: readonly string[], asked: readonly string[] | undefined): readonly string[] {
  const beyond = asked?.filter((name) => !grantable.includes(name)) ?? [];
  if (beyond.length === 0) return requestedScope(grantable, asked);
  const instead = grantable.length > 0 ? `It may have: ${grantable.join(" ")}.` : "It may have none here.";
  throw new OAuthError("invalid_scope", `This client may not have: ${beyond.join(" ")}. ${instead}`, {
    detail: "scope_escalation",
  });
}
