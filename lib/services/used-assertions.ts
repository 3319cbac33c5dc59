import { createHash } from "node:crypto";
import { lt } from "drizzle-orm";
import { usedAssertions } from "@/db/schema/used-assertions";
import type { Context } from "@/lib/context";

type Use = {
  issuer: string;
  jti: string;
  /** When the assertion would be refused anyway. */
  expiresAt: Date;
};

/** Notes that an assertion is redeemed; false when it was before, as whatever it was taken for (RFC 7523 §3). */
export async function redeemOnce(tx: Context, { issuer, jti, expiresAt }: Use): Promise<boolean> {
  const key = createHash("sha256")
    .update(JSON.stringify([issuer, jti]))
    .digest("base64url");
  // One insert decides: of fifty at once, the index lets one through.
  const noted = await tx.db
    .insert(usedAssertions)
    .values({ key, expiresAt })
    .onConflictDoNothing()
    .returning({ key: usedAssertions.key });
  return noted.length === 1;
}

/** Forgets the assertions that have expired, on every instance's clock. */
export async function pruneUsedAssertions(ctx: Context): Promise<void> {
  const hourAgo = new Date(ctx.now().getTime() - 3_600_000);
  await ctx.db.delete(usedAssertions).where(lt(usedAssertions.expiresAt, hourAgo));
}
