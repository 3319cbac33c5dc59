import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { TOKEN_TYPES } from "@/lib/oauth/token-types";
import type { ActApproval } from "@/lib/services/approvals";
import type { TokenResponse } from "../grant";
import { issueAccessToken } from "./access-token";
import type { ActorToken } from "./actor-token";
import { issueChainingGrant } from "./chaining-grant";
import { issueIdJag } from "./id-jag";
import type { Asked } from "./plan";
import { SIGN_INS } from "./sign-in-subject";
import {
  DELEGABLE,
  type SubjectToken,
  type SubjectTokenReaders,
  TRANSACTION_SUBJECTS,
} from "./subject-token";
import { issueTransactionToken } from "./transaction-token";

/** One exchange with everything read that the request sent, nothing decided yet. */
export type Exchange = {
  asked: Asked;
  subject: SubjectToken;
  actorToken: ActorToken | undefined;
  /** What a transaction token is asked to carry, as sent (draft-ietf-oauth-transaction-tokens-11). */
  requestDetails: string | undefined;
  requestContext: string | undefined;
  address: string;
  /** What a person said yes to: the request waited for it, and goes on. */
  approval?: ActApproval | undefined;
};

/** One kind of token: what it is made of, and what decides about it and issues it. */
export type RequestedToken = {
  subjects: SubjectTokenReaders;
  issue(ctx: Context, exchange: Exchange): Promise<TokenResponse>;
};

/** What can be asked for (RFC 8693 §2.1). To add one: write its file, add its line. */
const requestedTokens: Readonly<Record<string, RequestedToken>> = {
  [TOKEN_TYPES.accessToken]: { subjects: DELEGABLE, issue: issueAccessToken },
  [TOKEN_TYPES.jwt]: { subjects: DELEGABLE, issue: issueChainingGrant },
  [TOKEN_TYPES.idJag]: { subjects: SIGN_INS, issue: issueIdJag },
  [TOKEN_TYPES.txnToken]: { subjects: TRANSACTION_SUBJECTS, issue: issueTransactionToken },
};

/** Finds what makes the requested kind of token; without a type it is an access token. */
export function requestedToken(type: string = TOKEN_TYPES.accessToken): RequestedToken {
  const requested = Object.hasOwn(requestedTokens, type) ? requestedTokens[type] : undefined;
  if (requested) return requested;
  const known = Object.keys(requestedTokens).join(", ");
  throw new OAuthError("invalid_request", `Send requested_token_type as one of: ${known}.`);
}
