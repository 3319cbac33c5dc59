import { and, eq, gt, inArray, isNotNull, isNull, lt, sql } from "drizzle-orm";
import type { Db } from "@/db/client";
import { grants } from "@/db/schema/grants";
import { accessTokens, tokenFamilies } from "@/db/schema/tokens";
import { type Context, inTransaction } from "@/lib/context";
import { secondsUntil } from "@/lib/oauth/refresh-token-expiration";
import { type Event, eventRow, record } from "./events";
import type { MintedToken } from "./issuing";
import type { ReceiptRow } from "./receipts";

/** A minted token with the event that tells of it and, where it came of an exchange, the receipt of the hop. */
export type IssuedToken = { row: MintedToken["row"]; event: Event; receipt?: ReceiptRow };

/** Stores many tokens and their events in one statement and one commit; what `ctx.appendIssued` gathers. */
export async function appendIssuedTokens(db: Db, now: Date, issued: readonly IssuedToken[]): Promise<void> {
  // One statement whose text never changes, with three parameters however many the rows: nothing to build or to plan.
  const tokens = JSON.stringify(issued.map(({ row }) => toJsonRow(row)));
  const hops = JSON.stringify(issued.flatMap(({ receipt }) => (receipt ? [toReceiptJson(receipt)] : [])));
  const told = JSON.stringify(issued.map(({ event }) => toEventJson(eventRow(now, event))));
  await db.execute(sql`
    with issued as (
      insert into access_tokens
        (jti, client_id, subject, family_id, grant_id, approval_id, approved_scope, scope, audience, issued_at,
         expires_at, lineage, receipt, policy_version)
      select jti, client_id, subject, family_id, grant_id, approval_id, approved_scope, scope, audience, issued_at,
         expires_at, lineage, receipt, policy_version
      from json_populate_recordset(null::access_tokens, ${tokens}::text::json)
    ), proven as (
      insert into receipts (hash, jti, parent_hash, jws, created_at, expires_at)
      select hash, jti, parent_hash, jws, created_at, expires_at
      from json_populate_recordset(null::receipts, ${hops}::text::json)
    )
    insert into events (id, at, type, actor, subject, client_id, data, request_id, address)
    select id, at, type, actor, subject, client_id, data, request_id, address
    from json_populate_recordset(null::events, ${told}::text::json)`);
}

const toJsonRow = (row: MintedToken["row"]) => ({
  jti: row.jti,
  client_id: row.clientId,
  subject: row.subject,
  family_id: row.familyId,
  grant_id: row.grantId,
  approval_id: row.approvalId,
  approved_scope: row.approvedScope,
  scope: row.scope,
  audience: row.audience,
  issued_at: row.issuedAt,
  expires_at: row.expiresAt,
  lineage: row.lineage,
  receipt: row.receipt,
  policy_version: row.policyVersion,
});

const toReceiptJson = (row: ReceiptRow) => ({
  hash: row.hash,
  jti: row.jti,
  parent_hash: row.parentHash,
  jws: row.jws,
  created_at: row.createdAt,
  expires_at: row.expiresAt,
});

const toEventJson = ({ clientId, requestId, ...rest }: ReturnType<typeof eventRow>) => ({
  ...rest,
  client_id: clientId,
  request_id: requestId,
});

/** Stores one token within the caller's transaction. */
export async function storeAccessToken(tx: Context, { row }: MintedToken): Promise<void> {
  await tx.db.insert(accessTokens).values(row);
}

export type TokenFamily = typeof tokenFamilies.$inferInsert;

type FamilyOf = { id: string; grantId: string; clientId: string; approvalId: string };

/** The family of everything that will come from one authorization; it ends with `refreshTokenMaxAge`, or earlier. */
export function newFamily(ctx: Context, of: FamilyOf, lasts = ctx.settings.refreshTokenMaxAge): TokenFamily {
  const createdAt = ctx.now();
  return {
    ...of,
    createdAt,
    expiresAt: new Date(createdAt.getTime() + lasts * 1000),
  };
}

/**
 * Seconds that an access token of a family lives: "Access tokens MUST NOT expire later than the user authorization
 * expires" (draft-ietf-oauth-refresh-token-expiration-03 §5).
 */
export const interactiveTtl = (
  { settings, now }: Context,
  { expiresAt }: Pick<TokenFamily, "expiresAt">,
): number => Math.min(settings.interactiveAccessTokenTtl, secondsUntil(expiresAt, now()));

/** Stores a family within the caller's transaction. */
export async function storeFamily(tx: Context, family: TokenFamily): Promise<void> {
  await tx.db.insert(tokenFamilies).values(family);
}

/** Kills a family: its refresh tokens and every access token minted from it. Says whether it was still alive. */
export function revokeFamily(
  ctx: Context,
  { familyId, because, event }: { familyId: string; because: string; event: Event },
): Promise<boolean> {
  return inTransaction(ctx, async (tx) => {
    const revoked = await tx.db
      .update(tokenFamilies)
      .set({ revokedAt: tx.now(), revokedBecause: because })
      .where(and(eq(tokenFamilies.id, familyId), isNull(tokenFamilies.revokedAt)))
      .returning({ id: tokenFamilies.id });
    if (revoked.length > 0) await record(tx, event);
    return revoked.length > 0;
  });
}

