import type { IdJagTarget } from "@/db/schema/clients";
import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { timeOrderedUuid } from "@/lib/ids";
import type { Actor } from "@/lib/oauth/access-token";
import { actorsOf } from "@/lib/oauth/actor";
import { ID_JAG_TTL, ID_JAG_TYPE, idJagClaims } from "@/lib/oauth/id-jag";
import { parseResource, sameResource } from "@/lib/oauth/resource";
import { formatScope, narrowScope } from "@/lib/oauth/scope";
import { GRANT_TYPES, TOKEN_TYPES } from "@/lib/oauth/token-types";
import { findAgentByClientRecently } from "@/lib/services/agent-lookup";
import { touchClient } from "@/lib/services/clients";
import { record } from "@/lib/services/events";
import { touchGrantUse } from "@/lib/services/grants";
import { identityGranted, personClaims } from "@/lib/services/identity";
import { askPolicy, requireAllowed } from "@/lib/services/issuing";
import type { TokenResponse } from "../grant";
import { oneResource } from "../one-resource";
import { remainingSeconds } from "./access-token";
import { refuseDetails } from "./details";
import type { Asked } from "./plan";
import type { Exchange } from "./requested-token";
import type { SubjectToken } from "./subject-token";

/**
 * Issues the assertion that another server takes for a person's sign-in here
 * (draft-ietf-oauth-identity-assertion-authz-grant-04 §4.3). Where to, and how far, an operator said.
 */
export async function issueIdJag(ctx: Context, exchange: Exchange): Promise<TokenResponse> {
  const { asked, subject, address } = exchange;
  const { clientId } = asked.client;
  const { grantId } = subject;
  const wanted = wantedOf(asked);
  const { target, resource, scope } = wanted;
  const person = await personOf(ctx, subject);
  const act = exchange.actorToken && { sub: `client:${clientId}` };
  const policy = await allowed(ctx, exchange, { wanted, act });
  const issuedAt = ctx.now();
  const ttl = remainingSeconds(issuedAt, exchange, ID_JAG_TTL);
  const jti = timeOrderedUuid(issuedAt);
  const claims = idJagClaims({
    issuer: ctx.settings.serverUrl,
    subject: subject.sub,
    audience: target.issuer,
    clientId: target.clientId,
    authTime: subject.authTime,
    amr: subject.amr,
    jkt: asked.jkt,
    ...{ resource, scope, jti, issuedAt, ttl, act, person },
  });
  const assertion = await ctx.keys.sign(ID_JAG_TYPE, claims);
  await record(ctx, {
    type: "token.id_jag_issued",
    actor: `client:${clientId}`,
    subject: `token:${jti}`,
    clientId,
    data: {
      principal: subject.sub,
      actors: actorsOf(act),
      grant: grantId,
      scope: scope ?? null,
      audience: target.issuer,
      resource,
      known_as: target.clientId,
      ...(asked.jkt && { jkt: asked.jkt }),
      policy,
    },
    address,
  });
  ctx.defer(() => touchClient(ctx, asked.client));
  if (grantId) ctx.defer(() => touchGrantUse(ctx, grantId));
  return {
    access_token: assertion,
    issued_token_type: TOKEN_TYPES.idJag,
    token_type: "N_A",
    expires_in: ttl,
    ...(scope && { scope: formatScope(scope) }),
  };
}

type Wanted = { target: IdJagTarget; resource: string; scope: readonly string[] | undefined };

/** What is asked for, if the operator registered the client for all of it. */
function wantedOf({ client, audience, resources, scope, authorizationDetails }: Asked): Wanted {
  // "audience REQUIRED - The identifier of the Resource Authorization Server"
  if (!audience) {
    throw new OAuthError(
      "invalid_request",
      "Send audience: the issuer of the authorization server that the assertion is for.",
    );
  }
  const target = client.idJagTargets.find(({ issuer }) => issuer === audience);
  if (!target) {
    throw new OAuthError(
      "invalid_target",
      "This client gets no assertions for this server. Ask the operator to add its issuer to id_jag_targets of the client.",
    );
  }
  // Their types are the other server's: nothing here could tell more from less.
  refuseDetails(authorizationDetails);
  return {
    target,
    resource: wantedResource(target, oneResource(resources)),
    scope: target.scope ? narrowScope(target.scope, scope ?? []) : scope,
  };
}

/** The token that comes of it is for one resource, so the assertion names it (MCP, Enterprise-Managed Authorization). */
function wantedResource({ resources }: IdJagTarget, asked: string | undefined): string {
  const [only, ...others] = resources;
  if (asked === undefined) {
    if (only !== undefined && others.length === 0) return only;
    throw new OAuthError("invalid_request", "Send resource: what the token of that server is to be for.");
  }
  const resource = parseResource(asked);
  if (only === undefined) return resource;
  const listed = resources.find((one) => sameResource(one, resource));
  if (listed !== undefined) return listed;
  throw new OAuthError(
    "invalid_target",
    `This client gets assertions for other resources of that server: ${resources.join(", ")}.`,
  );
}

/** What the other server is told of the person: no more than they let this client know. */
async function personOf(ctx: Context, { sub, audience, scope }: SubjectToken) {
  const identity = await identityGranted(ctx, { resource: audience ?? "", scope: scope ?? [] });
  if (identity.length > 0) return personClaims(ctx, { userId: sub.slice("user:".length), scope: identity });
  throw new OAuthError(
    "invalid_request",
    "The person did not let this client know who they are. Ask them to sign in again, with scope=openid.",
  );
}

type Intended = { wanted: Wanted; act: Actor | undefined };

/** The version of the policy that allowed it. Another server's scopes are bounded by what an operator registered. */
async function allowed(
  ctx: Context,
  { asked: { client, jkt }, subject }: Exchange,
  { wanted: { target, scope = [] }, act }: Intended,
): Promise<string> {
  const agent = await findAgentByClientRecently(ctx, client.clientId);
  const facts = {
    issuedTo: subject.issuedTo,
    heldScope: target.scope ?? scope,
    requestedScope: scope,
    registeredScope: target.scope ?? scope,
    mayAct: undefined,
    registeredMayAct: agent?.mayAct ?? [],
    mayUseSubjectToken: true,
    exchangeTargets: agent?.allowedExchangeTargets ?? [],
    boundTo: subject.boundTo,
    provenKey: jkt,
    keyPolicy: ctx.settings.dpopChainPolicy,
    depth: actorsOf(act).length,
    maxDepth: ctx.settings.maxDelegationDepth,
  };
  const token = {
    grantType: GRANT_TYPES.tokenExchange,
    clientId: client.clientId,
    subject: subject.sub,
    audience: target.issuer,
    scope,
  };
  return requireAllowed(await askPolicy(ctx, token, { act, facts }));
}
