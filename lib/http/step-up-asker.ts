import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { basicChallenge, bearerChallenge } from "@/lib/oauth/challenge";
import { type ActApproval, findApproval, isAct } from "@/lib/services/approvals";
import { type Client, findClientRecently } from "@/lib/services/clients";
import { findAskingClient, findStepUp, requireOwnAudience } from "@/lib/services/step-ups";
import type { LiveToken } from "@/lib/services/token-state";
import { authenticateBearer } from "./bearer";
import type { Call } from "./call";
import { authenticateClient, presentsCredentials } from "./client-auth/index";
import { noteParty } from "./denials";
import { verifyProof } from "./dpop";

/** Who asks for a step-up: an agent that proves itself, by a token of its own or as its client, or on this machine anybody. */
export type Asker =
  | { kind: "token"; client: Client; token: LiveToken; jkt: string | undefined }
  | { kind: "client"; client: Client; jkt: string | undefined }
  | { kind: "local"; jkt: string | undefined };

/** Whoever a request is from; undefined: nobody proved anything, and the server is not in local mode. */
export async function findAsker(ctx: Context, call: Call): Promise<Asker | undefined> {
  const { request } = call;
  if (/^(?:Bearer|DPoP) /i.test(request.headers.get("authorization") ?? "")) return byToken(ctx, call);
  if (presentsCredentials(request, {})) {
    const { client, authMethod } = await authenticateClient(ctx, call, {});
    // A name without a secret is no proof (RFC 6749 §2.3.1).
    if (authMethod === "none") throw prove(ctx);
    return { kind: "client", client, jkt: await verifyProof(ctx, call) };
  }
  return call.isLocal ? { kind: "local", jkt: await verifyProof(ctx, call) } : undefined;
}

/** The same where somebody has to be there. */
export async function requireAsker(ctx: Context, call: Call): Promise<Asker> {
  const asker = await findAsker(ctx, call);
  if (asker) return asker;
  throw prove(ctx);
}

const prove = ({ settings }: Context) =>
  new OAuthError(
    "invalid_token",
    "Authenticate as the agent: by an access token of its own, or as its client.",
    {
      headers: {
        "www-authenticate": [bearerChallenge({}), basicChallenge(new URL(settings.serverUrl).host)].join(
          ", ",
        ),
      },
    },
  );

async function byToken(ctx: Context, call: Call): Promise<Asker> {
  const wanted = { resource: ctx.settings.serverUrl, ofAnyResource: true };
  const token = await authenticateBearer(ctx, call, wanted);
  const { client_id: clientId, cnf } = token.claims;
  noteParty(call.request, { actor: `client:${clientId}`, clientId });
  const client = await findClientRecently(ctx, clientId);
  if (!client) throw new OAuthError("invalid_token", "The client of this token is registered no more.");
  return { kind: "token", client, token, jkt: cnf?.jkt };
}

/** The client that `agent_id` names: the one that asks, and in local mode whichever is named (product decision D1). */
export async function clientAsking(ctx: Context, asker: Asker, agentId: string): Promise<Client> {
  const client = await findAskingClient(ctx, agentId);
  if (!client) throw new OAuthError("not_found", "There is no agent with this agent_id. Register it first.");
  if (asker.kind !== "local" && asker.client.clientId !== client.clientId)
    throw new OAuthError("forbidden", "An agent asks for itself alone: send its own client_id as agent_id.");
  if (client.status === "active") return client;
  throw new OAuthError("forbidden", "This agent is frozen or deactivated: nobody is asked anything for it.");
}

/** The step-up of the path, whoever asks; questions of other kinds have endpoints of their own. */
export async function requireStepUp(ctx: Context, { params }: Call): Promise<ActApproval> {
  const approval = await findStepUp(ctx, params.id ?? "");
  if (approval) return approval;
  throw noSuchStepUp();
}

/** The step-up of the path, for who asked for it; for another agent it is not there (security case 165). */
export async function stepUpOf(ctx: Context, call: Call, asker: Asker): Promise<ActApproval> {
  const approval = await requireStepUp(ctx, call);
  if (asker.kind !== "local" && asker.client.clientId !== approval.clientId) throw noSuchStepUp();
  // Its id is no secret: a resource that an agent brings its token must not fetch with it what is for another one.
  if (asker.kind === "token") requireOwnAudience(ctx, asker.token, approval.act.resource);
  return approval;
}

/** The same of every question of a client's own, however it waits for the answer: here, or by polling for a token. */
export async function ownQuestion(ctx: Context, call: Call, asker: Asker): Promise<ActApproval> {
  const approval = await findApproval(ctx, call.params.id ?? "");
  const isOwn = asker.kind === "client" && asker.client.clientId === approval?.clientId;
  return isOwn && approval && isAct(approval) ? approval : stepUpOf(ctx, call, asker);
}

const noSuchStepUp = () => new OAuthError("not_found", "There is no such step-up request.");
