import { z } from "zod";
import { OAuthError } from "@/lib/errors";
import { callProvider, ProviderError, reasonText, type Service } from "../call";
import type { Delegation, PolicyProvider, PolicyRequest } from "./provider";

/** Seconds after which a client may try again. */
const RETRY_AFTER = 5;

/** Strict: a member we do not know may be a condition, and a condition that is not met is no permission. */
const Answer = z.strictObject({
  effect: z.enum(["allow", "deny", "step_up"]),
  reason: reasonText.optional(),
  version: z
    .string()
    .regex(/^[\x21-\x7e]{1,64}$/)
    .optional(),
});

/** Asks the operator's own service as well: it refuses what the registrations allow, and lifts no limit of theirs. */
export function httpPolicy(service: Service, builtin: PolicyProvider): PolicyProvider {
  return {
    async decide(request) {
      const registered = await builtin.decide(request);
      if (registered.effect === "deny") return registered;

      const { effect, reason, version: named } = await ask(service, request);
      const version = `${registered.version} http:${named ?? "unversioned"}`;
      // It lifts no limit: what the registrations leave to a person stays with one.
      if (effect === "allow") return { effect: registered.effect, version };
      if (effect === "step_up") return { effect, version };
      const description =
        reason || "The policy of this server does not allow this token. Ask its operator why.";
      return {
        effect,
        version,
        denials: [{ code: "unauthorized_client", detail: "policy_denied", description }],
      };
    },
  };
}

/** A policy that cannot be asked has not allowed anything. */
async function ask(service: Service, request: PolicyRequest): Promise<z.output<typeof Answer>> {
  try {
    return await callProvider({ ...service, schema: Answer, body: toWire(request) });
  } catch (error) {
    if (!(error instanceof ProviderError)) throw error;
    throw new OAuthError(
      "temporarily_unavailable",
      "The policy service of this server gives no answer. Try again in a moment.",
      { headers: { "retry-after": String(RETRY_AFTER) }, reason: error.message, cause: error },
    );
  }
}

const toWire = ({ delegation, ...request }: PolicyRequest) => ({
  grant_type: request.grantType,
  client_id: request.clientId,
  subject: request.subject,
  actors: request.actors,
  scope: request.scope,
  audience: request.audience,
  ...(request.authorizationDetails && { authorization_details: request.authorizationDetails }),
  ...(request.approval && { approval: request.approval }),
  ...(delegation && { delegation: delegationToWire(delegation) }),
});

const delegationToWire = (delegation: Delegation) => ({
  issued_to: delegation.issuedTo,
  held_scope: delegation.heldScope,
  requested_scope: delegation.requestedScope,
  registered_scope: delegation.registeredScope,
  may_act: delegation.mayAct,
  registered_may_act: delegation.registeredMayAct,
  may_use_subject_token: delegation.mayUseSubjectToken,
  exchange_targets: delegation.exchangeTargets,
  depth: delegation.depth,
  max_depth: delegation.maxDepth,
});
