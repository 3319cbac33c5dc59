import { type Context, inTransaction } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { timeOrderedUuid } from "@/lib/ids";
import type { Actor } from "@/lib/oauth/access-token";
import { actorsOf } from "@/lib/oauth/actor";
import { assertedActors, assertedSignIn, nestActors } from "@/lib/oauth/asserted-claims";
import { parseAuthorizationDetails } from "@/lib/oauth/authorization-details";
import { RECEIPT_TYPE, receiptClaims, receiptHash } from "@/lib/oauth/receipt";
import { parseScope } from "@/lib/oauth/scope";
import { GRANT_TYPES } from "@/lib/oauth/token-types";
import type { Decision } from "@/lib/providers/policy/provider";
import type { ActApproval } from "@/lib/services/approvals";
import type { VerifiedAssertion } from "@/lib/services/assertions";
import { type Client, touchClient } from "@/lib/services/clients";
import { askPolicy, type Issue, mintAccessToken, requireKeyWhereNeeded } from "@/lib/services/issuing";
import { receiptRow } from "@/lib/services/receipts";
import { approvedTtl, type Passed, requireApproved } from "../approved";
import { admitPerson, findPerson, newcomerId, singleUse } from "../foreign-assertion";
import { issuedToken, type TokenRequest, type TokenResponse } from "../grant";
import { type AssertedReach, assertedReach } from "./reach";
import { storeRedeemed } from "./store";

const CODE = "invalid_grant";

type Request = TokenRequest<{ scope?: string | undefined; authorization_details?: string | undefined }>;

/** Thrown within the transaction that would make a person known whom another request has just made known. */
const OVERTAKEN = new Error("the person is known by another id");

/** A token for a person whom another server vouches for, never one that could be renewed without it. */
export async function redeemForPerson(
  ctx: Context,
  assertion: VerifiedAssertion,
  request: Request,
): Promise<TokenResponse> {
  try {
    return await redeem(ctx, assertion, request);
  } catch (error) {
    if (error !== OVERTAKEN) throw error;
    return redeem(ctx, assertion, request);
  }
}

async function redeem(ctx: Context, assertion: VerifiedAssertion, request: Request): Promise<TokenResponse> {
  const { client, params, resources, address, jkt, approval } = request;
  checkClient(assertion, client);
  const act = actingChain(ctx, assertion, client);
  const known = await findPerson(ctx, assertion);
  const asked = parseScope(params.scope);
  const reach = await assertedReach(ctx, assertion, {
    client,
    resources,
    asked,
    details: parseAuthorizationDetails(params.authorization_details),
    role: known?.role ?? "member",
  });
  const redemption = { assertion, client, act, reach, jkt, approval };
  // Somebody new has an id before they are made known, together with the token: a refusal leaves nothing behind.
  const id = known?.id ?? newcomerId(ctx, assertion, CODE);
  const issue = issueOf(ctx, redemption, `user:${id}`);
  await requireKeyWhereNeeded(ctx, issue);
  const decision = await decide(ctx, issue, redemption);
  if (!known && decision.effect === "step_up") {
    // A question is about a person who stays the same: they are made known before anybody is asked about them.
    await inTransaction(ctx, (tx) => admitPerson(tx, assertion, { id, code: CODE }));
    return redeem(ctx, assertion, request);
  }
  const { scope, audience, authorizationDetails } = issue;
  const wanted = {
    ...{
      subject: issue.subject,
      actors: actorsOf(act),
      resource: audience,
      scope,
      authorizationDetails,
      jkt,
    },
    ...{ lineage: [], until: new Date(assertion.claims.exp * 1000) },
    isSingleUse: singleUse(assertion) !== undefined,
  };
  const passed = requireApproved(request, wanted, decision);
  const { minted, receipt } = await mint(ctx, { ...issue, ...passed }, redemption);
  const { row, token } = minted;
  const event = {
    type: "token.issued" as const,
    actor: `client:${client.clientId}`,
    subject: `token:${row.jti}`,
    clientId: client.clientId,
    data: {
      ...{ grantType: issue.grantType, principal: issue.subject, actors: actorsOf(act), scope, audience },
      ...{ issuer: assertion.issuer.issuer, assertion: assertion.claims.jti, profile: assertion.purpose },
      ...(receipt && { receipt: receipt.hash }),
      ...(authorizationDetails && { authorizationDetails }),
    },
    address,
  };
  const admit = async (tx: Context) => {
    if ((await admitPerson(tx, assertion, { id, code: CODE })).id !== id) throw OVERTAKEN;
  };
  const issued = { row, event, ...(receipt && { receipt }) };
  const use = singleUse(assertion);
  await storeRedeemed(ctx, { issued, use, before: known ? undefined : admit, approval });
  ctx.defer(() => touchClient(ctx, client));
  return issuedToken({ token, jkt, ttl: issue.ttl, scope, authorizationDetails });
}

