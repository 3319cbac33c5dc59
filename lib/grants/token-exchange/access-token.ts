import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { timeOrderedUuid } from "@/lib/ids";
import { actorsOf } from "@/lib/oauth/actor";
import { RECEIPT_TYPE, receiptClaims, receiptHash } from "@/lib/oauth/receipt";
import { GRANT_TYPES, TOKEN_TYPES } from "@/lib/oauth/token-types";
import { touchClient } from "@/lib/services/clients";
import { mintAccessToken, requireKeyWhereNeeded } from "@/lib/services/issuing";
import { receiptRow } from "@/lib/services/receipts";
import { approvedTtl, requireApproved, type Wanted } from "../approved";
import { issuedToken, type TokenResponse } from "../grant";
import { storeExchanged } from "./commit";
import { type Plan, planExchange } from "./plan";
import type { Exchange } from "./requested-token";

/** Issues the access token of an exchange with the receipt of the hop (RFC 8693 §2.2.1). */
export async function issueAccessToken(ctx: Context, exchange: Exchange): Promise<TokenResponse> {
  const { asked, subject, address, approval } = exchange;
  const plan = await planExchange(ctx, asked, subject);
  // Somebody new is made known before anybody is asked about them: a question is about a person who stays the same.
  if (subject.admit && plan.decision.effect === "step_up")
    return issueAccessToken(ctx, { ...exchange, subject: await subject.admit() });
  const passed = requireApproved({ client: asked.client, approval }, wantedOf(exchange, plan), plan.decision);
  const { policyVersion } = passed;
  // Before anybody new is made known: a refusal leaves nothing behind.
  await requireKeyWhereNeeded(ctx, { audience: plan.target.resource, jkt: asked.jkt });
  // Read once: the receipt and the token must name the same end, however long it takes to make both.
  const issuedAt = ctx.now();
  const ttl = remainingSeconds(issuedAt, exchange, approvedTtl(ctx.settings.exchangeTokenTtl, approval));
  if (subject.admit) return issueAccessToken(ctx, { ...exchange, subject: await subject.admit() });
  const { clientId } = asked.client;
  const jti = timeOrderedUuid(issuedAt);
  const receipt = await signReceipt(ctx, exchange, plan, { jti, issuedAt, ttl, policyVersion });
  const { act, scope, authorizationDetails, target } = plan;
  const minted = await mintAccessToken(ctx, {
    grantType: GRANT_TYPES.tokenExchange,
    clientId,
    subject: subject.sub,
    scope,
    audience: target.resource,
    ttl,
    grantId: subject.grantId,
    familyId: subject.familyId,
    approvalId: passed.approvalId ?? subject.approvalId,
    approvedDigest: passed.approvedDigest,
    authTime: subject.authTime,
    amr: subject.amr,
    chainedFrom: subject.issuer,
    jkt: asked.jkt,
    authorizationDetails,
    delegated: { jti, issuedAt, act, lineage: lineageOf(exchange), receipt: receipt.hash, policyVersion },
  });
  await storeExchanged(ctx, exchange, {
    row: minted.row,
    receipt,
    event: {
      type: "token.exchanged",
      actor: `client:${clientId}`,
      subject: `token:${jti}`,
      clientId,
      data: {
        principal: subject.sub,
        actors: actorsOf(act),
        parent: subject.lineage.at(-1) ?? null,
        scope,
        audience: target.resource,
        receipt: receipt.hash,
        policy: policyVersion,
        ...boundKeys(ctx, exchange),
        ...(authorizationDetails && { authorizationDetails }),
        ...(passed.approvalId && { approval: passed.approvalId }),
        ...(subject.issuer && { issuer: subject.issuer }),
        ...(subject.grantId && { grant: subject.grantId }),
      },
      address,
    },
  });
  ctx.defer(() => touchClient(ctx, asked.client));
  return {
    ...issuedToken({ token: minted.token, jkt: asked.jkt, ttl, scope, authorizationDetails }),
    issued_token_type: TOKEN_TYPES.accessToken,
  };
}

/** What the exchange comes to, which a person may have to approve. */
const wantedOf = (exchange: Exchange, { act, target, scope, authorizationDetails }: Plan): Wanted => ({
  subject: exchange.subject.sub,
  actors: actorsOf(act),
  ...{ resource: target.resource, scope, authorizationDetails, jkt: exchange.asked.jkt },
  lineage: lineageOf(exchange),
  until: new Date(Math.min(...endsOf(exchange))),
  isSingleUse: exchange.subject.once !== undefined,
});

const endsOf = ({ subject, actorToken }: Pick<Exchange, "subject" | "actorToken">): number[] =>
  [subject.expiresAt, ...(actorToken ? [actorToken.expiresAt] : [])].map((at) => at.getTime());

/** The key it is bound to; with the one it was bound to, where the operator wants to hear of a change. */
const boundKeys = ({ settings }: Context, { asked: { jkt }, subject: { boundTo } }: Exchange) => ({
  ...(jkt !== undefined && { jkt }),
  ...(boundTo !== undefined &&
    boundTo !== jkt &&
    settings.dpopChainPolicy === "audit" && { before: boundTo }),
});

/** What comes of a token never outlives it, nor the actor token it was made with. */
export function remainingSeconds(
  now: Date,
  exchange: Pick<Exchange, "subject" | "actorToken">,
  ttl: number,
): number {
  const seconds = Math.min(ttl, Math.floor((Math.min(...endsOf(exchange)) - now.getTime()) / 1000));
  if (seconds >= 1) return seconds;
  throw new OAuthError("invalid_request", "The subject_token ends within a second. Get a new one.");
}

/** Everything the new token dies with. */
const lineageOf = ({ subject, actorToken }: Exchange): readonly string[] => [
  ...new Set([...subject.lineage, ...(actorToken?.lineage ?? [])]),
];

type Hop = { jti: string; issuedAt: Date; ttl: number; policyVersion: string };

async function signReceipt(
  ctx: Context,
  { subject, actorToken, asked, approval }: Exchange,
  plan: Plan,
  { jti, issuedAt, ttl, policyVersion }: Hop,
) {
  const claims = receiptClaims({
    issuer: ctx.settings.serverUrl,
    issuedAt,
    jti,
    sub: subject.sub,
    clientId: asked.client.clientId,
    act: plan.act,
    audience: plan.target.resource,
    scope: plan.scope,
    authorizationDetails: plan.authorizationDetails,
    expiresAt: new Date(issuedAt.getTime() + ttl * 1000),
    subject: subject.proof,
    actorToken: actorToken?.id,
    policy: policyVersion,
    approval: approval?.id ?? subject.approvalId,
    grant: subject.grantId,
    jkt: asked.jkt,
  });
  const jws = await ctx.keys.sign(RECEIPT_TYPE, claims);
  return receiptRow(ctx, { jws, hash: receiptHash(jws), claims });
}
