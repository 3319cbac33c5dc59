import { eq, type SQL, sql } from "drizzle-orm";
import { v4 } from "uuid";
import { agents } from "@/db/schema/agents";
import { clients } from "@/db/schema/clients";
import { users } from "@/db/schema/users";
import { type Context, inTransaction } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { rowId } from "@/lib/ids";
import type { ClientMetadata } from "@/lib/oauth/client-metadata";
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
import { descendantClientIds } from "./agent-tree";
import {
  type Client,
  changeClientStatus,
  forgetClients,
  isOperatorRegistered,
  registerClient,
  renameClient,
  setClientScope,
} from "./clients";
import { record } from "./events";

/** An agent as the registry has it, with the status and the scope of its client. */
export type Agent = Row &
  Pick<Client, "status" | "statusBy" | "frozenWith"> & {
    scope: readonly string[];
    /** Whether an operator or an admin registered it (product decision D19). */
    byOperator: boolean;
  };

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

/** Agents with their clients, to be narrowed and ordered by the caller. */
export const selectAgents = ({ db }: Pick<Context, "db">) =>
  db
    .select({ agent: agents, client: clients })
    .from(agents)
    .innerJoin(clients, eq(clients.clientId, agents.clientId))
    .$dynamic();

/** An agent of the rows that were selected. */
export const toAgent = ({ agent, client }: { agent: Row; client: Client }): Agent => ({
  ...agent,
  status: client.status,
  statusBy: client.statusBy,
  frozenWith: client.frozenWith,
  scope: client.scope ?? [],
  byOperator: isOperatorRegistered(client),
});

/** The agent with this ULID, UUID or client id, whatever its status. */
export async function findAgent(ctx: Context, id: string): Promise<Agent | undefined> {
  const [row] = await selectAgents(ctx).where(isNamed(id));
  return row && toAgent(row);
}

function isNamed(id: string): SQL {
  if (/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id)) return eq(agents.uuid, id);
  return eq(id.startsWith(AGENT_PREFIX) ? agents.clientId : agents.id, id);
}

/** The agent behind a client as it was at most a second ago; asking for a client that is no agent's costs nothing. */
export const findAgentByClientRecently = async (
  ctx: Context,
  clientId: string,
): Promise<Agent | undefined> =>
  clientId.startsWith(AGENT_PREFIX)
    ? ctx.recent.read(recentKey(clientId), () => findAgent(ctx, clientId))
    : undefined;

const AGENT_PREFIX = "agnt_";
const recentKey = (clientId: string): string => `agent of ${clientId}`;

/** Whether two agents belong together: they have one owner or parent, or one is the other's parent. */
export function areKin(one: Agent | undefined, other: Agent | undefined): boolean {
  if (!one || !other) return false;
  const same = (a: string | null, b: string | null) => a !== null && a === b;
  return (
    same(one.ownerId, other.ownerId) ||
    same(one.parentId, other.parentId) ||
    one.parentId === other.id ||
    other.parentId === one.id
  );
}

/** What an agent is registered with. */
export type NewAgent = AgentDetails & {
  name: string;
  scope: readonly string[];
  /** The id or client id of the agent it is made by or for. */
  parent?: string | undefined;
  /** What proves its account of itself, for the attestation provider. */
  evidence?: Readonly<Record<string, unknown>> | undefined;
};

/** Registers an agent together with its client; the secret is shown in this answer and never again. */
export async function createAgent(
  ctx: Context,
  { name, scope, parent: parentName, evidence, ...details }: NewAgent,
  by: Manager,
): Promise<{ agent: Agent; clientSecret: string }> {
  await checkAllowedScope(ctx, { scope, byOperator: by.isOperator });
  await checkMayAct(ctx, details.mayAct ?? []);
  const level = await attestationLevel(ctx, name, evidence);
  return inTransaction(ctx, async (tx) => {
    if (by.userId !== undefined) await requireActiveOwner(tx, by.userId);
    const parent = parentName === undefined ? undefined : await parentNamed(tx, parentName, by);
    if (parent) checkWithinParent(scope, parent.scope);
    const { client, clientSecret } = await registerClient(tx, {
      ...{ metadata: clientMetadata(name), kind: "agent", scope, actor: by.actor, address: by.address },
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
    if (!agent || clientSecret === undefined)
      throw new Error("an insert returns its row, and agents have secrets");
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

/** An agent acts for itself, for others by exchange, and for its workload by assertion; it has no pages. */
const clientMetadata = (name: string): ClientMetadata => ({
  name,
  tokenEndpointAuthMethod: "client_secret_post",
  applicationType: "web",
  redirectUris: [],
  grantTypes: ["client_credentials", GRANT_TYPES.tokenExchange, GRANT_TYPES.jwtBearer],
  responseTypes: [],
  display: {},
});

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

type Changes = AgentDetails & { name?: string | undefined; scope?: readonly string[] | undefined };

/** Changes what is said of an agent; a scope taken away is taken from its descendants, too. */
export async function updateAgent(
  ctx: Context,
  agent: Agent,
  { scope, ...details }: Changes,
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
    if (details.name !== undefined) await renameClient(tx, agent.clientId, details.name);
    await tx.db
      .update(agents)
      .set({ ...details, updatedAt: tx.now(), version: sql`${agents.version} + 1` })
      .where(eq(agents.id, agent.id));
    const changed = Object.entries({ ...details, scope }).filter(([, value]) => value !== undefined);
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
  await setClientScope(tx, agent.clientId, scope);
  const narrowed = [];
  for (const clientId of clientIds.filter((each) => each !== agent.clientId)) {
    const held = (await findAgent(tx, clientId))?.scope ?? [];
    const left = intersectScope(held, scope);
    if (left.length === held.length) continue;
    await setClientScope(tx, clientId, left);
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

/** Lets the next request see what has just been committed for the agents of these clients. */
export function forgetAgents(ctx: Context, clientIds: readonly string[]): void {
  forgetClients(ctx, clientIds);
  for (const clientId of clientIds) ctx.recent.forget(recentKey(clientId));
}

/** The agent with this id; one that is not there is a refusal. */
export async function getAgent(ctx: Context, id: string): Promise<Agent> {
  const agent = await findAgent(ctx, id);
  if (!agent) throw new OAuthError("not_found", "There is no agent with this id.");
  return agent;
}