/** "the client_id claim … MUST identify the same client" as the one that authenticated: it is no bearer token. */
function checkClient({ purpose, claims }: VerifiedAssertion, { clientId }: Client): void {
  if (purpose !== "id_jag" || claims.client_id === clientId) return;
  throw new OAuthError(
    "invalid_grant",
    "The assertion is for another client: its client_id is not this one's.",
  );
}

/**
 * Who acts: the client, outermost, and inside it whoever the issuer says acted before. A client that an enterprise
 * lets act for its people with nobody between them is the person's app and no actor.
 */
function actingChain(
  { settings }: Context,
  { issuer, purpose, claims }: VerifiedAssertion,
  { clientId }: Client,
): Actor | undefined {
  const earlier = assertedActors(claims, issuer.issuer, CODE);
  if (purpose === "id_jag" && earlier.length === 0) return undefined;
  const hops = earlier.length + 1;
  if (hops > settings.maxDelegationDepth) {
    throw new OAuthError(
      "invalid_request",
      `The chain would have ${hops} hops, and ${settings.maxDelegationDepth} are allowed. Ask an earlier agent of the chain for the token.`,
      { detail: "delegation_depth_exceeded" },
    );
  }
  return nestActors([{ sub: `client:${clientId}` }, ...earlier]);
}

type Redemption = {
  assertion: VerifiedAssertion;
  client: Client;
  act: Actor | undefined;
  reach: AssertedReach;
  jkt: string | undefined;
  approval: ActApproval | undefined;
};

const issueOf = (
  { settings, now }: Context,
  { assertion, client, reach, jkt, approval }: Redemption,
  subject: string,
): Issue => ({
  grantType: GRANT_TYPES.jwtBearer,
  clientId: client.clientId,
  subject,
  scope: reach.scope,
  audience: reach.target.resource,
  ttl: approvedTtl(settings.accessTokenTtl, approval),
  chainedFrom: assertion.issuer.issuer,
  jkt,
  authorizationDetails: reach.authorizationDetails,
  ...assertedSignIn(assertion.claims, now()),
});

/** What the policy says of it; where nobody acts for the person, there is no delegation to judge. */
function decide(ctx: Context, issue: Issue, { assertion, act, reach }: Redemption): Promise<Decision> {
  const facts = {
    issuedTo: undefined,
    heldScope: reach.heldScope,
    requestedScope: reach.scope,
    registeredScope: reach.heldScope,
    mayAct: assertion.claims.may_act,
    registeredMayAct: [],
    mayUseSubjectToken: true,
    exchangeTargets: [],
    depth: actorsOf(act).length,
    maxDepth: ctx.settings.maxDelegationDepth,
  };
  return askPolicy(ctx, issue, act && { act, facts });
}

/** Signs the token and, where somebody acts for the person, the receipt of that hop. */
async function mint(ctx: Context, issue: Issue & Passed, redemption: Redemption) {
  const { act, assertion } = redemption;
  if (!act) return { minted: await mintAccessToken(ctx, issue) };
  const { policyVersion } = issue;
  const issuedAt = ctx.now();
  const jti = timeOrderedUuid(issuedAt);
  const { sub, jti: assertionId } = assertion.claims;
  const earlier = act.act && { act: act.act };
  const claims = receiptClaims({
    issuer: ctx.settings.serverUrl,
    issuedAt,
    jti,
    sub: issue.subject,
    clientId: issue.clientId,
    act,
    audience: issue.audience,
    scope: issue.scope,
    authorizationDetails: issue.authorizationDetails,
    expiresAt: new Date(issuedAt.getTime() + issue.ttl * 1000),
    subject: { issuer: assertion.issuer.issuer, sub, jti: assertionId, ...earlier },
    policy: policyVersion,
    approval: issue.approvalId,
    jkt: redemption.jkt,
  });
  const jws = await ctx.keys.sign(RECEIPT_TYPE, claims);
  const receipt = receiptRow(ctx, { jws, hash: receiptHash(jws), claims });
  const delegated = { jti, issuedAt, act, lineage: [], receipt: receipt.hash, policyVersion };
  return { minted: await mintAccessToken(ctx, { ...issue, delegated }), receipt };
}
