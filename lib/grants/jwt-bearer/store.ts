import { type Context, inTransaction } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import type { ActApproval } from "@/lib/services/approvals";
import { appendIssuedTokens, type IssuedToken } from "@/lib/services/tokens";
import type { Use } from "@/lib/services/used-assertions";
import { append, withApproval } from "../approved";
import { once } from "../once";

type Redeemed = {
  issued: IssuedToken;
  /** What is used up by it; undefined: nothing. */
  use: Use | undefined;
  /** What has to be there before. */
  before?: ((tx: Context) => Promise<void>) | undefined;
  /** The yes that it waited for. */
  approval: ActApproval | undefined;
};

/** Stores what came of an assertion; one that was redeemed before is refused and changes nothing. */
export const storeRedeemed = (ctx: Context, redeemed: Redeemed): Promise<void> =>
  withApproval(ctx, redeemed, (tx) => store(tx, redeemed));

async function store(ctx: Context, { issued, use, before, approval }: Redeemed): Promise<void> {
  if (!use && !before) return append(ctx, issued, approval);
  const work = async (tx: Context) => {
    await before?.(tx);
    await appendIssuedTokens(tx.db, tx.now(), [issued]);
  };
  if (!use) return inTransaction(ctx, work);
  if (await once(ctx, use, work)) return;
  throw new OAuthError("invalid_grant", "The assertion was used already. Get a new one from its issuer.", {
    reason: "replayed assertion",
  });
}
