import { and, desc, eq, gt, inArray, isNotNull, isNull } from "drizzle-orm";
import { refreshTokens, tokenFamilies } from "@/db/schema/tokens";
import type { Context } from "@/lib/context";
import type { AuthorizationDetail } from "@/lib/oauth/authorization-details";

/** More are not told one by one. */
const MAX_FAMILIES = 200;

/**
 * What people allowed in detail through these grants and what can still be used: a detail is part of one connection,
 * and ends with it.
 */
export async function listLiveDetails(
  ctx: Context,
  grantIds: readonly string[],
): Promise<ReadonlyMap<string, readonly AuthorizationDetail[]>> {
  if (grantIds.length === 0) return new Map();
  const rows = await ctx.db
    .select({ grantId: refreshTokens.grantId, details: refreshTokens.authorizationDetails })
    .from(refreshTokens)
    .innerJoin(tokenFamilies, eq(tokenFamilies.id, refreshTokens.familyId))
    .where(
      and(
        inArray(refreshTokens.grantId, [...grantIds]),
        isNotNull(refreshTokens.authorizationDetails),
        isNull(refreshTokens.usedAt),
        isNull(refreshTokens.revokedAt),
        gt(refreshTokens.expiresAt, ctx.now()),
        isNull(tokenFamilies.revokedAt),
      ),
    )
    .orderBy(desc(tokenFamilies.createdAt))
    .limit(MAX_FAMILIES);
  const detailsOf = (id: string) =>
    rows.flatMap(({ grantId, details }) => (grantId === id ? (details ?? []) : []));
  return new Map(grantIds.map((id) => [id, detailsOf(id)]));
}
