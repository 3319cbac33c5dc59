import { inArray } from "drizzle-orm";
import type { AttestationLevel } from "@/db/schema/agents";
import { clients } from "@/db/schema/clients";
import type { ResourceScope } from "@/db/schema/resources";
import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { listResources } from "./resources";

/** The refusal of one member of a registration, named (RFC 9457 §3). */
export const invalidMember = (field: string, message: string): OAuthError =>
  new OAuthError("validation_failed", `${field}: ${message}`, { members: { errors: [{ field, message }] } });

/** Who registers an agent, or manages one. */
export type Manager = {
  /** As the audit calls them: `user:…`, `operator`, `registration token`, `anonymous`. */
  actor: string;
  /** The operator's key or an admin (product decision D16). */
  isOperator: boolean;
  /** Undefined: nobody is signed in. */
  userId: string | undefined;
  address: string;
};

/** Whether somebody manages an agent: its owner, an admin or the operator. */
export const manages = (by: Manager, { ownerId }: { ownerId: string | null }): boolean =>
  by.isOperator || (by.userId !== undefined && by.userId === ownerId);

type Wanted = {
  scope: readonly string[];
  /** What the agent has already is not asked for again. */
  held?: readonly string[];
  byOperator: boolean;
};

/**
 * Refuses scopes an agent cannot be registered for: those nobody knows, but in local mode (product decision D30),
 * and those that take a role, are an operator's to hand out or `admin:` ones, unless an operator registers it (D19).
 */
export async function checkAllowedScope(
  ctx: Context,
  { scope, held = [], byOperator }: Wanted,
): Promise<void> {
  const described = (await listResources(ctx)).flatMap((resource) => resource.scopes);
  const known = [...described.map(({ name }) => name), ...ctx.settings.scopesSupported];
  const isLimited = ({ operatorOnly, minimumRole = "member" }: ResourceScope) =>
    operatorOnly === true || minimumRole !== "member";
  const takesRole = (name: string) =>
    name.startsWith("admin:") || described.some((each) => each.name === name && isLimited(each));
  for (const [index, name] of scope.entries()) {
    if (held.includes(name)) continue;
    if (!byOperator && takesRole(name)) {
      throw invalidMember(
        `allowed_scopes.${index}`,
        `${name} is given only to agents that an admin registers`,
      );
    }
    if (!ctx.settings.localMode && !known.includes(name)) {
      throw invalidMember(`allowed_scopes.${index}`, `${name} is not known at any resource of this server`);
    }
  }
}

/** "each hop only less": refuses what the agent's parent may not have itself. */
export function checkWithinParent(scope: readonly string[], parentScope: readonly string[]): void {
  const index = scope.findIndex((name) => !parentScope.includes(name));
  if (index < 0) return;
  throw invalidMember(`allowed_scopes.${index}`, `${scope[index]} is beyond what its parent agent may have`);
}

/** A client that is not there could be registered later, by somebody else. */
export async function checkMayAct(ctx: Context, mayAct: readonly string[]): Promise<void> {
  if (mayAct.length === 0) return;
  const rows = await ctx.db
    .select({ clientId: clients.clientId })
    .from(clients)
    .where(inArray(clients.clientId, [...mayAct]));
  const known = rows.map(({ clientId }) => clientId);
  const index = mayAct.findIndex((clientId) => !known.includes(clientId));
  if (index >= 0) throw invalidMember(`may_act.${index}`, "must be the client_id of a client");
}

type Evidence = Readonly<Record<string, unknown>> | undefined;

/** How well the evidence of an agent proves what it says of itself; without any, not at all. */
export async function attestationLevel(
  ctx: Context,
  name: string,
  evidence: Evidence,
): Promise<AttestationLevel> {
  if (!evidence) return "none";
  const { valid, level, reason } = await ctx.attestation.attest({ name, evidence });
  if (!valid)
    throw invalidMember("attestation", reason ? `is refused: ${reason}` : "does not prove this agent");
  return level;
}
