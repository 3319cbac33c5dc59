import { and, asc, eq, gt, isNull, or } from "drizzle-orm";
import { accessTokens, tokenFamilies } from "@/db/schema/tokens";
import { users } from "@/db/schema/users";
import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { findAgent, getAgent } from "./agent-lookup";
import { descendantClientIds, ownedClientIds } from "./agent-tree";
import { findClient } from "./clients";

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
  | ({ kind: "agent"; id: string; ownerId: string | null } & OfClient)
  | ({ kind: "client" } & OfClient)
  /** With the clients of the agents they own, and of what descends from those. */
  | { kind: "person"; userId: string; clientIds: readonly string[] }
  /** The live tokens it starts with, and the family that makes more of them. */
  | { kind: "chain"; rootJti: string; jtis: readonly string[]; familyId: string | null }
);

type OfClient = {
  clientId: string;
  clientIds: readonly string[];
  /** What the freezes were aimed at that hold it back. */
  frozenWith: readonly string[];
};

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
  const named = await findAgent(ctx, name);
  if (!named) return undefined;
  const clientIds = await descendantClientIds(ctx, named.id);
  // From now on it stays as it is.
  const { id, ownerId, clientId, frozenWith, status } = await getAgent(ctx, named.id);
  return { kind: "agent", id, ownerId, clientId, clientIds, frozenWith, state: stateOf(status) };
}

async function findClientTarget(ctx: Context, clientId: string): Promise<Found | undefined> {
  const client = await findClient(ctx, clientId);
  if (!client) return undefined;
  // Who stops an agent by its client stops what descends from it too.
  if (client.kind === "agent") return findAgentTarget(ctx, clientId);
  const { frozenWith, status } = client;
  return { kind: "client", clientId, clientIds: [clientId], frozenWith, state: stateOf(status) };
}

async function findPersonTarget(ctx: Context, userId: string): Promise<Found | undefined> {
  // Whoever registers an agent for them meanwhile waits, or is waited for.
  const [user] = await ctx.db
    .select({ status: users.status })
    .from(users)
    .where(eq(users.id, userId))
    .for("no key update");
  if (!user) return undefined;
  return {
    kind: "person",
    userId,
    clientIds: await ownedClientIds(ctx, userId),
    state: stateOf(user.status),
  };
}

async function findChainTarget(ctx: Context, jti: string): Promise<Found | undefined> {
  const token = await findToken(ctx, jti);
  if (!token) return undefined;
  const { jti: rootJti, familyId, family } = await rootOf(ctx, token);
  const familyLives = family !== null && family.revokedAt === null && family.expiresAt > ctx.now();
  const live = family === null || familyLives ? await firstTokens(ctx, rootJti, familyId) : [];
  const jtis = live.map((first) => first.jti);
  const frozen = familyLives ? family.frozenAt !== null : live.some(({ frozenAt }) => frozenAt !== null);
  const state = frozen ? "frozen" : live.length > 0 || familyLives ? "active" : "dead";
  return { kind: "chain", rootJti, jtis, familyId, state };
}

type Token = NonNullable<Awaited<ReturnType<typeof findToken>>>;

async function findToken({ db }: Context, jti: string) {
  const { lineage, familyId } = accessTokens;
  const [token] = await db
    .select({ jti: accessTokens.jti, lineage, familyId, family: tokenFamilies })
    .from(accessTokens)
    .leftJoin(tokenFamilies, eq(tokenFamilies.id, familyId))
    .where(eq(accessTokens.jti, jti));
  return token;
}

/** Where a chain starts. One that began with a refresh token has no first token: an actor token's is another chain's. */
async function rootOf(ctx: Context, token: Token): Promise<Token> {
  const [first] = token.lineage;
  const root = first === undefined ? token : await findToken(ctx, first);
  if (!root) return token;
  return token.familyId === null || token.familyId === root.familyId ? root : token;
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
