import type { z } from "zod";
import type { ClientStatus } from "@/db/schema/clients";
import type { Context } from "@/lib/context";
import { proofMembers } from "@/lib/oauth/client-proof-metadata";
import { GRANT_TYPES } from "@/lib/oauth/token-types";
import type { Manager } from "@/lib/services/agent-checks";
import { listAgents } from "@/lib/services/agent-list";
import { type Agent, forgetAgents, getAgent } from "@/lib/services/agent-lookup";
import {
  AGENT_GRANTS,
  createAgent,
  reactivateAgent,
  requireMayRun,
  updateAgent,
} from "@/lib/services/agents";
import { requireMayStart } from "@/lib/services/client-status";
import { stop } from "@/lib/services/kill-switch";
import { addressKey } from "@/lib/services/rate-limits";
import { managedAgent, requireManager, requireRegistrar } from "./agent-managers";
import { AgentPatch, AgentsQuery, NewAgent } from "./agent-schemas";
import type { Call } from "./call";
import { takeFromBucket } from "./endpoint";
import { json, parseJsonAs, readJsonAs } from "./json";
import type { keyMembers } from "./key-schemas";

/** `POST /agents`: registers an agent, and with it its client (contract of earlier clients, §1.5). */
export async function createAgentEndpoint(ctx: Context, call: Call): Promise<Response> {
  const by = await requireRegistrar(ctx, call);
  if (!by.isOperator) await takeFromBucket(ctx, "register", addressKey(call.address));
  const body = await readJsonAs(call.request, NewAgent);
  const { agent, clientSecret } = await createAgent(
    ctx,
    {
      ...detailsOf(body),
      name: body.name,
      scope: askedScope(by, body.allowed_scopes ?? []),
      parent: body.parent_agent ?? undefined,
      evidence: body.attestation ?? undefined,
      grantTypes: body.grant_types ?? agentGrants(ctx),
      proof: { tokenEndpointAuthMethod: body.token_endpoint_auth_method, ...proofOf(body) },
    },
    by,
  );
  return json(
    { ...toWire(agent), ...(clientSecret !== undefined && { client_secret: clientSecret }) },
    { status: 201, headers: { location: `${ctx.settings.serverUrl}/agents/${agent.id}` } },
  );
}

/** In local mode an agent may ask people by device code without more ado, as in an earlier system. */
const agentGrants = ({ settings }: Context): readonly string[] =>
  settings.localMode ? [...AGENT_GRANTS, GRANT_TYPES.deviceCode] : AGENT_GRANTS;

/** As at /register: what nobody gives themselves is left out, and the answer says what was registered (D30). */
const askedScope = ({ actor }: Manager, scope: readonly string[]): readonly string[] =>
  actor === "anonymous" ? scope.filter((name) => !name.startsWith("admin:")) : scope;

/** `GET /agents`: every agent for an admin, their own for everybody else, newest first. */
export async function listAgentsEndpoint(ctx: Context, call: Call): Promise<Response> {
  const by = await requireManager(ctx, call);
  const query = parseJsonAs(Object.fromEntries(call.url.searchParams), AgentsQuery);
  const { offset, limit, status } = query;
  const { items, total, nextCursor } = await listAgents(ctx, {
    ...query,
    status: status && STATUS_OF[status],
    ownerId: by.isOperator ? undefined : by.userId,
  });
  return json({ items: items.map(toWire), total, offset, limit, next_cursor: nextCursor });
}

/** `GET /agents/{id}`: one agent; no secret, it is not stored. */
export async function getAgentEndpoint(ctx: Context, call: Call): Promise<Response> {
  return json(toWire(await managedAgent(ctx, call, await requireManager(ctx, call))));
}

/** `PATCH /agents/{id}`: changes what is said of an agent, or whether it runs. */
export async function updateAgentEndpoint(ctx: Context, call: Call): Promise<Response> {
  const by = await requireManager(ctx, call);
  const agent = await managedAgent(ctx, call, by);
  const { status, ...body } = await readJsonAs(call.request, AgentPatch);
  // Before anything is changed, so that a refusal leaves all as it was.
  if (status === "active") await requireMayActivate(ctx, agent, by);
  const changes = {
    ...detailsOf(body),
    name: body.name,
    scope: body.allowed_scopes,
    proof: proofOf(body),
  };
  const changed = Object.keys(body).length > 0 ? await updateAgent(ctx, agent, changes, by) : agent;
  return json(toWire(status ? await SET_STATUS[status](ctx, changed, by) : changed));
}

