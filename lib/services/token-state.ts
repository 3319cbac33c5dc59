import { and, eq, inArray, or, sql } from "drizzle-orm";
import type { Db } from "@/db/client";
import { clients } from "@/db/schema/clients";
import { grants } from "@/db/schema/grants";
import type { Role } from "@/db/schema/resources";
import { accessTokens, tokenFamilies } from "@/db/schema/tokens";
import { users } from "@/db/schema/users";
import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import {
  type AccessTokenClaims,
  checkAccessTokenTimes,
  parseAccessTokenClaims,
} from "@/lib/oauth/access-token";
import { kidOf, verifyParsedJws } from "@/lib/oauth/compact-jws";
import { parseJws } from "@/lib/oauth/jws";
import { intersectScope, unionScope } from "@/lib/oauth/scope";
import { scopeOfRole } from "./targets";

export type AccessTokenRow = typeof accessTokens.$inferSelect;

/** A token that counts now: its claims, what is left of its scope, its lineage, and the e-mail of its person. */
export type LiveToken = {
  claims: AccessTokenClaims;
  scope: readonly string[];
  row: AccessTokenRow;
  username: string | undefined;
  /** Of the person it is for. */
  role: Role | undefined;
  /** What the person gave that it comes from. */
  grant: { userId: string; clientId: string; resource: string } | undefined;
  /** Who held the tokens it descends from, and where each was for; its own is last. */
  held: readonly { clientId: string; audience: string }[];
};

/** Verifies one of our access tokens (RFC 9068 §4) and asks the database whether it still counts. */
export async function verifyAccessToken(ctx: Context, token: string): Promise<LiveToken> {
  const claims = await readAccessToken(ctx, token);
  checkAccessTokenTimes(claims, ctx.now());
  const live = await findLiveToken(ctx, claims.jti);
  if (!live) throw new OAuthError("invalid_token", REVOKED);
  return { claims, ...live };
}

/** Whether nobody stopped a token nor anything that it stands on, whether or not its own time is over. */
export const isUnrevoked = async (ctx: Context, jti: string): Promise<boolean> =>
  (await findLiveToken(ctx, jti)) !== undefined;

const REVOKED = "The token was revoked: the person stopped this app, or it was signed out. Connect again.";

/** The claims of a token that we signed, whether it still counts or not. */
export async function readAccessToken(ctx: Context, token: string): Promise<AccessTokenClaims> {
  const jws = parseJws(token);
  const keys = await ctx.keys.verificationKeys(kidOf(jws) ?? "");
  const { payload } = verifyParsedJws(jws, { typ: "at+jwt", keys });
  const claims = parseAccessTokenClaims(payload);
  if (claims.iss !== ctx.settings.serverUrl)
    throw new OAuthError("invalid_token", "The token was issued by another server.");
  return claims;
}

/**
 * What the database says of a token and of all it descends from (RFC 7662 §4). Never cached: a stop anywhere in
 * the chain is refused everywhere with the next question, also for a token whose exchange was under way.
 */
async function findLiveToken(ctx: Context, jti: string): Promise<Omit<LiveToken, "claims"> | undefined> {
  const rows = await chainQuery(ctx.db).execute({ jti });
  const own = rows.find(({ token }) => token.jti === jti);
  if (!own || rows.length !== own.token.lineage.length + 1 || !rows.every(isAlive)) return undefined;
  const chain = inOrder(own.token, rows);
  const scope = await remainingScope(ctx, own.token.scope, chain);
  const emptied = own.token.scope.length > 0 && scope.length === 0;
  if (emptied) return undefined;
  const { token: row, grant, email, role } = own;
  return {
    scope,
    row,
    username: email ?? undefined,
    role: role ?? undefined,
    grant: grant ?? undefined,
    held: chain.map(({ token }) => token),
  };
}

/** The id in `user:<id>`; null where the subject is no person. */
export const userOfSubject = sql`case when ${accessTokens.subject} like 'user:%' then substr(${accessTokens.subject}, 6) end`;

