import { and, asc, eq, gt, inArray, isNull, ne, or, type SQL, sql } from "drizzle-orm";
import { rowsOf } from "@/db/client";
import { agents } from "@/db/schema/agents";
import { clients } from "@/db/schema/clients";
import { grants } from "@/db/schema/grants";
import { sessions } from "@/db/schema/sessions";
import type { Context } from "@/lib/context";
import type { Found } from "./kill-targets";
import { uncountedTokens } from "./revocation-feed";

/** A token that a stop would end. */
export type HitToken = {
  jti: string;
  client_id: string;
  subject: string;
  audience: string;
  expires_at: string;
  /** How many tokens it descends from. */
  depth: number;
};

/** What a stop ends: every count is exact, every list holds the first 100. */
export type BlastRadius = {
  counts: {
    /** Its own and what descends from them. */
    tokens: number;
    /** Authorizations that could still be refreshed. */
    families: number;
    /** What people gave that comes to nothing; an app's own remain theirs, for when it comes back. */
    grants: number;
    agents: number;
    sessions: number;
    clients: number;
    subjects: number;
  };
  tokens: readonly HitToken[];
  agents: readonly { id: string; clientId: string; name: string }[];
  /** Who holds these tokens, and for whom. */
  clients: readonly string[];
  subjects: readonly string[];
};

const LISTED = 100;

/** Looks at what stopping a target ends, and at what a thaw would give back. */
export async function blastRadiusOf(ctx: Context, found: Found): Promise<BlastRadius> {
  const { count, ...hit } = await tokensHit(ctx, found);
  const agentsHit = await agentsOf(ctx, found);
  const counts = {
    ...count,
    families: await countFamilies(ctx, found),
    grants: await countGrants(ctx, found),
    sessions: await countSessions(ctx, found),
    agents: agentsHit.length,
  };
  return { counts, ...hit, agents: agentsHit.slice(0, LISTED) };
}

type TokensHit = Pick<BlastRadius, "tokens" | "clients" | "subjects"> & {
  count: Pick<BlastRadius["counts"], "tokens" | "clients" | "subjects">;
};

async function tokensHit(ctx: Context, found: Found): Promise<TokensHit> {
  const now = ctx.now();
  const unexpired = sql`t.expires_at > ${now.toISOString()}::timestamptz`;
  const [hit] = await rowsOf<TokensHit>(
    ctx.db.execute(sql`
      with own as materialized (select t.jti from access_tokens t where ${holds(found)} and ${unexpired}),
      dead as materialized (${uncountedTokens(now, "dead")}),
      reached as (
        select jti from own
        union select t.jti from access_tokens t
          where cardinality(t.lineage) > 0 and t.lineage && array(select jti from own) and ${unexpired}
      ),
      hit as materialized (
        select t.jti, t.client_id, t.subject, t.audience, t.expires_at, cardinality(t.lineage) as depth
        from access_tokens t join reached using (jti) where t.jti not in (select jti from dead)
      )
      select
        (select json_build_object('tokens', count(*), 'clients', count(distinct client_id), 'subjects', count(distinct subject)) from hit) as count,
        ${listOf(sql`select * from hit order by jti limit ${LISTED}`)} as tokens,
        ${listOf(sql`select distinct client_id as value from hit order by 1 limit ${LISTED}`, sql`each.value`)} as clients,
        ${listOf(sql`select distinct subject as value from hit order by 1 limit ${LISTED}`, sql`each.value`)} as subjects`),
  );
  if (!hit) throw new Error("a query without from answers one row");
  return hit;
}

const listOf = (rows: SQL, item: SQL = sql`each`): SQL =>
  sql`(select coalesce(json_agg(${item}), '[]') from (${rows}) each)`;

/** Which tokens are the target's own. */
function holds(found: Found): SQL {
  switch (found.kind) {
    case "agent":
    case "client":
      return sql`t.client_id in ${found.clientIds}`;
    case "person":
      return sql`(t.subject like 'user:%' and t.subject = ${`user:${found.userId}`} or ${among(sql`t.client_id`, found)})`;
    case "chain":
      return sql`t.jti in ${[found.rootJti, ...found.jtis]}`;
  }
}

const among = (column: SQL, { clientIds }: { clientIds: readonly string[] }): SQL =>
  clientIds.length > 0 ? sql`${column} in ${clientIds}` : sql`false`;

async function countFamilies(ctx: Context, found: Found): Promise<number> {
  const now = sql`${ctx.now().toISOString()}::timestamptz`;
  const [row] = await rowsOf<{ families: number }>(
    ctx.db.execute(sql`
      select count(*)::int as families
      from token_families f left join grants g on g.id = f.grant_id left join clients c on c.client_id = f.client_id
      where ${refreshes(found)} and f.revoked_at is null and f.expires_at > ${now}
        and (g.id is null or g.status = 'active') and c.status <> 'disabled'
        and exists (select from refresh_tokens r where r.family_id = f.id and r.used_at is null
          and r.revoked_at is null and r.expires_at > ${now})`),
  );
  return row?.families ?? 0;
}

/** Which families make tokens for the target. */
function refreshes(found: Found): SQL {
  switch (found.kind) {
    case "agent":
    case "client":
      return sql`f.client_id in ${found.clientIds}`;
    case "person":
      return sql`(g.user_id = ${found.userId} or ${among(sql`f.client_id`, found)})`;
    case "chain":
      return sql`f.id = ${found.familyId}`;
  }
}

async function countGrants(ctx: Context, found: Found): Promise<number> {
  if (found.kind === "chain" || found.state === "dead") return 0;
  const toThem = inArray(grants.clientId, [...found.clientIds]);
  const theirs = found.kind === "person" ? or(eq(grants.userId, found.userId), toThem) : toThem;
  return ctx.db.$count(grants, and(theirs, eq(grants.status, "active")));
}

const countSessions = async (ctx: Context, found: Found): Promise<number> =>
  found.kind === "person"
    ? ctx.db.$count(
        sessions,
        and(eq(sessions.userId, found.userId), isNull(sessions.revokedAt), gt(sessions.expiresAt, ctx.now())),
      )
    : 0;

/** The agent, or those of the person, and all they made that still do something. */
const agentsOf = async (ctx: Context, found: Found) =>
  "clientIds" in found
    ? ctx.db
        .select({ id: agents.id, clientId: agents.clientId, name: agents.name })
        .from(agents)
        .innerJoin(clients, eq(clients.clientId, agents.clientId))
        .where(and(inArray(agents.clientId, [...found.clientIds]), ne(clients.status, "disabled")))
        .orderBy(asc(agents.id))
    : [];
