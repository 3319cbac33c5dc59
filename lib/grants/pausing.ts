import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { bindingMessage } from "@/lib/oauth/binding-message";
import { formatScope } from "@/lib/oauth/scope";
import { deriveKey, open, seal } from "@/lib/secret-key";
import { requestAct } from "@/lib/services/acts";
import { approvalUrl } from "@/lib/services/approval-page";
import { rulingOf } from "@/lib/services/approval-rules";
import type { ActApproval } from "@/lib/services/approvals";
import { chainLinksOf } from "@/lib/services/chain-links";
import { acknowledgement } from "./acknowledgement";
import { WaitsForPerson, type Wanted } from "./approved";
import type { TokenRequest, TokenResponse } from "./grant";

type Params = Record<string, string>;
type Request = TokenRequest<Params>;

/** What of a token request is kept while it waits; the client authenticates anew when it goes on. */
export type PausedRequest = Pick<Request, "params" | "resources" | "authMethod" | "instanceJkt">;

const CREDENTIALS = ["client_secret", "client_assertion", "client_assertion_type"];

/** What a paused request may lead to at once. */
type Ways = {
  /** Runs a request that asks for less. */
  narrow(narrower: Request): Promise<TokenResponse>;
  /** Runs it as it was kept, with the yes. */
  goOn(approval: ActApproval): Promise<TokenResponse>;
};

/**
 * Asks people about a token request that has to wait, and says how it goes on: by polling with `auth_req_id` (CIBA Core
 * §10.1), which is the way for whoever did not choose; by `deferral_code` for a client that opted in
 * (draft-ietf-oauth-deferred-token-response-00: no others are deferred); or at once with what nobody has to approve.
 */
export async function pause(
  ctx: Context,
  request: Request,
  wanted: Wanted,
  { narrow, goOn }: Ways,
): Promise<TokenResponse> {
  const mode = completionMode(request);
  const narrower = mode === "narrowed" ? await narrowed(ctx, request, wanted) : undefined;
  const approval = await ask(ctx, request, wanted);
  // A person allowed it before, or has just said yes to this very request.
  if (approval.status === "approved") return goOn(approval);
  if (mode === "deferred") {
    throw new OAuthError("authorization_pending", "A person has to approve this. Poll with deferral_code.", {
      members: acknowledgement(ctx, approval, "deferral_code"),
    });
  }
  const pending = acknowledgement(ctx, approval, "auth_req_id");
  const response = narrower && (await narrow(narrower).catch(unlessItWaits));
  if (response) {
    return { ...response, pending_authorization: { ...pending, scope: formatScope(wanted.scope) } };
  }
  throw new OAuthError(
    "interaction_required",
    "A person has to approve this. Poll with grant_type=urn:openid:params:grant-type:ciba and this auth_req_id.",
    {
      detail: "approval_required",
      members: {
        ...pending,
        approval_url: approvalUrl(ctx, approval.id),
        stepup_id: approval.id,
      },
    },
  );
}

/** A policy may leave more to people than registrations say: then nothing is there at once. */
function unlessItWaits(error: unknown): undefined {
  if (!(error instanceof WaitsForPerson)) throw error;
}

type Mode = "deferred" | "narrowed" | undefined;

function completionMode({ params, authMethod, jkt }: Request): Mode {
  const { completion_mode: mode } = params;
  if (!mode) return undefined;
  if (mode !== "deferred" && mode !== "narrowed")
    throw new OAuthError(
      "invalid_request",
      "Send completion_mode=deferred or completion_mode=narrowed, or none.",
    );
  // "public clients MUST use DPoP"
  if (authMethod === "none" && jkt === undefined)
    throw new OAuthError("invalid_dpop_proof", "Send a DPoP proof: a deferred response is bound to its key.");
  return mode;
}

/**
 * The same request without what has to be approved; undefined: nothing would be left, or what it is made of would be
 * used up by it.
 */
async function narrowed(
  ctx: Context,
  request: Request,
  { resource, scope, authorizationDetails, isSingleUse }: Wanted,
): Promise<Request | undefined> {
  const ruling = await rulingOf(ctx, { resource, scope, authorizationDetails });
  const left = scope.filter((name) => !ruling.scope.includes(name));
  const isPossible = !isSingleUse && ruling.types.length === 0 && ruling.scope.length > 0 && left.length > 0;
  return isPossible ? { ...request, params: { ...request.params, scope: formatScope(left) } } : undefined;
}

/** Asks once for the same thing, however often the request comes while it waits. */
async function ask(ctx: Context, request: Request, wanted: Wanted): Promise<ActApproval> {
  const { client, address, params, resources, authMethod, instanceJkt } = request;
  const { subject, actors, resource, scope, authorizationDetails, jkt, lineage, until } = wanted;
  const requester = { clientId: client.clientId, name: client.name, scope };
  const kept = Object.entries(params).filter(([name]) => !CREDENTIALS.includes(name));
  const paused: PausedRequest = { params: Object.fromEntries(kept), resources, authMethod, instanceJkt };
  return requestAct(ctx, {
    kind: "issuance",
    client,
    isSameAsked: true,
    until,
    sealedRequest: await seal(keyOf(ctx), JSON.stringify(paused)),
    act: {
      ...{ subject, actors: [...actors], resource, scope: [...scope], authorizationDetails, jkt },
      chain: await chainLinksOf(ctx, { subject, lineage, requester }),
      said: { reason: bindingMessage(params.binding_message) },
      address,
    },
  });
}

const keyOf = ({ settings }: Context) => deriveKey(settings.secretKey, "paused-request");

/** The token request that waited for this approval. */
export async function pausedRequest(ctx: Context, { sealedRequest }: ActApproval): Promise<PausedRequest> {
  if (sealedRequest === null) throw new Error("an issuance keeps its request until it is used");
  return JSON.parse(await open(keyOf(ctx), sealedRequest)) as PausedRequest;
}
