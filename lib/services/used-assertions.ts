import { createHash } from "node:crypto";
import { lt, sql } from "drizzle-orm";
import { type Db, rowsOf } from "@/db/client";
import { usedAssertions } from "@/db/schema/used-assertions";
import type { Context } from "@/lib/context";

/** What is good for one use: an assertion, a proof of possession. */
export type Use = {
  /** Who made it; names of different kinds never meet: an issuer, `dpop <thumbprint>`, `client <client_id>`, `passkey <user id>`. */
  issuer: string;
  jti: string;
  /** When it would be refused anyway. */
  expiresAt: Date;
};

/** Notes that an assertion is redeemed; false when it was before, as whatever it was taken for (RFC 7523 §3). */
export async function redeemOnce(tx: Context, use: Use): Promise<boolean> {
  const [isFirst] = await noteUses(tx.db, [use]);
  return isFirst === true;
}

/** Notes uses in one statement: for each, whether it is the first. What `ctx.consumeOnce` gathers. */
export async function noteUses(db: Db, uses: readonly Use[]): Promise<readonly boolean[]> {
  const rows = uses.map(({ issuer, jti, expiresAt }) => ({ key: keyOf(issuer, jti), expires_at: expiresAt }));
  // One insert decides: of fifty at once, on whatever instances, the index lets one through. In one order, so that two
  // batches wait for each other and never both. One statement whose text never changes, however many the rows.
  const sorted = JSON.stringify([...rows].sort((a, b) => (a.key < b.key ? -1 : 1)));
  const noted = await rowsOf<{ key: string }>(
    db.execute(sql`
      insert into used_assertions (key, expires_at)
      select key, expires_at from json_populate_recordset(null::used_assertions, ${sorted}::text::json)
      on conflict do nothing
      returning key`),
  );
  const fresh = new Set(noted.map(({ key }) => key));
  // The same one twice in a batch: the first of them has it.
  const firstPlace = new Map(rows.map(({ key }, place) => [key, place] as const).reverse());
  return rows.map(({ key }, place) => fresh.has(key) && firstPlace.get(key) === place);
}

const keyOf = (issuer: string, jti: string): string =>
  createHash("sha256")
    .update(JSON.stringify([issuer, jti]))
    .digest("base64url");

/** Forgets what has expired, on every instance's clock. */
export async function pruneUsedAssertions(ctx: Context): Promise<void> {
  const hourAgo = new Date(ctx.now().getTime() - 3_600_000);
  await ctx.db.delete(usedAssertions).where(lt(usedAssertions.expiresAt, hourAgo));
}
