import { OAuthError } from "@/lib/errors";
import { checkMayAct } from "@/lib/oauth/actor";
import { sameResource } from "@/lib/oauth/resource";
import type { Delegation, Denial, PolicyProvider, PolicyRequest } from "./provider";

/** Grows when the rules below change, so that a token tells which ones allowed it. */
const VERSION = "builtin/4";

type Rule = (request: PolicyRequest, delegation: Delegation) => Denial | undefined;

/** "the subject_token … unacceptable based on policy" is invalid_request (RFC 8693 §2.2.2). */
const mayUseSubjectToken: Rule = (_, { mayUseSubjectToken: allowed }) =>
  allowed
    ? undefined
    : {
        code: "invalid_request",
        description:
          "This client may not exchange this subject_token: it is not addressed to it. Let its holder exchange it with audience set to this client's id first, or register this client for the token's resource.",
      };

const mayAct: Rule = ({ clientId }, { mayAct: claimed, registeredMayAct }) => {
  try {
    checkMayAct(claimed, `client:${clientId}`);
    if (registeredMayAct.length > 0) checkMayAct({ sub: registeredMayAct }, clientId);
    return undefined;
  } catch (error) {
    if (!(error instanceof OAuthError)) throw error;
    return { code: error.code, description: error.description, detail: "may_act_violation" };
  }
};

/** More than a chain needs, and few enough that looking at it stays cheap. */
const MAX_EXCHANGES = 32;

const depth: Rule = (_, { depth: hops, maxDepth, exchanges = 0 }) => {
  if (exchanges >= MAX_EXCHANGES) {
    return {
      code: "invalid_request",
      detail: "delegation_depth_exceeded",
      description: `This token comes of ${exchanges} exchanges. Get a new one at the start of the chain.`,
    };
  }
  return hops > maxDepth
    ? {
        code: "invalid_request",
        detail: "delegation_depth_exceeded",
        description: `The chain would have ${hops} hops, and ${maxDepth} are allowed. Ask an earlier agent of the chain for the token.`,
      }
    : undefined;
};

/**
 * A token that is bound to a key is exchanged by who holds the key, or by another agent with a key of its own where
 * the operator lets them; never without a proof, which would make a bearer token of it (RFC 9449 §6).
 */
const holderOfKey: Rule = (_, { boundTo, provenKey, keyPolicy = "strict" }) => {
  if (boundTo === undefined || boundTo === provenKey) return undefined;
  if (provenKey === undefined)
    return {
      code: "invalid_dpop_proof",
      description: "Send a DPoP proof: the subject_token is bound to a key.",
    };
  return keyPolicy === "strict"
    ? {
        code: "invalid_request",
        description:
          "The subject_token is bound to another key than the DPoP proof's. Let its holder exchange it, or ask the operator about AUTHGENT_DPOP_CHAIN_POLICY.",
      }
    : undefined;
};

/** Of what the subject token was given (product decision D22). */
const exchangeTarget: Rule = ({ audience }, { exchangeTargets, exchangeBounds = [] }) => {
  const bound = [exchangeTargets, ...exchangeBounds].find(
    (targets) => targets.length > 0 && !targets.some((target) => sameResource(target, audience)),
  );
  return (
    bound && {
      code: "invalid_target",
      description: `An agent that held this subject token lets it be exchanged for ${bound.join(", ")} only.`,
    }
  );
};

/** Names of scopes mean something at their resource only: what was allowed at one is not allowed at another (D30). */
const grantResource: Rule = ({ audience }, { allowedElsewhere }) =>
  allowedElsewhere === undefined
    ? undefined
    : {
        code: "invalid_target",
        description: `The person allowed this at ${allowedElsewhere} and not at ${audience}. Ask them for that first.`,
      };

const heldScope: Rule = (_, { heldScope: held, requestedScope }) =>
  beyond(requestedScope, held, "the subject token does not have");

const registeredScope: Rule = (_, { registeredScope: registered, requestedScope }) =>
  beyond(requestedScope, registered, "this client may not have there");

/** Details are held as scopes are: what is asked for is covered by what there is (RFC 9396 §6). */
const heldDetails: Rule = (_, { detailsProblem }) =>
  detailsProblem === undefined
    ? undefined
    : { code: "invalid_authorization_details", description: detailsProblem };

function beyond(asked: readonly string[], limit: readonly string[], which: string): Denial | undefined {
  const names = asked.filter((name) => !limit.includes(name));
  if (names.length === 0) return undefined;
  const offer = limit.length > 0 ? `Ask for some of: ${limit.join(" ")}.` : "It may have none.";
  return {
    code: "invalid_scope",
    detail: "scope_escalation",
    description: `The request asks for scope that ${which}: ${names.join(" ")}. ${offer}`,
  };
}

/** In the order a developer would put them right. */
const RULES: readonly Rule[] = [
  mayUseSubjectToken,
  holderOfKey,
  mayAct,
  depth,
  exchangeTarget,
  grantResource,
  heldScope,
  registeredScope,
  heldDetails,
];

/**
 * Decides from registrations: who may act, how deep, where, with what (product decisions D7, D22), and what a person
 * approves each time; what is refused is nobody's to approve (D12).
 * Tokens without a delegation were judged by the grant that issues them.
 */
export const builtinPolicy: PolicyProvider = {
  async decide(request) {
    const { delegation } = request;
    const denials = delegation ? RULES.flatMap((rule) => rule(request, delegation) ?? []) : [];
    const [first, ...others] = denials;
    if (first) return { effect: "deny", version: VERSION, denials: [first, ...others] };
    return { effect: request.approval ? "step_up" : "allow", version: VERSION };
  },
};
