import { z } from "zod";
import { OAuthError } from "@/lib/errors";
import { parseAuthorizationDetails } from "@/lib/oauth/authorization-details";
import { parseScope } from "@/lib/oauth/scope";
import { GRANT_TYPES, TOKEN_TYPES } from "@/lib/oauth/token-types";
import { defineGrant } from "../grant";
import { readActorToken } from "./actor-token";
import { requestedToken } from "./requested-token";
import { readSubjectToken } from "./subject-token";

/** Exchanges a token for one that says who acts for whom, with the same power or less (RFC 8693 §2). */
export const tokenExchange = defineGrant({
  grantType: GRANT_TYPES.tokenExchange,

  params: z.object({
    subject_token: z.string().min(1),
    // REQUIRED in RFC 8693 §2.1; clients of an earlier system leave it out and mean an access token.
    subject_token_type: z.string().min(1).default(TOKEN_TYPES.accessToken),
    actor_token: z.string().min(1).optional(),
    actor_token_type: z.string().min(1).optional(),
    requested_token_type: z.string().min(1).optional(),
    audience: z.string().optional(),
    scope: z.string().optional(),
    authorization_details: z.string().optional(),
    request_details: z.string().optional(),
    request_context: z.string().optional(),
  }),

  async handle(ctx, { client, authMethod, params, resources, address, jkt, instanceJkt, approval }) {
    // Whoever acts has to be who they say: knowing a client_id proves nothing.
    if (authMethod === "none") {
      throw new OAuthError("unauthorized_client", "Register a client with a secret to exchange tokens.");
    }
    const requested = requestedToken(params.requested_token_type);
    const reading = { token: params.subject_token, client, jkt, instanceJkt };
    const subject = await readSubjectToken(ctx, params.subject_token_type, reading, requested.subjects);
    const actor = `client:${client.clientId}`;
    const actorToken = await readActorToken(ctx, params, { actor, subject, jkt });
    const scope = params.scope ? parseScope(params.scope) : undefined;
    const authorizationDetails = parseAuthorizationDetails(params.authorization_details);
    const asked = { client, audience: params.audience, resources, scope, authorizationDetails, jkt };
    const { request_details: requestDetails, request_context: requestContext } = params;
    const said = { requestDetails, requestContext, address };
    return requested.issue(ctx, { asked, subject, actorToken, ...said, approval });
  },
});
