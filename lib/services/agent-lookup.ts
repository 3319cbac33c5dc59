import { eq, type SQL } from "drizzle-orm";
import { agents } from "@/db/schema/agents";
import { clients } from "@/db/schema/clients";
import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import type { ClientProofMetadata } from "@/lib/oauth/client-proof-metadata";
import { type Client, forgetClients, isOperatorRegistered } from "./clients";

/** An agent as the registry has it, with the status and the scope of its client, and how that proves itself. */
export type Agent = Row &
  Pick<Client, "status" | "statusBy" | "frozenWith"> & {
    scope: readonly string[];
    proof: Pick<Client, "tokenEndpointAuthMethod" | keyof ClientProofMetadata>;
    /** Whether an operator or an admin registered it (product decision D19). */
    byOperator: boolean;
  };

type Row = typeof agents.$inferSelect;

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
  proof: proofOf(client),
  byOperator: isOperatorRegistered(client),
});

/** No secret, nor its hash: agents are kept and shown. */
const proofOf = (client: Client): Agent["proof"] => ({
  tokenEndpointAuthMethod: client.tokenEndpointAuthMethod,
  jwks: client.jwks,
  jwksUri: client.jwksUri,
  assertionAlg: client.assertionAlg,
  spiffeId: client.spiffeId,
  dpopBoundAccessTokens: client.dpopBoundAccessTokens,
  requirePushedAuthorizationRequests: client.requirePushedAuthorizationRequests,
  authorizationDetailsTypes: client.authorizationDetailsTypes,
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

/** The same, however many generations are between them. */
export async function areOfOneFamily(
  ctx: Context,
  one: Agent | undefined,
  other: Agent | undefined,
): Promise<boolean> {
  if (!one || !other) return false;
  return areKin(one, other) || (await firstParentOf(ctx, one)) === (await firstParentOf(ctx, other));
}

/** The id of the agent that a family begins with: an agent without parent is one of its own. */
const firstParentOf = async (ctx: Context, { id, parentId }: Agent): Promise<string> =>
  parentId === null ? id : firstParentOf(ctx, await getAgent(ctx, parentId));

/** The agent with this id; one that is not there is a refusal. */
export async function getAgent(ctx: Context, id: string): Promise<Agent> {
  const agent = await findAgent(ctx, id);
  if (!agent) throw new OAuthError("not_found", "There is no agent with this id.");
  return agent;
}

/** Lets the next request see what has just been committed for the agents of these clients. */
export function forgetAgents(ctx: Context, clientIds: readonly string[]): void {
  forgetClients(ctx, clientIds);
  for (const clientId of clientIds) ctx.recent.forget(recentKey(clientId));
}
