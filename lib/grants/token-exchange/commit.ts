import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { appendIssuedTokens, type IssuedToken } from "@/lib/services/tokens";
import { once } from "../once";
import type { SubjectToken } from "./subject-token";

/** Does what an exchange changes; a subject token that is good for one use is used up by it, or refused. */
export async function commitExchange(
  ctx: Context,
  subject: SubjectToken,
  work: (tx: Context) => Promise<void>,
): Promise<void> {
  if (!subject.once) return work(ctx);
  if (await once(ctx, subject.once, work)) return;
  throw new OAuthError(
    "invalid_request",
    "The subject_token was used already. Get a new one from its issuer.",
    {
      reason: "replayed assertion",
    },
  );
}

/** Stores the access token of an exchange. */
export const storeExchanged = (ctx: Context, subject: SubjectToken, issued: IssuedToken): Promise<void> =>
  subject.once
    ? commitExchange(ctx, subject, (tx) => appendIssuedTokens(tx.db, tx.now(), [issued]))
    : ctx.appendIssued(issued);
