import { and, eq, inArray, isNotNull, isNull, lt } from "drizzle-orm";
import { clients } from "@/db/schema/clients";
import { grants } from "@/db/schema/grants";
import { refreshTokens, tokenFamilies } from "@/db/schema/tokens";
import { users } from "@/db/schema/users";
import type { Context } from "@/lib/context";
import { hashSecret, newSecret } from "@/lib/ids";
import { type RefreshTokenExpiration, refreshTokenExpiration } from "@/lib/oauth/refresh-token-expiration";

export type RefreshToken = typeof refreshTokens.$inferSelect;

type NewRefreshToken = Pick<
  RefreshToken,
  | "familyId"
  | "clientId"
  | "userId"
  | "grantId"
  | "scope"
  | "resource"
  | "authTime"
  | "amr"
  | "authorizationDetails"
  | "jkt"
  | "instanceJkt"
> & { familyExpiresAt: Date };

/** What an answer says of a refresh token it carries. */
type Answer = { refresh_token: string } & RefreshTokenExpiration;

/** A new refresh token as its row and in the answer; never valid beyond its family (RFC 9700 §4.14.2). */
export function mintRefreshToken(ctx: Context, { familyExpiresAt, ...rest }: NewRefreshToken) {
  const token = newSecret("rt_");
  const issuedAt = ctx.now();
  const sliding = issuedAt.getTime() + ctx.settings.refreshTokenTtl * 1000;
  const expiresAt = new Date(Math.min(sliding, familyExpiresAt.getTime()));
  const ends = { now: issuedAt, tokenExpiresAt: expiresAt, authorizationExpiresAt: familyExpiresAt };
  const answer: Answer = { refresh_token: token, ...refreshTokenExpiration(ends) };
  return { answer, row: { ...rest, tokenHash: hashSecret(token), issuedAt, expiresAt } };
}

/** Stores a refresh token within the caller's transaction. */
export async function storeRefreshToken(tx: Context, row: typeof refreshTokens.$inferInsert): Promise<void> {
  await tx.db.insert(refreshTokens).values(row);
}

/** A refresh token with everything that decides whether it still counts. */
export async function findRefreshToken(ctx: Context, token: string) {
  const [row] = await ctx.db
    .select({ token: refreshTokens, family: tokenFamilies, grant: grants, user: users, client: clients })
    .from(refreshTokens)
    .innerJoin(tokenFamilies, eq(tokenFamilies.id, refreshTokens.familyId))
    .innerJoin(grants, eq(grants.id, refreshTokens.grantId))
    .innerJoin(users, eq(users.id, refreshTokens.userId))
    .innerJoin(clients, eq(clients.clientId, refreshTokens.clientId))
    .where(eq(refreshTokens.tokenHash, hashSecret(token)));
  return row;
}

export type RefreshTokenState = NonNullable<Awaited<ReturnType<typeof findRefreshToken>>>;

/** Whether everything a refresh token stands on is still good: family, grant, person, app, time. */
export const isRefreshTokenLive = (
  now: Date,
  { token, family, grant, user, client }: RefreshTokenState,
): boolean =>
  token.revokedAt === null &&
  token.expiresAt > now &&
  family.revokedAt === null &&
  family.frozenAt === null &&
  family.expiresAt > now &&
  grant.status === "active" &&
  user.status === "active" &&
  client.status === "active";

type Rotation = { tokenHash: string; overlapUntil: Date; sealedSuccessor: string; requestDigest: string };

/** Marks a refresh token as used, once: of several at the same time exactly one gets true (RFC 9700 §4.14.2). */
export async function consumeRefreshToken(
  tx: Context,
  { tokenHash, ...rotation }: Rotation,
): Promise<boolean> {
  const used = await tx.db
    .update(refreshTokens)
    .set({ usedAt: tx.now(), ...rotation })
    .where(and(eq(refreshTokens.tokenHash, tokenHash), isNull(refreshTokens.usedAt)))
    .returning({ tokenHash: refreshTokens.tokenHash });
  return used.length > 0;
}

/**
 * Ends the refresh tokens of a client that are bound to a key, within the caller's transaction. Of a public client the
 * key is all that proves whose they are (RFC 9449 §5), and a secret that it gives itself does not take its place.
 */
export async function endBoundRefreshTokens(tx: Context, clientId: string): Promise<void> {
  const { familyId, jkt, revokedAt } = refreshTokens;
  // By family: there is an index for that.
  const families = tx.db
    .select({ id: tokenFamilies.id })
    .from(tokenFamilies)
    .where(eq(tokenFamilies.clientId, clientId));
  await tx.db
    .update(refreshTokens)
    .set({ revokedAt: tx.now() })
    .where(and(inArray(familyId, families), isNotNull(jkt), isNull(revokedAt)));
}

/** Erases answers kept for an overlap that is over, and tokens a day after they ended. */
export async function pruneRefreshTokens(ctx: Context): Promise<void> {
  const now = ctx.now();
  await ctx.db
    .update(refreshTokens)
    .set({ sealedSuccessor: null })
    .where(and(isNotNull(refreshTokens.sealedSuccessor), lt(refreshTokens.overlapUntil, now)));
  await ctx.db.delete(refreshTokens).where(lt(refreshTokens.expiresAt, new Date(now.getTime() - 86_400_000)));
}
