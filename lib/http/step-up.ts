import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { readAuthorizationDetails } from "@/lib/oauth/authorization-details";
import { parseScope } from "@/lib/oauth/scope";
import { cancelAct } from "@/lib/services/approval-ends";
import { untilNews } from "@/lib/services/approval-polls";
import { type ActApproval, statusOf } from "@/lib/services/approvals";
import { requestStepUp, takeStepUpToken } from "@/lib/services/step-ups";
import type { Call } from "./call";
import { json, readJsonAs } from "./json";
import { appliedWait, preferredWait } from "./prefer";
import { stepUpAnswer, wireStatusOf } from "./step-up-answers";
import { type Asker, clientAsking, findAsker, requireAsker, requireStepUp, stepUpOf } from "./step-up-asker";
import { NewStepUp } from "./step-up-schemas";
import { userAgentOf } from "./user-agent";

/** `POST /stepup`: an agent asks a person to allow something, once (product decisions D9, D30). */
export async function requestStepUpEndpoint(ctx: Context, call: Call): Promise<Response> {
  const asker = await requireAsker(ctx, call);
  const body = await readJsonAs(call.request, NewStepUp);
  const client = await clientAsking(ctx, asker, body.agent_id);
  const { authorization_details: details, delegation_chain: chain, metadata } = body;
  const approval = await requestStepUp(ctx, {
    client,
    ...(asker.kind === "token" && { token: asker.token }),
    jkt: asker.jkt,
    action: body.action,
    scope: parseScope(body.scope.replace(/ +/g, " ")),
    // Empty is how some clients say that they name none.
    resource: body.resource || undefined,
    authorizationDetails: details?.length ? readAuthorizationDetails(details) : undefined,
    said: {
      reason: body.binding_message || body.reason || undefined,
      chain: chain ?? body.delegation_chain_snapshot ?? undefined,
      metadata: metadata ?? undefined,
    },
    asSent: { agentId: body.agent_id, resource: body.resource || null },
    matchNumber: body.number_matching ?? undefined,
    patience: body.expires_in ?? undefined,
    address: call.address,
    userAgent: userAgentOf(call.request),
  });
  const location = `${ctx.settings.serverUrl}/stepup/${approval.id}`;
  return stepUpAnswer(ctx, approval, { status: 202, headers: { location } });
}

/**
 * `GET /stepup/{id}`: how it stands; for the agent that asked, with the token as soon as there is one, once. Who proves
 * nothing reads the status alone. `Prefer: wait=…` answers when there is news (RFC 7240 §4.3).
 */
export async function getStepUpEndpoint(ctx: Context, call: Call): Promise<Response> {
  const asker = await findAsker(ctx, call);
  if (!asker) return statusAlone(ctx, call);
  const first = await stepUpOf(ctx, call, asker);
  const wait = preferredWait(call.request.headers);
  const approval = wait ? await afterNews(ctx, call, asker, { first, wait }) : first;
  const token = mayTake(approval, asker) ? await takeStepUpToken(ctx, approval, call.address) : undefined;
  return stepUpAnswer(ctx, approval, { token, headers: appliedWait(wait) });
}

async function statusAlone(ctx: Context, call: Call): Promise<Response> {
  const approval = await requireStepUp(ctx, call);
  return json({ id: approval.id, status: wireStatusOf(ctx, approval) });
}

/** An open question as it stands after something happened to it, or after so many seconds. */
async function afterNews(
  ctx: Context,
  call: Call,
  asker: Asker,
  { first, wait }: { first: ActApproval; wait: number },
): Promise<ActApproval> {
  if (statusOf(ctx, first) !== "pending") return first;
  await untilNews(ctx, first, wait);
  return stepUpOf(ctx, call, asker);
}

/**
 * Whether a token goes to who asks for it: only to who proves to be the agent, in local mode too (product decision D9),
 * and one that is to be bound to a key only to who holds that key (RFC 9449 §6).
 */
const mayTake = ({ act }: ActApproval, { kind, jkt }: Asker): boolean =>
  kind !== "local" && (act.jkt === undefined || act.jkt === jkt);

/** `DELETE /stepup/{id}`: the agent wants it no more, and nobody needs to answer. */
export async function withdrawStepUpEndpoint(ctx: Context, call: Call): Promise<Response> {
  const { id, clientId } = await stepUpOf(ctx, call, await requireAsker(ctx, call));
  const cancelled = await cancelAct(ctx, { id, clientId, address: call.address });
  if (!cancelled) throw new OAuthError("conflict", "This was answered already, or its time is over.");
  return stepUpAnswer(ctx, cancelled);
}
