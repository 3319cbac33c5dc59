import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { parseAuthorizationDetails } from "@/lib/oauth/authorization-details";
import { narrowScope, parseScope } from "@/lib/oauth/scope";
import { GRANT_TYPES } from "@/lib/oauth/token-types";
import { matchWorkload, type VerifiedAssertion } from "@/lib/services/assertions";
import { type Client, findClientRecently, touchClient } from "@/lib/services/clients";
import { askPolicy, mintAccessToken, requireKeyWhereNeeded } from "@/lib/services/issuing";
import { ownDetails } from "@/lib/services/requested-details";
import { meantScope, ownScope, resolveTarget } from "@/lib/services/targets";
import { approvedTtl, requireApproved } from "../approved";
import { singleUse } from "../foreign-assertion";
import { issuedToken, type TokenRequest, type TokenResponse } from "../grant";
import { oneResource } from "../one-resource";
import { storeRedeemed } from "./store";

/** The agent's client that a workload acts as; `named` is what the request calls it, if it calls it anything. */
export async function clientOfWorkload(
  ctx: Context,
  { issuer, claims }: VerifiedAssertion,
  named: string | undefined,
): Promise<Client> {
  const clientId = matchWorkload(issuer, claims)?.clientId;
  const client = clientId === undefined ? undefined : await findClientRecently(ctx, clientId);
  if (client?.status === "frozen") {
    throw new OAuthError(
      "unauthorized_client",
      "The agent of this workload is frozen: wait until it is thawed.",
      {
        detail: "agent_frozen",
      },
    );
  }
  if (client?.status !== "active") {
    throw new OAuthError(
      "unauthorized_client",
      "Ask the operator of this server to map this workload to an agent.",
      {
        reason: clientId === undefined ? "no rule fits the claims" : "the mapped client is not active",
      },
    );
  }
  if (named !== undefined && named !== client.clientId) throw anothersAssertion();
  return client;
}

const anothersAssertion = () =>
  new OAuthError(
    "invalid_grant",
    "The assertion is of another agent's workload. Leave client_id out, or send that agent's.",
  );

type Request = TokenRequest<{ scope?: string | undefined; authorization_details?: string | undefined }>;

/**
 * A token for an agent that its platform vouches for. An assertion serves once, but until it ends where it has no
 * `jti` or its rule says so: some platforms hand the same one out again and again.
 */
export async function redeemForWorkload(
  ctx: Context,
  assertion: VerifiedAssertion,
  request: Request,
): Promise<TokenResponse> {
  const { client, params, resources, address, jkt, approval } = request;
  await clientOfWorkload(ctx, assertion, client.clientId);
  const { clientId } = client;
  const asked = parseScope(params.scope);
  const target = await resolveTarget(ctx, client, oneResource(resources) ?? client.allowedResources[0]);
  const held = limited(ownScope(ctx, { client, target, asked }), assertion);
  const details = parseAuthorizationDetails(params.authorization_details);
  const authorizationDetails = details && ownDetails(client, target, details);
  // Who says in detail what it needs, and names no scope, needs none.
  const scope = details && asked.length === 0 ? [] : narrowScope(held, meantScope(held, asked));
  const ttl = approvedTtl(ctx.settings.accessTokenTtl, approval);
  const subject = `client:${clientId}`;
  const grantType = GRANT_TYPES.jwtBearer;
  const { resource } = target;
  const isReusable = matchWorkload(assertion.issuer, assertion.claims)?.reusable === true;
  const use = isReusable ? undefined : singleUse(assertion);
  const issue = { grantType, clientId, subject, scope, audience: resource, ttl, jkt, authorizationDetails };
  await requireKeyWhereNeeded(ctx, issue);
  const wanted = { subject, actors: [], resource, scope, authorizationDetails, jkt, lineage: [] };
  const until = new Date(assertion.claims.exp * 1000);
  const passed = requireApproved(
    request,
    { ...wanted, until, isSingleUse: use !== undefined },
    await askPolicy(ctx, issue),
  );
  const minted = await mintAccessToken(ctx, { ...issue, ...passed });
  const { issuer, claims } = assertion;
  const event = {
    type: "token.issued" as const,
    actor: subject,
    subject: `token:${minted.row.jti}`,
    clientId,
    data: {
      ...{ grantType, principal: subject, scope, audience: target.resource },
      ...{ issuer: issuer.issuer, workload: claims.sub, ...(claims.jti && { assertion: claims.jti }) },
      ...(authorizationDetails && { authorizationDetails }),
    },
    address,
  };
  await storeRedeemed(ctx, { issued: { row: minted.row, event }, use, approval });
  ctx.defer(() => touchClient(ctx, client));
  return issuedToken({ token: minted.token, jkt, ttl, scope, authorizationDetails });
}

const limited = (scope: readonly string[], { issuer }: VerifiedAssertion): readonly string[] =>
  issuer.scope ? scope.filter((name) => issuer.scope?.includes(name)) : scope;
