import { createHash } from "node:crypto";
import { type SQL, sql } from "drizzle-orm";
import { rowsOf } from "@/db/client";
import type { Context } from "@/lib/context";

/** The signed list of tokens that verifiers must refuse although they have not expired. */
export type RevocationFeed = { jws: string; etag: string };

/** Seconds that one copy of the feed may be believed. */
export const FEED_TTL = 60;
const RECENT = "revocations";

/** The feed as it was at most a second ago: however many ask, it is one query and one signature a second. */
export async function readRevocationFeed(ctx: Context): Promise<RevocationFeed> {
  const feed = await ctx.recent.read(RECENT, () => signFeed(ctx));
  if (!feed) throw new Error("a feed is always made");
  return feed;
}

/** Lets the next reader here see what has just been committed. */
export const forgetRevocationFeed = (ctx: Context): void => ctx.recent.forget(RECENT);

async function signFeed(ctx: Context): Promise<RevocationFeed> {
  const now = ctx.now();
  const revoked = await listRevoked(ctx, now);
  const iat = Math.floor(now.getTime() / 1000);
  const claims = { iss: ctx.settings.serverUrl, iat, exp: iat + FEED_TTL, revoked };
  // Changes with the list and every half minute: an answer 304 never keeps a copy alive past its `exp`.
  const state = [Math.floor(iat / (FEED_TTL / 2)), ...revoked].join(" ");
  const etag = `"${createHash("sha256").update(state).digest("base64url")}"`;
  return { jws: await ctx.keys.sign("revocations+jwt", claims), etag };
}

/** The `jti` of every token that has not expired and does not count now: dead and frozen ones, and what descends from them. */
async function listRevoked(ctx: Context, now: Date): Promise<string[]> {
  const rows = await rowsOf<{ jti: string }>(
    ctx.db.execute(sql`${uncountedTokens(now, "dead or frozen")} order by 1`),
  );
  return rows.map(({ jti }) => jti);
}

/**
 * Selects the `jti` of unexpired tokens that do not count: from each reason why one does not, by its index, and on
 * to what descends from it. A token of somebody frozen counts again after the thaw, so it is not `dead`.
 */
export function uncountedTokens(now: Date, which: "dead" | "dead or frozen"): SQL {
  const unexpired = sql`t.expires_at > ${now.toISOString()}::timestamptz`;
  const frozenToo = which === "dead or frozen";
  const isStopped = frozenToo ? sql`<> 'active'` : sql`= 'disabled'`;
  const frozen = sql`union select t.jti from access_tokens t where t.frozen_at is not null and ${unexpired}`;
  return sql`
    with roots as materialized (
      select t.jti from access_tokens t where t.revoked_at is not null and ${unexpired}
      ${frozenToo ? frozen : sql``}
      union select t.jti from token_families f join access_tokens t on t.family_id = f.id
        where (f.revoked_at is not null ${frozenToo ? sql`or f.frozen_at is not null` : sql``}) and ${unexpired}
      union select t.jti from grants g join access_tokens t on t.grant_id = g.id
        where g.status = 'revoked' and ${unexpired}
      union select t.jti from clients c join access_tokens t on t.client_id = c.client_id
        where (c.status <> 'active' or c.not_before is not null)
          and (c.status ${isStopped} or t.issued_at <= c.not_before) and ${unexpired}
      union select t.jti from users u join access_tokens t on t.subject = 'user:' || u.id
        where u.status <> 'active' and u.status ${isStopped} and t.subject like 'user:%' and ${unexpired}
    )
    select jti from roots
    union select t.jti from access_tokens t
      where cardinality(t.lineage) > 0 and t.lineage && array(select jti from roots) and ${unexpired}`;
}
