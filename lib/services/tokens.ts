import { and, eq, isNull, lt, sql } from "drizzle-orm";
import type { Db } from "@/db/client";
import { clients } from "@/db/schema/clients";
import { grants } from "@/db/schema/grants";
import { accessTokens, tokenFamilies } from "@/db/schema/tokens";
import { users } from "@/db/schema/users";
import { type Context, inTransaction } from "@/lib/context";
import { timeOrderedUuid } from "@/lib/ids";
import { type AccessTokenClaims, accessTokenClaims } from "@/lib/oauth/access-token";
import { intersectScope } from "@/lib/oauth/scope";
import { type Event, eventRow, record } from "./events";
import { scopeOfRole } from "./targets";

/** What an access token is to say, decided by the grant that issues it. */
export type Issue = {
  clientId: string;
  /** `user:<id>` or `client:<client_id>`. */
  subject: string;
  scope: readonly string[];
  /** One resource identifier: `aud` is a single string (product decision D6). */
  audience: string;
  /** Seconds. */
  ttl: number;
  grantId?: string | undefined;
  familyId?: string | undefined;
  authTime?: Date | undefined;
  amr?: readonly string[] | undefined;
};

/** A signed access token, and the row that makes it known and revocable. */
export type MintedToken = { token: string; row: typeof accessTokens.$inferInsert };

/** A minted token with the event that tells of it: appended together. */
export type IssuedToken = { row: MintedToken["row"]; event: Event };

/** Signs an access token (RFC 9068 §2); it counts for nothing until its row is committed. */
export async function mintAccessToken(ctx: Context, issue: Issue): Promise<MintedToken> {
  const issuedAt = ctx.now();
  const expiresAt = new Date(issuedAt.getTime() + issue.ttl * 1000);
  const jti = timeOrderedUuid(issuedAt);
  const { clientId, subject, audience, scope, authTime, amr } = issue;
  const claims = accessTokenClaims({
    issuer: ctx.settings.serverUrl,
    jti,
    clientId,
    subject,
    audience,
    scope,
    issuedAt,
    expiresAt,
    ...(authTime ? { authTime } : {}),
    ...(amr ? { amr } : {}),
  });
  return {
    token: await ctx.keys.sign("at+jwt", claims),
    row: {
      jti,
      clientId,
      subject,
      familyId: issue.familyId ?? null,
      grantId: issue.grantId ?? null,
      scope: [...scope],
      audience,
      issuedAt,
      expiresAt,
    },
  };
}

/** Stores many tokens and their events in one statement and one commit; what `ctx.appendIssued` gathers. */
export async function appendIssuedTokens(db: Db, now: Date, issued: readonly IssuedToken[]): Promise<void> {
  // One statement whose text never changes, with two parameters however many the rows: nothing to build or to plan.
  const tokens = JSON.stringify(issued.map(({ row }) => toJsonRow(row)));
  const told = JSON.stringify(issued.map(({ event }) => toEventJson(eventRow(now, event))));
  await db.execute(sql`
    with issued as (
      insert into access_tokens
        (jti, client_id, subject, family_id, grant_id, scope, audience, issued_at, expires_at)
      select jti, client_id, subject, family_id, grant_id, scope, audience, issued_at, expires_at
      from json_populate_recordset(null::access_tokens, ${tokens}::text::json)
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
  scope: row.scope,
  audience: row.audience,
  issued_at: row.issuedAt,
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

/** The family of everything that will come from one authorization; it ends with `refreshTokenMaxAge`. */
export function newFamily(ctx: Context, of: { id: string; grantId: string; clientId: string }): TokenFamily {
  const createdAt = ctx.now();
  return {
    ...of,
    createdAt,
    expiresAt: new Date(createdAt.getTime() + ctx.settings.refreshTokenMaxAge * 1000),
  };
}

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

/** Kills one access token. */
export function revokeAccessToken(ctx: Context, jti: string, event: Event): Promise<boolean> {
  return inTransaction(ctx, async (tx) => {
    const revoked = await tx.db
      .update(accessTokens)
      .set({ revokedAt: tx.now() })
      .where(and(eq(accessTokens.jti, jti), isNull(accessTokens.revokedAt)))
      .returning({ jti: accessTokens.jti });
    if (revoked.length > 0) await record(tx, event);
    return revoked.length > 0;
  });
}

/** What the database knows of an access token now: whether it still counts, and what is left of its scope. */
export type TokenState =
  | { live: false }
  | { live: true; scope: readonly string[]; username: string | undefined };

/**
 * Asks the database whether a verified access token still counts (RFC 7662 §4). Never cached:
 * a stop anywhere is refused everywhere with the next question.
 */
export async function findTokenState(ctx: Context, claims: AccessTokenClaims): Promise<TokenState> {
  const [row] = await ctx.db
    .select({
      scope: accessTokens.scope,
      revokedAt: accessTokens.revokedAt,
      familyRevokedAt: tokenFamilies.revokedAt,
      clientStatus: clients.status,
      grantId: accessTokens.grantId,
      grantStatus: grants.status,
      grantScope: grants.scope,
      userStatus: users.status,
      role: users.role,
      email: users.email,
    })
    .from(accessTokens)
    .leftJoin(tokenFamilies, eq(tokenFamilies.id, accessTokens.familyId))
    .leftJoin(clients, eq(clients.clientId, accessTokens.clientId))
    .leftJoin(grants, eq(grants.id, accessTokens.grantId))
    .leftJoin(users, eq(users.id, grants.userId))
    .where(eq(accessTokens.jti, claims.jti));
  if (!row || row.revokedAt || row.familyRevokedAt || row.clientStatus !== "active") return { live: false };
  if (row.grantId === null) return { live: true, scope: row.scope, username: undefined };
  if (row.grantStatus !== "active" || row.userStatus !== "active") return { live: false };
  // The grant may have been narrowed since the token was signed, and the person may have another role.
  const left = { resource: claims.aud, scope: intersectScope(row.scope, row.grantScope ?? []) };
  const scope = await scopeOfRole(ctx, left, row.role ?? "member");
  const emptied = row.scope.length > 0 && scope.length === 0;
  return emptied ? { live: false } : { live: true, scope, username: row.email ?? undefined };
}

/** Removes access tokens a day after they ended. */
export async function pruneAccessTokens(ctx: Context): Promise<void> {
  await ctx.db
    .delete(accessTokens)
    .where(lt(accessTokens.expiresAt, new Date(ctx.now().getTime() - 86_400_000)));
}
