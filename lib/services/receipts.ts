import { and, eq, inArray, lte, sql } from "drizzle-orm";
import type { JWK } from "jose";
import { z } from "zod";
import { rowsOf } from "@/db/client";
import { events } from "@/db/schema/events";
import { signingKeys } from "@/db/schema/keys";
import { receipts } from "@/db/schema/receipts";
import type { Context } from "@/lib/context";
import { MAX_HOPS } from "@/lib/oauth/chain-proof";
import type { ReceiptClaims } from "@/lib/oauth/receipt";

/** How long after its end a token can still be proven. */
const PROVABLE_MS = 30 * 86_400_000;

export type ReceiptRow = typeof receipts.$inferInsert;

/** A signed receipt as its row, which is appended together with the token it tells of (services/tokens.ts). */
export const receiptRow = (
  ctx: Pick<Context, "now">,
  { jws, hash, claims }: { jws: string; hash: string; claims: ReceiptClaims },
): ReceiptRow => ({
  hash,
  jti: claims.jti,
  parentHash: claims.parent.receipt,
  jws,
  createdAt: ctx.now(),
  expiresAt: new Date(claims.exp * 1000 + PROVABLE_MS),
});

/** The receipts of a chain, that of the first hop first, by the hash of the last; those that are gone are left out. */
export async function findChain({ db }: Pick<Context, "db">, hash: string): Promise<readonly string[]> {
  const found = await rowsOf<{ jws: string }>(
    db.execute(sql`
      with recursive chain as (
        select jws, parent_hash, 1 as place from ${receipts} where hash = ${hash}
        union all
        select parent.jws, parent.parent_hash, chain.place + 1
        from ${receipts} parent join chain on parent.hash = chain.parent_hash
        where chain.place < ${MAX_HOPS}
      )
      select jws from chain order by place desc`),
  );
  return found.map(({ jws }) => jws);
}

/** Deletes the receipts of tokens that ended long ago; no token outlives one it came from, so no chain loses its start. */
export async function pruneReceipts({ db, now }: Pick<Context, "db" | "now">): Promise<void> {
  await db.delete(receipts).where(lte(receipts.expiresAt, now()));
}

const CreatedKey = z.object({ jwk: z.looseObject({ kid: z.string(), kty: z.string(), alg: z.string() }) });

/** The public keys that ever signed here under these names; of keys deleted since, the audit trail keeps them. */
export async function receiptKeys(
  { db }: Pick<Context, "db">,
  kids: readonly string[],
): Promise<readonly JWK[]> {
  const stored = await db
    .select({ jwk: signingKeys.publicJwk })
    .from(signingKeys)
    .where(inArray(signingKeys.kid, [...kids]));
  const present = stored.map(({ jwk }) => jwk);
  const gone = kids.filter((kid) => present.every((jwk) => jwk.kid !== kid));
  return gone.length === 0 ? present : [...present, ...(await deletedKeys(db, gone))];
}

async function deletedKeys(db: Context["db"], kids: readonly string[]): Promise<readonly JWK[]> {
  const created = await db
    .select({ data: events.data })
    .from(events)
    .where(
      and(
        eq(events.type, "key.created"),
        inArray(
          events.subject,
          kids.map((kid) => `key:${kid}`),
        ),
      ),
    );
  return created.map(({ data }) => CreatedKey.parse(data).jwk);
}
