import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import type { Actor } from "@/lib/oauth/access-token";
import { readKid, verifyCompactJws } from "@/lib/oauth/compact-jws";
import { parseScope } from "@/lib/oauth/scope";
import { userIdOf } from "@/lib/oauth/subject";
import {
  parseTransactionClaims,
  type TransactionClaims,
  TXN_TOKEN_TYPE,
} from "@/lib/oauth/transaction-token";
import { findClient } from "@/lib/services/clients";
import { findUser } from "@/lib/services/users";
import type { SubjectTokenReader } from "./subject-token";

/** A transaction token of ours that is to be replaced (draft-ietf-oauth-transaction-tokens-11, Txn-Token as a subject_token). */
export const ownTransactionToken: SubjectTokenReader = async (ctx, { token }) => {
  const transaction = await verified(ctx, token);
  await requireActive(ctx, transaction);
  const { iss, aud, exp, sub, act, scope, txn } = transaction;
  return {
    sub,
    act,
    scope: parseScope(scope),
    audience: aud,
    issuedTo: undefined,
    expiresAt: new Date(exp * 1000),
    lineage: [],
    proof: { issuer: iss, sub, jti: txn, act },
    transaction,
  };
};

async function verified(ctx: Context, token: string): Promise<TransactionClaims> {
  const keys = await ctx.keys.verificationKeys(readKid(token, "invalid_request") ?? "");
  const { payload } = verifyCompactJws(token, { typ: TXN_TOKEN_TYPE, keys, code: "invalid_request" });
  const claims = parseTransactionClaims(payload);
  const { serverUrl, txnTokenTrustDomain } = ctx.settings;
  if (claims.iss !== serverUrl || claims.aud !== txnTokenTrustDomain) {
    throw new OAuthError("invalid_request", "The transaction token is of another server or trust domain.");
  }
  // "MUST NOT issue a new Txn-Token when the Txn-Token being replaced has expired."
  if (claims.exp * 1000 <= ctx.now().getTime()) {
    throw new OAuthError("invalid_request", "The transaction token has expired. Start a new transaction.");
  }
  return claims;
}

/** Nothing but their end revokes transaction tokens; of people and agents that were stopped none is replaced. */
async function requireActive(ctx: Context, { iss, sub, act, iat }: TransactionClaims): Promise<void> {
  const named = [sub, ...ownActors(act, iss)];
  const judged = await Promise.all(named.map((name) => isActive(ctx, name, new Date(iat * 1000))));
  if (judged.every(Boolean)) return;
  throw new OAuthError(
    "invalid_request",
    "The transaction token is for or by somebody who was stopped since. Start a new transaction.",
  );
}

/** The actors that are known here: those of another server are named by it. */
const ownActors = (act: Actor | undefined, issuer: string): readonly string[] =>
  act ? [...((act.iss ?? issuer) === issuer ? [act.sub] : []), ...ownActors(act.act, issuer)] : [];

async function isActive(ctx: Context, name: string, since: Date): Promise<boolean> {
  const userId = userIdOf(name);
  if (userId !== undefined) return (await findUser(ctx, userId))?.status === "active";
  const client = await findClient(ctx, name.slice("client:".length));
  return client?.status === "active" && (client.notBefore === null || since > client.notBefore);
}
