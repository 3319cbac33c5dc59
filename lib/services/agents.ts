import { eq, sql } from "drizzle-orm";
import { v4 } from "uuid";
import { agents } from "@/db/schema/agents";
import { clients } from "@/db/schema/clients";
import { users } from "@/db/schema/users";
import { type Context, inTransaction } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { rowId } from "@/lib/ids";
import type { ClientMetadata } from "@/lib/oauth/client-metadata";
import type { ClientProofMetadata } from "@/lib/oauth/client-proof-metadata";
import { intersectScope } from "@/lib/oauth/scope";
import { GRANT_TYPES } from "@/lib/oauth/token-types";
import {
  attestationLevel,
  checkAllowedScope,
  checkMayAct,
  checkWithinParent,
  invalidMember,
  type Manager,
  manages,
} from "./agent-checks";
import { type Agent, findAgent, forgetAgents, getAgent, selectAgents, toAgent } from "./agent-lookup";
import { descendantClientIds } from "./agent-tree";
import { type ClientKeys, changeProof } from "./client-changes";
import { changeClientStatus, lockClient, registerClient, updateClient } from "./clients";
import { record } from "./events";

type Row = typeof agents.$inferSelect;
type Said =
  | "description"
  | "owner"
  | "capabilities"
  | "allowedExchangeTargets"
  | "mayAct"
  | "metadata"
  | "agentType"
  | "agentModel"
  | "agentVersion"
  | "agentProvider";

/** What is said of an agent; undefined says nothing, or changes nothing. */
export type AgentDetails = { [Key in Said]?: Row[Key] | undefined };

/** What an agent is registered with. */
export type NewAgent = AgentDetails & {
  name: string;
  scope: readonly string[];
  /** The id or client id of the agent it is made by or for. */
  parent?: string | undefined;
  /** What proves its account of itself, for the attestation provider. */
  evidence?: Readonly<Record<string, unknown>> | undefined;
  /** How its client proves itself; by a secret of ours unless it says otherwise. */
  proof?: ProofOfAgent | undefined;
  /** Absent: `AGENT_GRANTS`. */
  grantTypes?: readonly string[] | undefined;
};

type ProofOfAgent = ClientProofMetadata & { tokenEndpointAuthMethod: string };

/** Registers an agent together with its client; a secret, where it has one, is shown in this answer and never again. */
export async function createAgent(
  ctx: Context,
  { name, scope, parent: parentName, evidence, proof, grantTypes, ...details }: NewAgent,
  by: Manager,
): Promise<{ agent: Agent; clientSecret: string | undefined }> {
  await checkAllowedScope(ctx, { scope, byOperator: by.isOperator });
  await checkMayAct(ctx, details.mayAct ?? []);
  const level = await attestationLevel(ctx, name, evidence);
  return inTransaction(ctx, async (tx) => {
    if (by.userId !== undefined) await requireActiveOwner(tx, by.userId);
    const parent = parentName === undefined ? undefined : await parentNamed(tx, parentName, by);
    if (parent) checkWithinParent(scope, parent.scope);
    const { client, clientSecret } = await registerClient(tx, {
      ...{
        metadata: metadataOf(name, proof, grantTypes),
        kind: "agent",
        scope,
        actor: by.actor,
        address: by.address,
      },
      createdBy: by.userId === undefined || by.isOperator ? by.actor : `member:${by.userId}`,
    });
    const now = tx.now();
    const [agent] = await tx.db
      .insert(agents)
      .values({
        ...details,
        id: rowId(now),
        uuid: v4(),
        clientId: client.clientId,
        name,
        ownerId: by.userId ?? null,
        parentId: parent?.id ?? null,
        attestationLevel: level,
        createdAt: now,
        createdBy: by.actor,
        updatedAt: now,
      })
      .returning();
    if (!agent) throw new Error("an insert without conflict clause returns its row");
    await record(tx, {
      ...eventOf("agent.created", agent, by),
      data: { name, scope, parent: agent.parentId, attestationLevel: level },
    });
    return { agent: toAgent({ agent, client }), clientSecret };
  });
}

/** An owner who stays active until the transaction ends: whoever stops them waits, and then sees what was added. */
async function requireActiveOwner(tx: Context, userId: string): Promise<void> {
  const [owner] = await tx.db
    .select({ status: users.status })
    .from(users)
    .where(eq(users.id, userId))
    .for("share");
  if (owner?.status !== "active") throw new OAuthError("forbidden", "You were stopped. Ask an admin.");
}

/** An agent acts for itself, for others by exchange, for its workload by assertion, and asks people. */
export const AGENT_GRANTS: readonly string[] = [
  "client_credentials",
  GRANT_TYPES.tokenExchange,
  GRANT_TYPES.jwtBearer,
  GRANT_TYPES.ciba,
];

/** An agent has no pages to come back to. */
const metadataOf = (
  name: string,
  proof: ProofOfAgent = BY_SECRET,
  grantTypes: readonly string[] = AGENT_GRANTS,
): ClientMetadata => ({
  name,
  applicationType: "web",
  redirectUris: [],
  grantTypes,
  responseTypes: [],
  display: {},
  ...proof,
});

