import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { appendIssuedTokens, type IssuedToken } from "@/lib/services/tokens";
import { once, type Use } from "../once";

/** Stores what came of an assertion; one that was redeemed before is refused and changes nothing. */
export async function storeRedeemed(ctx: Context, issued: IssuedToken, use: Use | undefined): Promise<void> {
  if (!use) return ctx.appendIssued(issued);
  if (await once(ctx, use, (tx) => appendIssuedTokens(tx.db, tx.now(), [issued]))) return;
  throw new OAuthError("invalid_grant", "The assertion was used already. Get a new one from its issuer.", {
    reason: "replayed assertion",
  });
}
