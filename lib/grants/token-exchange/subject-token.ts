import type { Role } from "@/db/schema/resources";
import type { Context } from "@/lib/context";
import { isOAuthError, OAuthError } from "@/lib/errors";
import { type Actor, accessTokenClaims } from "@/lib/oauth/access-token";
import type { AuthorizationDetail } from "@/lib/oauth/authorization-details";
import type { HopInput } from "@/lib/oauth/receipt";
import { intersectScope } from "@/lib/oauth/scope";
import { TOKEN_TYPES } from "@/lib/oauth/token-types";
import type { TransactionClaims } from "@/lib/oauth/transaction-token";
import type { Client } from "@/lib/services/clients";
import { findRefreshToken, isRefreshTokenLive } from "@/lib/services/refresh-tokens";
import { scopeOfRole } from "@/lib/services/targets";
import { type LiveToken, verifyAccessToken } from "@/lib/services/token-state";
import type { Use } from "@/lib/services/used-assertions";
import { foreignIdToken, foreignJwt } from "./foreign-subject";
import { ownTransactionToken } from "./txn-subject";

/** What is exchanged, whatever kind of token said it: for whom, how far it reaches, and where it comes from. */
export type SubjectToken = {
  sub: string;
  act?: Actor | undefined;
  /** `may_act` as the token has it; nothing is believed of its shape. */
  mayAct?: unknown;
  /** Undefined: the token says none, and registrations alone decide. */
  scope: readonly string[] | undefined;
  audience: string | undefined;
  /** The client it was issued to; undefined: another server issued it. */
  issuedTo: string | undefined;
  expiresAt: Date;
  /** The `jti` of every access token of ours in the chain, its own last. */
  lineage: readonly string[];
  /** What the receipt of the hop says of it. */
  proof: HopInput["subject"];
  /** Thumbprint of the key it is bound to; undefined: a bearer token, or its key is proven already. */
  boundTo?: string | undefined;
  authorizationDetails?: readonly AuthorizationDetail[] | undefined;
  /** The resource whose types they are of; undefined: that of the token they are asked for. */
  detailsFrom?: string | undefined;
  grantId?: string | undefined;
  familyId?: string | undefined;
  approvalId?: string | undefined;
  authTime?: Date | undefined;
  amr?: readonly string[] | undefined;
  /** The other server whose assertion it is, or came from. */
  issuer?: string | undefined;
  /** What a person gave that it comes from. */
  grant?: { userId: string; clientId: string; resource: string } | undefined;
  /** Who held it while it was handed from agent to agent: what bounds their tokens bounds it. */
  holders?: readonly string[] | undefined;
  /** Of the person it is for: some scopes take one (product decision D19). */
  role?: Role | undefined;
  /** What is used up together with storing what is issued for it; absent: it may be exchanged again. */
  once?: Use | undefined;
  /** Makes the person known whom `sub` only stands for yet; called once nothing speaks against the exchange. */
  admit?: (() => Promise<SubjectToken>) | undefined;
  /** The transaction it stands for, if it is a transaction token. */
  transaction?: TransactionClaims | undefined;
};

export type Reading = {
  token: string;
  client: Client;
  /** Thumbprint of the key that the request proves to hold. */
  jkt: string | undefined;
  /** Thumbprint of the instance of the client, where it proved to be a certain one. */
  instanceJkt: string | undefined;
};

/** Reads one kind of subject token; throws `invalid_request` for one that does not count (RFC 8693 §2.2.2). */
export type SubjectTokenReader = (ctx: Context, reading: Reading) => Promise<SubjectToken>;

/** What reads the subject tokens of one kind of request, by their type (RFC 8693 §3). */
export type SubjectTokenReaders = Readonly<Record<string, SubjectTokenReader>>;

/** What an access token or a grant for another domain is made of: "MUST NOT use a transaction token as an OAuth 2.0 Access Token". */
export const DELEGABLE: SubjectTokenReaders = {
  [TOKEN_TYPES.accessToken]: ownAccessToken,
  [TOKEN_TYPES.jwt]: foreignJwt(ownAccessToken),
  [TOKEN_TYPES.refreshToken]: ownRefreshToken,
  [TOKEN_TYPES.idToken]: foreignIdToken,
};

/** "except the Refresh Token type": what a transaction begins with, or a token of it that is replaced. */
export const TRANSACTION_SUBJECTS: SubjectTokenReaders = {
  [TOKEN_TYPES.accessToken]: ownAccessToken,
  [TOKEN_TYPES.jwt]: foreignJwt(ownAccessToken),
  [TOKEN_TYPES.idToken]: foreignIdToken,
  [TOKEN_TYPES.txnToken]: ownTransactionToken,
};

/** Reads the subject token of a request, by the type the request says it has, if it is one of those accepted. */
export function readSubjectToken(
  ctx: Context,
  type: string,
  reading: Reading,
  accepted: SubjectTokenReaders = DELEGABLE,
): Promise<SubjectToken> {
  const reader = Object.hasOwn(accepted, type) ? accepted[type] : undefined;
  if (!reader) {
    const known = Object.keys(accepted).join(", ");
    throw new OAuthError("invalid_request", `Send subject_token_type as one of: ${known}.`);
  }
  return reader(ctx, reading);
}