const BY_SECRET: ProofOfAgent = { tokenEndpointAuthMethod: "client_secret_post" };

const eventOf = <Type extends "agent.created" | "agent.updated" | "agent.reactivated">(
  type: Type,
  { id, clientId }: Row,
  { actor, address }: Manager,
) => ({ type, actor, subject: `agent:${id}`, clientId, address });

/** Kin may do more with each other's tokens: only who manages an agent, or registered it, gives it children. */
async function parentNamed(tx: Context, name: string, by: Manager): Promise<Agent> {
  const named = await findAgent(tx, name);
  const isTheirs = named && (manages(by, named) || named.createdBy === by.actor);
  if (!isTheirs) throw invalidMember("parent_agent", "must be the id or client_id of an agent of yours");
  const parent = await lockParent(tx, named.id);
  requireActive(parent);
  return parent;
}

/** A parent that stays as it is until the transaction ends: whoever stops it waits, and then sees what was added. */
async function lockParent(tx: Context, id: string): Promise<Agent> {
  const [row] = await selectAgents(tx).where(eq(agents.id, id)).for("share", { of: clients });
  if (!row) throw new Error(`agent ${id} vanished`);
  return toAgent(row);
}

function requireActive(parent: Pick<Agent, "status">): void {
  if (parent.status === "active") return;
  throw new OAuthError("conflict", "Its parent agent is not active. Start the parent again first.");
}

/**
 * Refuses to let an agent run whose parent is stopped, or whose parent or owner is frozen. Once its client is locked
 * the answer holds: whoever stops these meanwhile comes to this client after us.
 */
export async function requireMayRun(tx: Context, { parentId, ownerId }: Agent): Promise<void> {
  if (parentId !== null) requireActive(await getAgent(tx, parentId));
  if (ownerId === null) return;
  const [owner] = await tx.db.select({ status: users.status }).from(users).where(eq(users.id, ownerId));
  if (owner?.status === "frozen")
    throw new OAuthError("conflict", "Its owner is frozen. Thaw the owner first.");
}

type Changes = AgentDetails & {
  name?: string | undefined;
  scope?: readonly string[] | undefined;
  proof?: (ClientKeys & { dpopBoundAccessTokens?: boolean | undefined }) | undefined;
};

/** Changes what is said of an agent; a scope taken away is taken from its descendants, too. */
export async function updateAgent(
  ctx: Context,
  agent: Agent,
  { scope, proof, ...details }: Changes,
  by: Manager,
): Promise<Agent> {
  if (scope) {
    const byOperator = by.isOperator && agent.byOperator;
    await checkAllowedScope(ctx, { scope, held: agent.scope, byOperator });
  }
  await checkMayAct(ctx, details.mayAct ?? []);
  const narrowed = await inTransaction(ctx, async (tx) => {
    if (scope && agent.parentId) checkWithinParent(scope, (await lockParent(tx, agent.parentId)).scope);
    const limited = scope ? await limitScope(tx, agent, scope) : [];
    if (details.name !== undefined) await updateClient(tx, agent.clientId, { name: details.name });
    const client = proof && (await lockClient(tx, agent.clientId));
    if (client) await changeProof(tx, client, proof, by);
    await tx.db
      .update(agents)
      .set({ ...details, updatedAt: tx.now(), version: sql`${agents.version} + 1` })
      .where(eq(agents.id, agent.id));
    const changed = Object.entries({ ...details, ...proof, scope }).filter(
      ([, value]) => value !== undefined,
    );
    await record(tx, {
      ...eventOf("agent.updated", agent, by),
      data: { changed: changed.map(([name]) => name), ...(scope ? { scope, narrowed: limited } : {}) },
    });
    return limited;
  });
  forgetAgents(ctx, [agent.clientId, ...narrowed]);
  return getAgent(ctx, agent.id);
}

/** Gives an agent a scope and leaves its descendants no more than that; answers those that lost some. */
async function limitScope(tx: Context, agent: Agent, scope: readonly string[]): Promise<string[]> {
  const clientIds = await descendantClientIds(tx, agent.id);
  await updateClient(tx, agent.clientId, { scope: [...scope] });
  const narrowed = [];
  for (const clientId of clientIds.filter((each) => each !== agent.clientId)) {
    const held = (await findAgent(tx, clientId))?.scope ?? [];
    const left = intersectScope(held, scope);
    if (left.length === held.length) continue;
    await updateClient(tx, clientId, { scope: [...left] });
    narrowed.push(clientId);
  }
  return narrowed;
}

/** Starts an agent again that was deactivated, and it alone; what it held before stays dead. */
export async function reactivateAgent(ctx: Context, agent: Agent, by: Manager): Promise<Agent> {
  await inTransaction(ctx, async (tx) => {
    const changed = await changeClientStatus(tx, [agent.clientId], {
      ...{ status: "active", by, aim: agent.clientId },
      from: ["disabled"],
    });
    await requireMayRun(tx, agent);
    if (changed.length > 0) await record(tx, eventOf("agent.reactivated", agent, by));
  });
  forgetAgents(ctx, [agent.clientId]);
  return getAgent(ctx, agent.id);
}