const JTI = sql.placeholder("jti");
const ancestors = sql`array(select unnest(own.lineage) from ${accessTokens} own where own.jti = ${JTI})`;

/** Everything asked of one token and its ancestors; built once for each database, since every request asks it. */
const chainQuery = oncePerDatabase((db) =>
  db
    .select({
      token: accessTokens,
      familyRevokedAt: tokenFamilies.revokedAt,
      familyFrozenAt: tokenFamilies.frozenAt,
      clientStatus: clients.status,
      clientNotBefore: clients.notBefore,
      clientKind: clients.kind,
      clientScope: clients.scope,
      grant: { userId: grants.userId, clientId: grants.clientId, resource: grants.resource },
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
    .leftJoin(users, eq(users.id, userOfSubject))
    .where(or(eq(accessTokens.jti, JTI), sql`${accessTokens.jti} = any(${ancestors})`))
    .prepare("chain_of_token"),
);

function oncePerDatabase<Query>(build: (db: Db) => Query): (db: Db) => Query {
  const built = new WeakMap<Db, Query>();
  return (db) => {
    const query = built.get(db) ?? build(db);
    built.set(db, query);
    return query;
  };
}

/** Whether a client held one of the tokens that this one descends from. */
export async function isDelegator(
  ctx: Context,
  { lineage }: AccessTokenRow,
  clientId: string,
): Promise<boolean> {
  if (lineage.length === 0) return false;
  const held = await ctx.db
    .select({ jti: accessTokens.jti })
    .from(accessTokens)
    .where(and(inArray(accessTokens.jti, lineage), eq(accessTokens.clientId, clientId)));
  return held.length > 0;
}

/** In the order of the lineage, which is that of the chain. */
function inOrder({ lineage, jti }: AccessTokenRow, rows: readonly Row[]): readonly Row[] {
  const byJti = new Map(rows.map((row) => [row.token.jti, row]));
  return [...lineage, jti].flatMap((each) => byJti.get(each) ?? []);
}

type Row = {
  token: AccessTokenRow;
  familyRevokedAt: Date | null;
  familyFrozenAt: Date | null;
  clientStatus: string | null;
  clientNotBefore: Date | null;
  clientKind: string | null;
  clientScope: string[] | null;
  grantStatus: string | null;
  grantScope: string[] | null;
  userStatus: string | null;
  role: Role | null;
};

/** Whether everything that one token of a chain stands on is still good: itself, family, client, grant, person. */
function isAlive({ token, ...on }: Row): boolean {
  const stops = [token.revokedAt, token.frozenAt, on.familyRevokedAt, on.familyFrozenAt];
  const unrevoked = stops.every((at) => at === null);
  const clientIsGood =
    on.clientStatus === "active" && (on.clientNotBefore === null || token.issuedAt > on.clientNotBefore);
  const grantIsGood = token.grantId === null || on.grantStatus === "active";
  const personIsGood = !token.subject.startsWith("user:") || on.userStatus === "active";
  return unrevoked && clientIsGood && grantIsGood && personIsGood;
}

/**
 * A grant may have been narrowed since a token of the chain was signed, and the person may have another role. What a
 * person approved for one token of it is in that token, whatever those before it had.
 */
async function remainingScope(ctx: Context, held: readonly string[], chain: readonly Row[]) {
  let left: readonly string[] | undefined;
  for (const row of chain) {
    const approved = row.token.approvedScope ?? [];
    const granted = unionScope(await grantedScope(ctx, row), approved);
    left = left ? intersectScope(unionScope(left, approved), granted) : granted;
  }
  return intersectScope(held, left ?? []);
}

async function grantedScope(ctx: Context, { token, grantScope, role, clientKind, clientScope }: Row) {
  // An agent's registration is a limit that may have been narrowed; an app's is only what it asks for by default.
  const limits = clientKind === "agent" ? [grantScope, clientScope] : [grantScope];
  const granted = limits.reduce<readonly string[]>(
    (left, names) => (names ? intersectScope(left, names) : left),
    token.scope,
  );
  return role ? scopeOfRole(ctx, { resource: token.audience, scope: granted }, role) : granted;
}
