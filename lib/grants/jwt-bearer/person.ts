import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { timeOrderedUuid } from "@/lib/ids";
import type { Actor } from "@/lib/oauth/access-token";
import { actorsOf } from "@/lib/oauth/actor";
import { assertedActors, assertedSignIn, nestActors } from "@/lib/oauth/asserted-claims";
import { parseAuthorizationDetails } from "@/lib/oauth/authorization-details";
import { RECEIPT_TYPE, receiptClaims, receiptHash } from "@/lib/oauth/receipt";
import { parseScope } from "@/lib/oauth/scope";
import { GRANT_TYPES } from "@/lib/oauth/token-types";
import type { VerifiedAssertion } from "@/lib/services/assertions";
import { type Client, touchClient } from "@/lib/services/clients";
import { askPolicy, type Issue, mintAccessToken, requireAllowed } from "@/lib/services/issuing";
import { receiptRow } from "@/lib/services/receipts";
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

async function redeem(
  ctx: Context,
  assertion: VerifiedAssertion,
  { client, params, resources, address, jkt }: Request,
): Promise<TokenResponse> {
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
  const redemption = { assertion, client, act, reach, jkt };
  // Somebody new has an id before they are made known, together with the token: a refusal leaves nothing behind.
  const id = known?.id ?? newcomerId(ctx, assertion, CODE);
  const issue = issueOf(ctx, redemption, `user:${id}`);
  const { minted, receipt } = await mint(ctx, issue, redemption);
  const { row, token } = minted;
  const { scope, audience, authorizationDetails } = issue;
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
  await storeRedeemed(ctx, issued, singleUse(assertion), known ? undefined : admit);
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
};

const issueOf = (
  { settings, now }: Context,
  { assertion, client, reach, jkt }: Redemption,
  subject: string,
): Issue => ({
  grantType: GRANT_TYPES.jwtBearer,
  clientId: client.clientId,
  subject,
  scope: reach.scope,
  audience: reach.target.resource,
  ttl: settings.accessTokenTtl,
  chainedFrom: assertion.issuer.issuer,
  jkt,
  authorizationDetails: reach.authorizationDetails,
  ...assertedSignIn(assertion.claims, now()),
});

/** The version of the policy that allows it; throws what the policy says against it. */
async function allowed(ctx: Context, issue: Issue, { assertion, act, reach }: Redemption): Promise<string> {
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
  return requireAllowed(await askPolicy(ctx, issue, act && { act, facts }));
}

/** Signs the token and, where somebody acts for the person, the receipt of that hop. */
async function mint(ctx: Context, issue: Issue, redemption: Redemption) {
  const { act, assertion } = redemption;
  if (!act) return { minted: await mintAccessToken(ctx, issue) };
  const policyVersion = await allowed(ctx, issue, redemption);
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
    jkt: redemption.jkt,
  });
  const jws = await ctx.keys.sign(RECEIPT_TYPE, claims);
  const receipt = receiptRow(ctx, { jws, hash: receiptHash(jws), claims });
  const delegated = { jti, issuedAt, act, lineage: [], receipt: receipt.hash, policyVersion };
  return { minted: await mintAccessToken(ctx, { ...issue, delegated }), receipt };
}
