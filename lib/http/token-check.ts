import { z } from "zod";
import type { Context } from "@/lib/context";
import { isOAuthError } from "@/lib/errors";
import { type Plan, planExchange } from "@/lib/grants/token-exchange/plan";
import { readSubjectToken, type SubjectToken } from "@/lib/grants/token-exchange/subject-token";
import { delegationDepth } from "@/lib/oauth/actor";
import { type AuthorizationDetail, readAuthorizationDetails } from "@/lib/oauth/authorization-details";
import { intersectScope, parseScope } from "@/lib/oauth/scope";
import { GRANT_TYPES, TOKEN_TYPES } from "@/lib/oauth/token-types";
import type { Decision } from "@/lib/providers/policy/provider";
import { type Client, findClient } from "@/lib/services/clients";
import { ownScope } from "@/lib/services/targets";
import type { Call } from "./call";
import { authenticateCaller } from "./introspect";
import { json, readJsonAs } from "./json";

/** An exchange that a client thinks of. */
export const TokenCheck = z.object({
  subject_token: z.string().min(1).max(16_384),
  subject_token_type: z.string().default(TOKEN_TYPES.accessToken),
  audience: z.string().max(1024).default(""),
  client_id: z.string().min(1).max(1024).describe("Who would exchange it"),
  scope: z.string().default(""),
  authorization_details: z
    .array(z.looseObject({ type: z.string() }))
    .optional()
    .describe("As the parameter of an exchange has them (RFC 9396 §6)"),
});

type Answer = {
  allowed: boolean;
  effective_scopes: readonly string[];
  /** Absent where the subject token has none and none were asked for. */
  effective_authorization_details?: readonly AuthorizationDetail[];
  delegation_depth: number;
  max_delegation_depth: number;
  reasons: readonly string[];
};

/** `POST /token/check`: whether an exchange would be granted, with every reason why not; nothing is issued. */
export async function tokenCheckEndpoint(ctx: Context, call: Call): Promise<Response> {
  const caller = await authenticateCaller(ctx, call, {});
  const asked = await readJsonAs(call.request, TokenCheck);
  const clientId = caller.kind === "client" ? caller.client.clientId : asked.client_id;
  if (clientId !== asked.client_id) return json(refusal(ctx, ["Check for your own client_id only."]));
  const instanceJkt = caller.kind === "client" ? caller.instanceJkt : undefined;
  return json(await check(ctx, asked, { client: await findClient(ctx, clientId), instanceJkt }));
}

type Exchanger = { client: Client | undefined; instanceJkt: string | undefined };

async function check(
  ctx: Context,
  asked: z.output<typeof TokenCheck>,
  { client, instanceJkt }: Exchanger,
): Promise<Answer> {
  if (client?.status !== "active") return refusal(ctx, ["There is no active client with this client_id."]);
  if (!client.grantTypes.includes(GRANT_TYPES.tokenExchange))
    return refusal(ctx, [`This client is not registered for ${GRANT_TYPES.tokenExchange}.`]);
  let subject: SubjectToken | undefined;
  try {
    const scope = asked.scope ? parseScope(asked.scope) : undefined;
    const reading = { token: asked.subject_token, client, jkt: undefined, instanceJkt };
    subject = await readSubjectToken(ctx, asked.subject_token_type, reading);
    // A key can be proven only in the exchange itself: here it is taken for held.
    const wanted = { client, audience: asked.audience, resources: [], scope, jkt: subject.boundTo };
    const plan = await planExchange(ctx, { ...wanted, authorizationDetails: detailsOf(asked) }, subject);
    return answerOf(ctx, { client, subject, plan });
  } catch (error) {
    if (!isOAuthError(error) || error.status >= 500) throw error;
    return { ...refusal(ctx, [error.description]), delegation_depth: delegationDepth(subject?.act) };
  }
}

const detailsOf = ({ authorization_details: details }: z.output<typeof TokenCheck>) =>
  details && readAuthorizationDetails(details);

type Planned = { client: Client; subject: SubjectToken; plan: Plan };

function answerOf(ctx: Context, { client, subject, plan }: Planned): Answer {
  const { decision, scope, authorizationDetails, target } = plan;
  const registered = ownScope(ctx, { client, target, asked: scope });
  return {
    allowed: decision.effect === "allow",
    effective_scopes: intersectScope(intersectScope(scope, subject.scope ?? registered), registered),
    ...(authorizationDetails && { effective_authorization_details: authorizationDetails }),
    delegation_depth: delegationDepth(subject.act),
    max_delegation_depth: ctx.settings.maxDelegationDepth,
    reasons: reasonsOf(decision),
  };
}

function reasonsOf(decision: Decision): string[] {
  switch (decision.effect) {
    case "allow":
      return [];
    case "step_up":
      return [
        "A person approves this each time: the exchange answers approval_required, and waits for them.",
      ];
    case "deny":
      return decision.denials.map(({ description }) => description);
  }
}

const refusal = ({ settings }: Context, reasons: readonly string[]): Answer => ({
  allowed: false,
  effective_scopes: [],
  delegation_depth: 0,
  max_delegation_depth: settings.maxDelegationDepth,
  reasons,
});
