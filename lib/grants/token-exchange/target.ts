import type { Context } from "@/lib/context";
import { isOAuthError, OAuthError } from "@/lib/errors";
import { parseResource, sameResource } from "@/lib/oauth/resource";
import { findAgentByClientRecently } from "@/lib/services/agent-lookup";
import type { Client } from "@/lib/services/clients";
import { resolveTarget, type Target } from "@/lib/services/targets";
import { oneResource } from "../one-resource";

type Asked = { client: Client; audience: string | undefined; resources: readonly string[] };
type Of = {
  audience: string | undefined;
  /** What registrations name for tokens of its holder; beyond registered resources only where an operator says so. */
  named: readonly string[];
};

/**
 * Where the new token is to be used: `audience` and `resource` mean the same here, and a request without either
 * stays where the subject token is (RFC 8693 §2.1, RFC 8707 §2).
 */
export async function exchangeTarget(
  ctx: Context,
  { client, audience, resources }: Asked,
  of: Of,
): Promise<Target> {
  const resource = oneResource(resources);
  if (audience && resource !== undefined && !sameResource(audience, resource)) {
    throw new OAuthError(
      "invalid_target",
      "Send audience or resource, or the same in both: a token is for one.",
    );
  }
  const requested = audience || resource || of.audience;
  if (requested === undefined) return resolveTarget(ctx, client, undefined);
  return requested.startsWith("agnt_")
    ? agentTarget(ctx, requested)
    : resourceTarget(ctx, client, requested, of);
}

/** A token may be addressed to an agent: it is the one that may exchange it further. */
async function agentTarget(ctx: Context, clientId: string): Promise<Target> {
  const agent = await findAgentByClientRecently(ctx, clientId);
  if (agent?.status !== "active")
    throw new OAuthError("invalid_target", "There is no active agent with this client id.");
  return byName(agent.clientId, agent.name);
}

const LOGICAL_NAME = /^[\x21\x23-\x5b\x5d-\x7e]{1,1024}$/;
/** A target that only its name is known of. */
export const byName = (resource: string, name = resource): Target => ({
  resource,
  name,
  scopes: [],
  registered: false,
});

/** Unknown audiences only in local mode, or where a registration names them (product decisions D17, D22). */
async function resourceTarget(
  ctx: Context,
  client: Client,
  requested: string,
  { named: targets }: Of,
): Promise<Target> {
  const named = [...client.allowedResources, ...targets].some((target) => sameResource(target, requested));
  if (!/^https?:/i.test(requested)) {
    if ((named || ctx.settings.localMode) && LOGICAL_NAME.test(requested)) return byName(requested);
    throw new OAuthError(
      "invalid_target",
      "This server does not know this audience. Send a registered resource or an agent's client id.",
    );
  }
  // Whatever names it, an identifier that is none is refused: with a fragment it would seem to be another resource.
  parseResource(requested);
  try {
    return await resolveTarget(ctx, client, requested);
  } catch (error) {
    if (named && isOAuthError(error) && error.code === "invalid_target") return byName(requested);
    throw error;
  }
}