type Replay = { familyId: string; clientId: string; userId: string };

/** Kills everything that came from a credential that was used twice: one of the two users stole it. */
export const killReplayedFamily = (
  ctx: Context,
  { familyId, clientId, userId }: Replay,
  { credential, address }: { credential: "authorization_code" | "refresh_token"; address: string },
): Promise<boolean> =>
  revokeFamily(ctx, {
    familyId,
    because: `${credential} replayed`,
    event: {
      type: "token.replay_detected",
      actor: `client:${clientId}`,
      subject: `user:${userId}`,
      clientId,
      data: { credential, family: familyId },
      address,
    },
  });

/** An access token as it is stored, whether it counts or not. */
export async function findAccessToken(
  ctx: Context,
  jti: string,
): Promise<typeof accessTokens.$inferSelect | undefined> {
  const [found] = await ctx.db.select().from(accessTokens).where(eq(accessTokens.jti, jti));
  return found;
}

/** Kills one access token, be it held back or not. Says whether that was still to be done: not when it had ended. */
export function revokeAccessToken(ctx: Context, jti: string, event: Event): Promise<boolean> {
  return inTransaction(ctx, async (tx) => {
    const revoked = await tx.db
      .update(accessTokens)
      .set({ revokedAt: tx.now() })
      .where(
        and(eq(accessTokens.jti, jti), isNull(accessTokens.revokedAt), gt(accessTokens.expiresAt, tx.now())),
      )
      .returning({ jti: accessTokens.jti });
    if (revoked.length > 0) await record(tx, event);
    return revoked.length > 0;
  });
}

/** Tokens that end together: those of clients, of subjects (`user:<id>`), or single ones. */
export type TokenSet =
  | { clientIds: readonly string[] }
  | { subjects: readonly string[] }
  | { jtis: readonly string[] };

/** Revokes every live token of a set, with the families of its clients or people; what descends from them dies with them. */
export async function revokeTokens(tx: Context, set: TokenSet): Promise<number> {
  const now = tx.now();
  const families = familiesOf(set);
  if (families) {
    await tx.db
      .update(tokenFamilies)
      .set({ revokedAt: now, revokedBecause: "stopped" })
      .where(and(families, isNull(tokenFamilies.revokedAt)));
  }
  const revoked = await tx.db
    .update(accessTokens)
    .set({ revokedAt: now })
    .where(and(tokensOf(set), isNull(accessTokens.revokedAt), gt(accessTokens.expiresAt, now)))
    .returning({ jti: accessTokens.jti });
  return revoked.length;
}

function tokensOf(set: TokenSet) {
  if ("clientIds" in set) return inArray(accessTokens.clientId, [...set.clientIds]);
  if ("subjects" in set) return inArray(accessTokens.subject, [...set.subjects]);
  return inArray(accessTokens.jti, [...set.jtis]);
}

function familiesOf(set: TokenSet) {
  if ("clientIds" in set) return inArray(tokenFamilies.clientId, [...set.clientIds]);
  if ("jtis" in set) return undefined;
  const people = set.subjects
    .filter((subject) => subject.startsWith("user:"))
    .map((subject) => subject.slice(5));
  const given = sql`select ${grants.id} from ${grants} where ${inArray(grants.userId, people)}`;
  return people.length > 0 ? sql`${tokenFamilies.grantId} in (${given})` : undefined;
}

/** Holds a family back, its refresh tokens and all it made, or lets it go on (`null`). Says whether that was a change. */
export async function freezeFamily(tx: Context, familyId: string, frozenAt: Date | null): Promise<boolean> {
  const { frozenAt: held, id } = tokenFamilies;
  const changed = await tx.db
    .update(tokenFamilies)
    .set({ frozenAt })
    .where(and(eq(id, familyId), frozenAt ? isNull(held) : isNotNull(held)))
    .returning({ id });
  return changed.length > 0;
}

/** Holds tokens back, with all that descends from them, or lets them go on (`null`). Returns how many changed. */
export async function freezeTokens(
  tx: Context,
  jtis: readonly string[],
  frozenAt: Date | null,
): Promise<number> {
  const changed = await tx.db
    .update(accessTokens)
    .set({ frozenAt })
    .where(
      and(
        inArray(accessTokens.jti, [...jtis]),
        frozenAt ? isNull(accessTokens.frozenAt) : isNotNull(accessTokens.frozenAt),
      ),
    )
    .returning({ jti: accessTokens.jti });
  return changed.length;
}

/** Removes access tokens a day after they ended. */
export async function pruneAccessTokens(ctx: Context): Promise<void> {
  await ctx.db
    .delete(accessTokens)
    .where(lt(accessTokens.expiresAt, new Date(ctx.now().getTime() - 86_400_000)));
}