/** `DELETE /agents/{id}`: stops an agent and all that descends from it; it stays in the registry. */
export async function deactivateAgentEndpoint(ctx: Context, call: Call): Promise<Response> {
  const by = await requireManager(ctx, call);
  return json(toWire(await deactivate(ctx, await managedAgent(ctx, call, by), by)));
}

/** `POST /agents/{id}/reactivate`: lets an agent run again; its tokens of before stay dead. */
export async function reactivateAgentEndpoint(ctx: Context, call: Call): Promise<Response> {
  const by = await requireManager(ctx, call);
  return json(toWire(await activate(ctx, await managedAgent(ctx, call, by), by)));
}

async function deactivate(ctx: Context, agent: Agent, by: Manager): Promise<Agent> {
  return agent.status === "disabled" ? agent : order(ctx, agent, "kill", by);
}

async function activate(ctx: Context, agent: Agent, by: Manager): Promise<Agent> {
  if (agent.status === "active") return agent;
  return agent.status === "disabled" ? reactivateAgent(ctx, agent, by) : order(ctx, agent, "thaw", by);
}

async function requireMayActivate(ctx: Context, agent: Agent, by: Manager): Promise<void> {
  if (agent.status === "active") return;
  requireMayStart(by, agent);
  await requireMayRun(ctx, agent);
}

const SET_STATUS = { active: activate, inactive: deactivate };

async function order(
  ctx: Context,
  { id, clientId }: Agent,
  action: "kill" | "thaw",
  { actor, isOperator, address }: Manager,
): Promise<Agent> {
  await stop(ctx, { target: { kind: "agent", id }, action, actor, isOperator, address });
  forgetAgents(ctx, [clientId]);
  return getAgent(ctx, id);
}

const detailsOf = (body: Omit<z.output<typeof AgentPatch>, "name" | "status" | keyof typeof keyMembers>) => ({
  description: body.description,
  owner: body.owner,
  capabilities: body.capabilities,
  allowedExchangeTargets: body.allowed_exchange_targets,
  mayAct: body.may_act,
  metadata: body.metadata,
  agentType: body.agent_type,
  agentModel: body.agent_model,
  agentVersion: body.agent_version,
  agentProvider: body.agent_provider,
});

const proofOf = (body: Pick<z.output<typeof AgentPatch>, keyof typeof keyMembers>) => ({
  jwks: body.jwks,
  jwksUri: body.jwks_uri,
  dpopBoundAccessTokens: body.dpop_bound_access_tokens,
});

const STATUS_OF = { active: "active", frozen: "frozen", inactive: "disabled" } as const;
const WIRE_STATUS = { active: "active", frozen: "frozen", disabled: "inactive" } as const satisfies Record<
  ClientStatus,
  string
>;

const toWire = (agent: Agent) => ({
  id: agent.id,
  uuid: agent.uuid,
  client_id: agent.clientId,
  oauth_client_id: agent.clientId,
  name: agent.name,
  description: agent.description,
  owner: agent.owner,
  parent_agent: agent.parentId,
  allowed_scopes: agent.scope,
  capabilities: agent.capabilities,
  allowed_exchange_targets: agent.allowedExchangeTargets,
  may_act: agent.mayAct,
  status: WIRE_STATUS[agent.status],
  token_endpoint_auth_method: agent.proof.tokenEndpointAuthMethod,
  ...proofMembers(agent.proof),
  metadata: agent.metadata,
  agent_type: agent.agentType,
  agent_model: agent.agentModel,
  agent_version: agent.agentVersion,
  agent_provider: agent.agentProvider,
  attestation_level: agent.attestationLevel,
  created_at: agent.createdAt.toISOString(),
  updated_at: agent.updatedAt.toISOString(),
});
