import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { type Manager, manages } from "@/lib/services/agent-checks";
import { type Agent, findAgent } from "@/lib/services/agent-lookup";
import type { Call } from "./call";
import { requireOperator } from "./operator";
import { hasRegistrationToken } from "./register";
import { managingSession } from "./session";

/** Who manages agents: the operator's key, an admin, or a person whom some of them belong to (product decision D1). */
export async function requireManager(ctx: Context, call: Call): Promise<Manager> {
  const manager = await managerOf(ctx, call);
  if (manager) return manager;
  throw unauthorized("Send the operator's key as X-Admin-Key, or sign in.");
}

/** Who registers an agent: who manages them, the holder of the registration token, in local mode anybody (D1). */
export async function requireRegistrar(ctx: Context, call: Call): Promise<Manager> {
  const { registrationPolicy } = ctx.settings;
  const takesToken = registrationPolicy === "token" || registrationPolicy === "constrained";
  if (takesToken && hasRegistrationToken(ctx, call)) return stranger(call, "registration token");
  const manager = await managerOf(ctx, call);
  if (manager && !manager.isOperator && (registrationPolicy === "admin" || registrationPolicy === "off")) {
    throw new OAuthError("forbidden", "Only an admin registers agents at this server. Ask one.");
  }
  if (manager) return manager;
  if (registrationPolicy === "open" && call.isLocal) return stranger(call, "anonymous");
  throw unauthorized("Sign in, or send the operator's key as X-Admin-Key, to register an agent.");
}

const stranger = ({ address }: Call, actor: string): Manager => ({
  actor,
  isOperator: false,
  userId: undefined,
  address,
});

/** The manager a request presents; undefined: it presents nobody. */
async function managerOf(ctx: Context, call: Call): Promise<Manager | undefined> {
  const { request, address } = call;
  const presentsKey = request.headers.has("x-admin-key") || request.headers.has("authorization");
  if (presentsKey) {
    return { actor: await requireOperator(ctx, call), isOperator: true, userId: undefined, address };
  }
  const by = await managingSession(ctx, call);
  if (!by) return undefined;
  const { id: userId, role } = by.user;
  if (role === "admin") {
    return { actor: await requireOperator(ctx, call), isOperator: true, userId, address };
  }
  return { actor: `user:${userId}`, isOperator: false, userId, address };
}

/** The agent of the path; one of somebody else is not there either. */
export async function managedAgent(ctx: Context, { params }: Call, by: Manager): Promise<Agent> {
  const agent = await findAgent(ctx, params.id ?? "");
  if (agent && manages(by, agent)) return agent;
  throw new OAuthError("not_found", "There is no agent with this id.");
}

const unauthorized = (description: string) =>
  new OAuthError("invalid_token", description, { headers: { "www-authenticate": "Bearer" } });
