import { eq } from "drizzle-orm";
import { decodeJwt } from "jose";
import { accessTokens } from "@/db/schema/tokens";
import { timeOrderedUuid } from "@/lib/ids";
import { accessTokenClaims } from "@/lib/oauth/access-token";
import { storeAccessToken } from "@/lib/services/tokens";
import type { TestContext } from "./context";

/** The `jti` of an access token. */
export const jtiOf = (token: string): string => decodeJwt(token).jti ?? "";

/** A token as an exchange leaves it: for the same subject, held by `clientId`, descended from `parent`. */
export async function descend({ ctx }: TestContext, parent: string, clientId: string): Promise<string> {
  const { sub = "", exp = 0 } = decodeJwt(parent);
  const [from] = await ctx.db
    .select()
    .from(accessTokens)
    .where(eq(accessTokens.jti, jtiOf(parent)));
  if (!from) throw new Error("the parent is no token of this database");
  const issuedAt = ctx.now();
  const row = {
    jti: timeOrderedUuid(issuedAt),
    clientId,
    subject: sub,
    scope: from.scope,
    audience: from.audience,
    issuedAt,
    expiresAt: new Date(exp * 1000),
    lineage: [...from.lineage, from.jti],
  };
  const claims = accessTokenClaims({
    ...row,
    issuer: ctx.settings.serverUrl,
    act: { sub: `client:${clientId}` },
  });
  const token = await ctx.keys.sign("at+jwt", claims);
  await storeAccessToken(ctx, { token, row });
  return token;
}
