import { and, asc, eq, gt, isNull, or } from "drizzle-orm";
import { clients } from "@/db/schema/clients";
import { accessTokens, tokenFamilies } from "@/db/schema/tokens";
import { users } from "@/db/schema/users";
import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { descendantClientIds, findAgent } from "./agents";

/** What can be frozen and killed. */
export type Target =
  /** By any of its ids; with all agents that descend from it in the registry. */
  | { kind: "agent"; id: string }
  | { kind: "client"; clientId: string }
  | { kind: "person"; userId: string }
  /** Everything that came from the same start as this token. */
  | { kind: "chain"; jti: string };

/** Frozen things wait for the thaw; dead ones have lost what they held. */
export type TargetState = "active" | "frozen" | "dead";

/** A target as the database has it now. */
export type Found = { state: TargetState } & (
  | {
      kind: "agent";
      id: string;
      ownerId: string | null;
      clientId: string;
      clientIds: readonly string[];
    }
  | { kind: "client"; clientId: string; clientIds: readonly string[] }
  | { kind: "person"; userId: string }
  /** The live tokens it starts with, and the family that makes more of them. */
  | { kind: "chain"; rootJti: string; jtis: readonly string[]; familyId: string | null }
);

/** Finds a target; one that is not there is not found (RFC 9110 §15.5.5). */
export async function findTarget(ctx: Context, target: Target): Promise<Found> {
  const found = await find(ctx, target);
  if (!found) throw new OAuthError("not_found", `There is no such ${target.kind}. Check the id.`);
  return found;
}

function find(ctx: Context, target: Target): Promise<Found | undefined> {
  switch (target.kind) {
    case "agent":
      return findAgentTarget(ctx, target.id);
    case "client":
      return findClientTarget(ctx, target.clientId);
    case "person":
      return findPersonTarget(ctx, target.userId);
    case "chain":
      return findChainTarget(ctx, target.jti);
  }
}

const stateOf = (status: "active" | "frozen" | "disabled"): TargetState =>
  status === "disabled" ? "dead" : status;

async function findAgentTarget(ctx: Context, name: string): Promise<Found | undefined> {
  const agent = await findAgent(ctx, name);
  if (!agent) return undefined;
  const { id, ownerId, clientId, status } = agent;
  const clientIds = await descendantClientIds(ctx, id);
  return { kind: "agent", id, ownerId, clientId, clientIds, state: stateOf(status) };
}

async function findClientTarget(ctx: Context, clientId: string): Promise<Found | undefined> {
  const [client] = await ctx.db.select().from(clients).where(eq(clients.clientId, clientId));
  if (!client) return undefined;
  // Who stops an agent by its client stops what descends from it too.
  if (client.kind === "agent") return findAgentTarget(ctx, clientId);
  return { kind: "client", clientId, clientIds: [clientId], state: stateOf(client.status) };
}

async function findPersonTarget(ctx: Context, userId: string): Promise<Found | undefined> {
  const [user] = await ctx.db.select({ status: users.status }).from(users).where(eq(users.id, userId));
  return user && { kind: "person", userId, state: stateOf(user.status) };
}

async function findChainTarget(ctx: Context, jti: string): Promise<Found | undefined> {
  const [token] = await ctx.db
    .select({ lineage: accessTokens.lineage })
    .from(accessTokens)
    .where(eq(accessTokens.jti, jti));
  const rootJti = token?.lineage[0] ?? jti;
  const [root] = await ctx.db
    .select({ familyId: accessTokens.familyId, family: tokenFamilies })
    .from(accessTokens)
    .leftJoin(tokenFamilies, eq(tokenFamilies.id, accessTokens.familyId))
    .where(eq(accessTokens.jti, rootJti));
  if (!token || !root) return undefined;
  const { familyId, family } = root;
  const familyLives = family !== null && family.revokedAt === null && family.expiresAt > ctx.now();
  const live = family === null || familyLives ? await firstTokens(ctx, rootJti, familyId) : [];
  const jtis = live.map((first) => first.jti);
  const frozen = familyLives ? family.frozenAt !== null : live.some(({ frozenAt }) => frozenAt !== null);
  const state = frozen ? "frozen" : live.length > 0 || familyLives ? "active" : "dead";
  return { kind: "chain", rootJti, jtis, familyId, state };
}

/** A refreshed token is no descendant of the one before it: both start the same chain. */
const firstTokens = (ctx: Context, rootJti: string, familyId: string | null) =>
  ctx.db
    .select({ jti: accessTokens.jti, frozenAt: accessTokens.frozenAt })
    .from(accessTokens)
    .where(
      and(
        familyId === null
          ? eq(accessTokens.jti, rootJti)
          : or(eq(accessTokens.jti, rootJti), eq(accessTokens.familyId, familyId)),
        isNull(accessTokens.revokedAt),
        gt(accessTokens.expiresAt, ctx.now()),
      ),
    )
    .orderBy(asc(accessTokens.jti));
