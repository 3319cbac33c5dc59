import { and, desc, eq, gt, isNull, sql } from "drizzle-orm";
import { z } from "zod";
import { clients } from "@/db/schema/clients";
import { accessTokens } from "@/db/schema/tokens";
import type { Context } from "@/lib/context";
import { findAccessToken, revokeAccessToken } from "./tokens";

/** A token that stands for a person and on no grant of theirs: a sign-in that an agent asked for, or another server's. */
export type PersonToken = {
  jti: string;
  agent: string;
  audience: string;
  scope: string[];
  expiresAt: Date;
};

/** How many a list shows. */
const MAX_LISTED = 100;

/** What acts for a person now without a grant, newest first: what comes of it ends with it. */
export const listPersonTokens = (ctx: Context, userId: string): Promise<PersonToken[]> =>
  ctx.db
    .select({
      jti: accessTokens.jti,
      agent: clients.name,
      audience: accessTokens.audience,
      scope: accessTokens.scope,
      expiresAt: accessTokens.expiresAt,
    })
    .from(accessTokens)
    .innerJoin(clients, and(eq(clients.clientId, accessTokens.clientId), eq(clients.status, "active")))
    .where(
      and(
        eq(accessTokens.subject, `user:${userId}`),
        gt(accessTokens.expiresAt, ctx.now()),
        isNull(accessTokens.grantId),
        isNull(accessTokens.revokedAt),
        sql`cardinality(${accessTokens.lineage}) = 0`,
      ),
    )
    .orderBy(desc(accessTokens.issuedAt))
    .limit(MAX_LISTED);

type Stop = { jti: string; userId: string; address: string };

/** Ends one of them, with all that came of it; false: it is not this person's, or has ended. */
export async function stopPersonToken(ctx: Context, { jti, userId, address }: Stop): Promise<boolean> {
  const token = z.uuid().safeParse(jti).success ? await findAccessToken(ctx, jti) : undefined;
  if (token?.subject !== `user:${userId}` || token.grantId !== null) return false;
  return revokeAccessToken(ctx, jti, {
    type: "token.revoked",
    actor: `user:${userId}`,
    subject: `token:${jti}`,
    clientId: token.clientId,
    data: { at: "my agents" },
    address,
  });
}
