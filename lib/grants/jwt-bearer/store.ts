import { type Context, inTransaction } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { appendIssuedTokens, type IssuedToken } from "@/lib/services/tokens";
import type { Use } from "@/lib/services/used-assertions";
import { once } from "../once";

/**
 * Stores what came of an assertion, after what has to be there before; one that was redeemed before is refused and
 * changes nothing.
 */
export async function storeRedeemed(
  ctx: Context,
  issued: IssuedToken,
  use: Use | undefined,
  before?: (tx: Context) => Promise<void>,
): Promise<void> {
  if (!use && !before) return ctx.appendIssued(issued);
  const store = async (tx: Context) => {
    await before?.(tx);
    await appendIssuedTokens(tx.db, tx.now(), [issued]);
  };
  if (!use) return inTransaction(ctx, store);
  if (await once(ctx, use, store)) return;
  throw new OAuthError("invalid_grant", "The assertion was used already. Get a new one from its issuer.", {
    reason: "replayed assertion",
  });
}
