import { type Context, inTransaction } from "@/lib/context";
import { redeemOnce, type Use } from "@/lib/services/used-assertions";

/** Does what comes of something and uses it up, both or neither; false: another request was first (RFC 7523 §3). */
export const once = (ctx: Context, use: Use, work: (tx: Context) => Promise<void>): Promise<boolean> =>
  inTransaction(ctx, async (tx) => {
    if (!(await redeemOnce(tx, use))) return false;
    await work(tx);
    return true;
  });
