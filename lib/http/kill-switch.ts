import { z } from "zod";
import type { Context } from "@/lib/context";
import { isOAuthError, OAuthError } from "@/lib/errors";
import { type Action, preview, type Stopped, stop } from "@/lib/services/kill-switch";
import { findTarget, type Target } from "@/lib/services/kill-targets";
import { readAccessToken } from "@/lib/services/token-state";
import type { User } from "@/lib/services/users";
import type { Call } from "./call";
import { json, parseJsonAs, readJsonAs } from "./json";
import { KillSwitchOrder, KillSwitchQuery, type KillSwitchTarget } from "./kill-switch-schemas";
import { requireOperator } from "./operator";
import { managingSession } from "./session";

/** `GET /kill-switch?agent=…`: what would die, before anybody decides. */
export async function previewEndpoint(ctx: Context, call: Call): Promise<Response> {
  const by = await callerOf(ctx, call);
  const target = targetOf(parseJsonAs(Object.fromEntries(call.url.searchParams), KillSwitchQuery));
  await requireAllowed(ctx, by, target);
  return json(toWire(await preview(ctx, target)));
}

/** `POST /kill-switch`: freezes, thaws or kills an agent, a client, a person or a chain of tokens. */
export async function stopEndpoint(ctx: Context, call: Call): Promise<Response> {
  const by = await callerOf(ctx, call);
  const { action, target: named, reason } = await readJsonAs(call.request, KillSwitchOrder);
  const target = targetOf({ ...named, chain: named.chain && (await jtiOf(ctx, named.chain)) });
  const actor = await requireAllowed(ctx, by, target);
  refuseOneself(actor, target, action);
  const order = { target, action, reason, actor, isOperator: "operator" in by, address: call.address };
  return json(toWire(await stop(ctx, order)));
}

/** The operator or an admin, or a person who may own the agent in question. */
type Caller = { operator: string } | { person: User };

async function callerOf(ctx: Context, call: Call): Promise<Caller> {
  const { headers } = call.request;
  const by = await managingSession(ctx, call);
  const sendsKey = headers.has("x-admin-key") || headers.has("authorization");
  if (!by || sendsKey || by.user.role === "admin") return { operator: await requireOperator(ctx, call) };
  return { person: by.user };
}

/** Who acts, in the words of the audit; who is no admin may stop the agents they own and nothing else. */
async function requireAllowed(ctx: Context, by: Caller, target: Target): Promise<string> {
  if ("operator" in by) return by.operator;
  const found = target.kind === "agent" ? await findTarget(ctx, target).catch(hidden) : undefined;
  if (found?.kind === "agent" && found.ownerId === by.person.id) return `user:${by.person.id}`;
  throw new OAuthError("forbidden", "Only an admin may do this, and for an agent the one who owns it.");
}

/** Whether an agent that is not theirs exists is nobody's business. */
function hidden(error: unknown): undefined {
  if (isOAuthError(error) && error.code === "not_found") return undefined;
  throw error;
}

function refuseOneself(actor: string, target: Target, action: Action): void {
  if (target.kind !== "person" || actor !== `user:${target.userId}`) return;
  throw new OAuthError("conflict", `You cannot ${action} yourself. Let another admin do it.`);
}

function targetOf({ agent, client, person, chain }: z.output<typeof KillSwitchTarget>): Target {
  if (agent !== undefined) return { kind: "agent", id: agent };
  if (client !== undefined) return { kind: "client", clientId: client };
  if (person !== undefined) return { kind: "person", userId: person };
  return { kind: "chain", jti: chain ?? "" };
}

/** The jti of a token of ours, expired or not. */
async function jtiOf(ctx: Context, chain: string): Promise<string> {
  if (z.uuid().safeParse(chain).success) return chain;
  try {
    return (await readAccessToken(ctx, chain)).jti;
  } catch (cause) {
    if (!isOAuthError(cause)) throw cause;
    const error = { field: "target.chain", message: "must be an access token of this server, or its jti" };
    throw new OAuthError("validation_failed", `${error.field}: ${error.message}`, {
      cause,
      members: { errors: [error] },
    });
  }
}

const toWire = ({ state, counts, tokens, agents, clients, subjects }: Stopped) => ({
  state,
  counts: {
    access_tokens: counts.tokens,
    refreshable_authorizations: counts.families,
    grants: counts.grants,
    agents: counts.agents,
    sessions: counts.sessions,
    clients: counts.clients,
    subjects: counts.subjects,
  },
  access_tokens: tokens.map(({ expires_at, ...token }) => ({
    ...token,
    expires_at: new Date(expires_at).toISOString(),
  })),
  agents: agents.map(({ id, clientId, name }) => ({ id, client_id: clientId, name })),
  clients,
  subjects,
});
