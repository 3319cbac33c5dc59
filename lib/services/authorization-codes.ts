import { and, eq, gt, isNull, lt, sql } from "drizzle-orm";
import { approvals } from "@/db/schema/approvals";
import { authorizationCodes } from "@/db/schema/authorization-codes";
import type { Context } from "@/lib/context";
import { hashSecret, newSecret, timeOrderedUuid } from "@/lib/ids";

type Row = typeof authorizationCodes.$inferSelect;

/** A code, and the instance of the client that asked for it, where that proved to be a certain one. */
export type AuthorizationCode = Row & { instanceJkt: string | null };

type NewCode = Omit<Row, "codeHash" | "familyId" | "createdAt" | "expiresAt" | "usedAt" | "wrongVerifiers">;

/** A wrong code verifier may be a slip, five are a guess: then the code is burned (product decision D21). */
const MAX_WRONG_VERIFIERS = 5;

/** Issues an authorization code within the transaction that approves it (RFC 6749 §4.1.2). */
export async function createCode(tx: Context, code: NewCode): Promise<string> {
  const value = newSecret("ac_");
  const now = tx.now();
  await tx.db.insert(authorizationCodes).values({
    ...code,
    codeHash: hashSecret(value),
    familyId: timeOrderedUuid(now),
    createdAt: now,
    expiresAt: new Date(now.getTime() + tx.settings.authorizationCodeTtl * 1000),
  });
  return value;
}

/** A code that was issued to this client; another client's code is no code at all. */
export async function findCode(
  ctx: Context,
  code: string,
  clientId: string,
): Promise<AuthorizationCode | undefined> {
  const [row] = await ctx.db
    .select({
      code: authorizationCodes,
      instanceJkt: sql<string | null>`${approvals.request} ->> 'instanceJkt'`,
    })
    .from(authorizationCodes)
    .innerJoin(approvals, eq(approvals.id, authorizationCodes.approvalId))
    .where(and(eq(authorizationCodes.codeHash, hashSecret(code)), eq(authorizationCodes.clientId, clientId)));
  return row && { ...row.code, instanceJkt: row.instanceJkt };
}

/** Uses a code up, once: of several redemptions at the same time exactly one gets true. */
export async function consumeCode(tx: Context, codeHash: string): Promise<boolean> {
  const used = await tx.db
    .update(authorizationCodes)
    .set({ usedAt: tx.now() })
    .where(
      and(
        eq(authorizationCodes.codeHash, codeHash),
        isNull(authorizationCodes.usedAt),
        gt(authorizationCodes.expiresAt, tx.now()),
        lt(authorizationCodes.wrongVerifiers, MAX_WRONG_VERIFIERS),
      ),
    )
    .returning({ codeHash: authorizationCodes.codeHash });
  return used.length > 0;
}

/** Counts a wrong code verifier. */
export async function countWrongVerifier(ctx: Context, codeHash: string): Promise<void> {
  await ctx.db
    .update(authorizationCodes)
    .set({ wrongVerifiers: sql`${authorizationCodes.wrongVerifiers} + 1` })
    .where(eq(authorizationCodes.codeHash, codeHash));
}

export const isBurned = (code: Pick<Row, "wrongVerifiers">): boolean =>
  code.wrongVerifiers >= MAX_WRONG_VERIFIERS;

/** Removes codes a day after they ended; until then a replay is still recognised. */
export async function pruneCodes(ctx: Context): Promise<void> {
  const dayAgo = new Date(ctx.now().getTime() - 86_400_000);
  await ctx.db.delete(authorizationCodes).where(lt(authorizationCodes.expiresAt, dayAgo));
}
