import { v4 } from "uuid";
import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import type { Actor } from "@/lib/oauth/access-token";
import { actorsOf, currentActor } from "@/lib/oauth/actor";
import { formatScope } from "@/lib/oauth/scope";
import { TOKEN_TYPES } from "@/lib/oauth/token-types";
import {
  readJsonParameter,
  replacementClaims,
  TXN_TOKEN_TYPE,
  transactionClaims,
} from "@/lib/oauth/transaction-token";
import { touchClient } from "@/lib/services/clients";
import { record } from "@/lib/services/events";
import { requireAllowed } from "@/lib/services/issuing";
import type { TokenResponse } from "../grant";
import { remainingSeconds } from "./access-token";
import { commitExchange } from "./commit";
import { type Asked, planExchange } from "./plan";
import type { Exchange } from "./requested-token";
import type { SubjectToken } from "./subject-token";
import { byName } from "./target";

/** Issues a transaction token, or one that replaces another (draft-ietf-oauth-transaction-tokens-11). */
export async function issueTransactionToken(ctx: Context, exchange: Exchange): Promise<TokenResponse> {
  const { asked, subject, address } = exchange;
  const trustDomain = requireTrustDomain(ctx, asked);
  requireScope(asked, subject);
  const said = {
    details: readJsonParameter("request_details", exchange.requestDetails),
    context: readJsonParameter("request_context", exchange.requestContext),
  };
  const plan = await planExchange(ctx, asked, subject, byName(trustDomain));
  const policy = requireAllowed(plan.decision);
  const issuedAt = ctx.now();
  const ttl = remainingSeconds(issuedAt, exchange, ctx.settings.txnTokenTtl);
  if (subject.admit) return issueTransactionToken(ctx, { ...exchange, subject: await subject.admit() });
  const requester = `client:${asked.client.clientId}`;
  const request = { requester, scope: plan.scope, ...said, issuedAt, ttl };
  const claims = claimsOf(ctx, exchange, { trustDomain, request });
  const token = await ctx.keys.sign(TXN_TOKEN_TYPE, claims);
  const { clientId } = asked.client;
  const event = {
    type: "token.txn_token_issued" as const,
    actor: requester,
    subject: `transaction:${claims.txn}`,
    clientId,
    data: {
      txn: claims.txn,
      principal: claims.sub,
      actors: actorsOf(claims.act),
      parent: subject.lineage.at(-1) ?? null,
      scope: plan.scope,
      audience: trustDomain,
      replacements: (claims.call_chain?.length ?? 1) - 1,
      policy,
    },
    address,
  };
  await commitExchange(ctx, subject, (tx) => record(tx, event));
  ctx.defer(() => touchClient(ctx, asked.client));
  return {
    access_token: token,
    issued_token_type: TOKEN_TYPES.txnToken,
    token_type: "N_A",
    expires_in: ttl,
    scope: formatScope(plan.scope),
  };
}

/** "audience REQUIRED. The value MUST be set to the Trust Domain name." */
function requireTrustDomain({ settings }: Context, { audience, resources }: Asked): string {
  const { txnTokenTrustDomain } = settings;
  if (txnTokenTrustDomain === undefined) {
    throw new OAuthError(
      "invalid_request",
      "This server issues no transaction tokens. Ask the operator to set AUTHGENT_TXN_TOKEN_TRUST_DOMAIN.",
    );
  }
  if (!audience || resources.length > 0) {
    throw new OAuthError(
      "invalid_request",
      "Send audience as the name of the trust domain, and no resource.",
    );
  }
  if (audience === txnTokenTrustDomain) return txnTokenTrustDomain;
  throw new OAuthError(
    "invalid_target",
    "Send audience as the name of this server's trust domain, to the letter.",
  );
}

function requireScope(asked: Asked, subject: SubjectToken): void {
  // "scope REQUIRED. … the specific purpose or intent of the transaction"
  if (!asked.scope) throw new OAuthError("invalid_request", "Send scope: what the transaction is to do.");
  // "The TTS MUST reject the Txn-Token Request and MUST NOT treat an unknown scope as unconstrained."
  if (subject.scope) return;
  throw new OAuthError(
    "invalid_scope",
    "The subject_token says no scope. Send one that does: an access token.",
  );
}

type Made = { trustDomain: string; request: Parameters<typeof replacementClaims>[1] };

function claimsOf(ctx: Context, { asked, subject, address }: Exchange, { trustDomain, request }: Made) {
  if (subject.transaction) return replacementClaims(subject.transaction, request);
  const { sub } = subject;
  const act = agentOf(subject, asked);
  return transactionClaims(
    { issuer: ctx.settings.serverUrl, trustDomain, txn: v4(), sub, act, address },
    request,
  );
}

/** "copies the access token's clientId claim to the Txn-Token's act field", or its `act`; whoever asks is in `req_wl`. */
function agentOf(subject: SubjectToken, { client }: Asked): Actor | undefined {
  const holder = `client:${subject.issuedTo ?? client.clientId}`;
  return subject.act ?? (currentActor(subject) === holder ? undefined : { sub: holder });
}
