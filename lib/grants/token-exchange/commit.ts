import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { appendIssuedTokens, type IssuedToken } from "@/lib/services/tokens";
import { append, withApproval } from "../approved";
import { once } from "../once";
import type { Exchange } from "./requested-token";
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

/** Stores the access token of an exchange, and uses up the yes that it waited for. */
export const storeExchanged = (
  ctx: Context,
  { subject, approval }: Pick<Exchange, "subject" | "approval">,
  issued: IssuedToken,
): Promise<void> =>
  withApproval(ctx, { approval, issued }, (tx) =>
    subject.once
      ? commitExchange(tx, subject, (within) => appendIssuedTokens(within.db, within.now(), [issued]))
      : append(tx, issued, approval),
  );