/** An access token of ours that counts now. */
export async function ownAccessToken(ctx: Context, { token }: Reading): Promise<SubjectToken> {
  const { claims, scope, row, role, grant, held } = await verified(ctx, token, "subject_token");
  return {
    sub: claims.sub,
    act: claims.act,
    mayAct: claims.may_act,
    scope,
    audience: claims.aud,
    issuedTo: claims.client_id,
    boundTo: claims.cnf?.jkt,
    authorizationDetails: claims.authorization_details,
    // A token on its way is addressed to an agent: its details are still of where it came from.
    detailsFrom: held.findLast(({ audience }) => !audience.startsWith("agnt_"))?.audience,
    expiresAt: row.expiresAt,
    lineage: [...row.lineage, claims.jti],
    proof: { claims, grant: row.grantId ?? undefined, approval: row.approvalId ?? undefined },
    grantId: row.grantId ?? undefined,
    familyId: row.familyId ?? undefined,
    approvalId: row.approvalId ?? undefined,
    issuer: claims.chained_from,
    role,
    grant: grant ?? allowedOnce({ claims, row, held }),
    holders: holdersOf(held),
    authTime: claims.auth_time === undefined ? undefined : new Date(claims.auth_time * 1000),
    amr: claims.amr,
  };
}

/**
 * What a person allowed without a grant that stands, when they were asked elsewhere (CIBA Core §7): it bounds what comes
 * of it as a grant does. Undefined: a grant stands for it, or another server's word.
 */
function allowedOnce({
  claims,
  row,
  held,
}: Pick<LiveToken, "claims" | "row" | "held">): SubjectToken["grant"] {
  const [first] = held;
  const isPersons = claims.sub.startsWith("user:") && claims.chained_from === undefined;
  if (!first || !isPersons || row.grantId !== null || row.approvalId === null) return undefined;
  return { userId: claims.sub.slice("user:".length), clientId: first.clientId, resource: first.audience };
}

/** A token addressed to an agent is on its way: whoever sent it there still bounds where it may go. */
function holdersOf(held: readonly { clientId: string; audience: string }[]): readonly string[] {
  const holders: string[] = [];
  for (let index = held.length - 1; held[index]?.audience.startsWith("agnt_"); index -= 1) {
    const sender = held[index - 1];
    if (sender) holders.push(sender.clientId);
  }
  return [...new Set(holders)];
}

/** "the value of the error parameter MUST be the invalid_request error code" for tokens that do not count (§2.2.2). */
export async function verified(ctx: Context, token: string, parameter: "subject_token" | "actor_token") {
  try {
    return await verifyAccessToken(ctx, token);
  } catch (error) {
    if (!isOAuthError(error) || error.code !== "invalid_token") throw error;
    throw new OAuthError(
      "invalid_request",
      `The ${parameter} is not an access token of this server that counts now: it may be expired, revoked, or of another type. Get a new one.`,
      { reason: error.options.reason ?? error.description },
    );
  }
}

/** A refresh token of the client's own: read, not used up; what is issued ends with its family. */
export async function ownRefreshToken(
  ctx: Context,
  { token, client, instanceJkt: instance }: Reading,
): Promise<SubjectToken> {
  const state = await findRefreshToken(ctx, token);
  const usable =
    state?.token.clientId === client.clientId && !state.token.usedAt && isRefreshTokenLive(ctx.now(), state);
  if (!state || !usable) {
    throw new OAuthError(
      "invalid_request",
      "The subject_token is not a refresh token of this client that counts now. Ask the person to connect again.",
    );
  }
  const { userId, resource, familyId, grantId, issuedAt, expiresAt, authTime, amr, jkt } = state.token;
  const { instanceJkt } = state.token;
  // Exchanged or redeemed, it is of one instance (draft-ietf-oauth-attestation-based-client-auth-11 §10.3).
  if (instanceJkt !== null && instanceJkt !== instance) {
    throw new OAuthError(
      "invalid_request",
      "The subject_token is a refresh token of another instance of this client. Send one that was issued to this one.",
    );
  }
  const sub = `user:${userId}`;
  const left = intersectScope(state.token.scope, state.grant.scope);
  const scope = await scopeOfRole(ctx, { resource, scope: left }, state.user.role);
  if (state.token.scope.length > 0 && scope.length === 0) {
    throw new OAuthError(
      "invalid_request",
      "Nothing is left of what the person allowed. Ask them to connect again.",
    );
  }
  const approvalId = state.family.approvalId ?? undefined;
  // No access token stands for it: the chain starts from the family.
  const claims = accessTokenClaims({
    issuer: ctx.settings.serverUrl,
    jti: familyId,
    subject: sub,
    clientId: client.clientId,
    audience: resource,
    scope,
    issuedAt,
    expiresAt,
  });
  return {
    sub,
    scope,
    audience: resource,
    issuedTo: client.clientId,
    expiresAt,
    boundTo: jkt ?? undefined,
    authorizationDetails: state.token.authorizationDetails ?? undefined,
    detailsFrom: resource,
    lineage: [],
    proof: { claims, grant: grantId, approval: approvalId },
    ...{ grantId, familyId, approvalId, authTime, amr, role: state.user.role, grant: state.grant },
  };
}
