import type { Context } from "@/lib/context";
import { isOAuthError, OAuthError } from "@/lib/errors";
import { brokenLink, clientAndRedirect, stateOf } from "@/lib/oauth/authorization-request";
import { authorizationResponse } from "@/lib/oauth/authorization-response";
import { errorDescription } from "@/lib/oauth/error-description";
import { unionScope } from "@/lib/oauth/scope";
import { comesAlong } from "@/lib/services/approval-by-consent";
import { approvalPath } from "@/lib/services/approval-page";
import { needsApproval, rulingOf } from "@/lib/services/approval-rules";
import type { Consent } from "@/lib/services/approvals";
import type { Client } from "@/lib/services/clients";
import { decideConsent, openConsent, requestConsent } from "@/lib/services/consents";
import { record } from "@/lib/services/events";
import { findStandingGrant } from "@/lib/services/grants";
import { askPolicy } from "@/lib/services/issuing";
import { isPushedRequestUri, type PushedRequest, takePushedRequest } from "@/lib/services/pushed-requests";
import type { SignedIn } from "@/lib/services/sessions";
import { scopeOfRole } from "@/lib/services/targets";
import { type Asker, identifyAsker, validRequest } from "./authorization-request";
import type { Call } from "./call";
import { browserCookieName, setCookie } from "./cookies";
import { readFormParams } from "./form";
import { authenticationNeeded, canAuthenticate } from "./person-authentication";
import { browserOfCall, loginPath, seeOther, sessionOf } from "./session";

/** Authorization endpoint (RFC 6749 §3.1): keeps the validated request and sends the person to answer it. */
export async function authorizeEndpoint(ctx: Context, call: Call): Promise<Response> {
  const { request } = call;
  const sent = request.method === "POST" ? await readFormParams(request) : call.url.searchParams;
  const pushed = await pushedRequest(ctx, sent);
  const { params, instanceJkt } = pushed ?? { params: sent };
  // Until both are known to belong together, refusals are a page of ours and no redirect (RFC 6749 §4.1.2.1).
  const asker = await identifyAsker(ctx, call, params);
  try {
    if (!pushed) requireUnpushed(ctx, asker.client);
    return await begin(ctx, call, asker, { params, instanceJkt });
  } catch (error) {
    if (!isOAuthError(error) || error.status >= 429) throw error;
    await recordRefusal(ctx, call, asker.client, error);
    return seeOther(errorRedirect(ctx, asker.redirectUri, stateOf(params), error));
  }
}

/**
 * The request that its client pushed before, instead of all that stands beside its name (RFC 9126 §4, RFC 9101 §5);
 * undefined: the link names none of ours.
 */
async function pushedRequest(ctx: Context, sent: URLSearchParams): Promise<PushedRequest | undefined> {
  const [uri = "", ...others] = sent.getAll("request_uri");
  if (![uri, ...others].some(isPushedRequestUri)) return undefined;
  if (others.length > 0) throw brokenLink("it says more than once which request it means (request_uri)");
  const { clientId } = clientAndRedirect(sent);
  const pushed = await takePushedRequest(ctx, { uri, clientId });
  if (pushed) return pushed;
  throw new OAuthError(
    "invalid_request_uri",
    "This link was used already, or is too old. Go back to the app and start again there.",
  );
}

/** "the authorization server … MUST" refuse what was not pushed where that is required (RFC 9126 §5, §6). */
function requireUnpushed({ settings }: Context, client: Client): void {
  if (!settings.requirePar && !client.requirePushedAuthorizationRequests) return;
  throw new OAuthError("invalid_request", "Push the request to /par first, and send its request_uri here.");
}

async function begin(
  ctx: Context,
  call: Call,
  asker: Asker,
  { params, instanceJkt }: PushedRequest,
): Promise<Response> {
  const { client } = asker;
  const by = await sessionOf(ctx, call.request);
  const valid = await validRequest(ctx, asker, params, by);
  const stored = { crossSite: cameFromAnotherSite(call), ...valid, instanceJkt };
  const { browser, isNew } = browserOfCall(ctx, call);
  const question = { kind: client.kind, clientId: client.clientId, request: stored, createdAt: ctx.now() };
  if (valid.prompt.includes("none")) await requireSilence(ctx, call, question, by);
  const approval = await requestConsent(ctx, { client, request: stored, browser });
  const cookies = isNew ? [setCookie(ctx.settings, browserCookieName(ctx.settings), browser)] : [];
  return nextStep(ctx, call, { approval, by, browser, cookies });
}

/** `GET /authorize/{id}`: takes a request up again after the person has signed in. */
export async function resumeEndpoint(ctx: Context, call: Call): Promise<Response> {
  const id = call.params.id ?? "";
  const { browser } = browserOfCall(ctx, call);
  const by = await sessionOf(ctx, call.request);
  if (!by) return seeOther(loginPath(`/authorize/${id}`));
  const view = await openConsent(ctx, { id, userId: by.user.id, browser });
  // What cannot go on here is told by the page of the approval.
  if (view.state !== "open") return seeOther(approvalPath(id));
  return nextStep(ctx, call, { approval: view.approval, by, browser, cookies: [] });
}

/** What decides whether a person must be asked. */
type Question = Pick<Consent, "clientId" | "request" | "createdAt"> & { kind: Client["kind"] };

type Step = { approval: Consent; by: SignedIn | undefined; browser: string; cookies: readonly string[] };

/** Sign-in when nobody is signed in or a new one is asked for, then the question, unless it need not be asked. */
async function nextStep(
  ctx: Context,
  call: Call,
  { approval, by, browser, cookies }: Step,
): Promise<Response> {
  const { id } = approval;
  if (!by) return seeOther(loginPath(`/authorize/${id}`), cookies);
  const needed = authenticationNeeded(ctx, approval, by);
  if (needed && !(await canAuthenticate(ctx, needed, by))) return unmet(ctx, approval);
  if (needed) return seeOther(needed, cookies);
  const question = { ...approval, kind: approval.client.kind };
  if (await needsAnswer(ctx, call, question, by)) return seeOther(approvalPath(id), cookies);
  return answerWithoutAsking(ctx, call, approval, by, browser);
}

/** RFC 9470 §5: "the requested … cannot be satisfied". */
function unmet(ctx: Context, { request: { redirectUri, state } }: Consent): Response {
  const refusal = new OAuthError(
    "unmet_authentication_requirements",
    `The person has no passkey here. They can add one at ${ctx.settings.serverUrl}/me, and then you ask again.`,
  );
  return seeOther(errorRedirect(ctx, redirectUri, state, refusal));
}

/**
 * Whether the person must be asked. Apps that named themselves are always asked about (client quirk Q24):
 * their client id proves nothing about who uses it.
 */
async function needsAnswer(ctx: Context, call: Call, question: Question, by: SignedIn): Promise<boolean> {
  // No answer is taken for given when a page of somebody else's sent the browser here, now or before the sign-in.
  if (question.request.crossSite || cameFromAnotherSite(call)) return true;
  // Nor where a person approves it each time: their answer is what the code stands on.
  if (needsApproval(await rulingOf(ctx, question.request))) return true;
  const { kind, clientId, request: asked } = question;
  const standing = await findStandingGrant(ctx, { userId: by.user.id, clientId, resource: asked.resource });
  const along = standing ? await comesAlong(ctx, standing, asked.scope) : [];
  const scope = unionScope(asked.scope, along);
  // Not for requests that came through a tunnel or a proxy: they are never served openly (product decision D1).
  if (ctx.settings.consentMode === "auto_approve" && call.isLocal)
    return policyAsks(ctx, question, by, scope);
  // Details are what a person said yes to once: they are asked about each time.
  if (kind !== "static" || asked.prompt.includes("consent") || asked.authorizationDetails) return true;
  if (!standing || !asked.scope.every((name) => standing.scope.includes(name))) return true;
  return policyAsks(ctx, question, by, scope);
}

/** Whether the operator's policy leaves what a code would give to the person, whatever registrations say (D12). */
async function policyAsks(
  ctx: Context,
  { clientId, request: { resource, authorizationDetails } }: Question,
  { user }: SignedIn,
  scope: readonly string[],
): Promise<boolean> {
  const token = { grantType: "authorization_code", clientId, subject: `user:${user.id}`, audience: resource };
  const { effect } = await askPolicy(ctx, { ...token, scope, authorizationDetails });
  return effect === "step_up";
}

/** Browsers say so; what says nothing is no browser, and has no session to be used. */
function cameFromAnotherSite({ request }: Call): boolean {
  const site = request.headers.get("sec-fetch-site");
  return site !== null && site !== "none" && site !== "same-origin";
}

/** `prompt=none`: an answer without a page, or the reason why there is none (OIDC Core §3.1.2.6). */
async function requireSilence(
  ctx: Context,
  call: Call,
  question: Question,
  by: SignedIn | undefined,
): Promise<void> {
  if (!by || authenticationNeeded(ctx, { ...question, id: "" }, by)) {
    throw new OAuthError("login_required", "Ask again without prompt=none: the person has to sign in.");
  }
  if (await needsAnswer(ctx, call, question, by)) {
    throw new OAuthError("consent_required", "Ask again without prompt=none: the person has to answer.");
  }
}

async function answerWithoutAsking(
  ctx: Context,
  { address }: Call,
  { id }: Consent,
  by: SignedIn,
  browser: string,
) {
  const view = await openConsent(ctx, { id, userId: by.user.id, browser });
  if (view.state !== "open") throw new OAuthError("access_denied", "This request was answered already.");
  const { request } = view.approval;
  const allow = await scopeOfRole(ctx, request, by.user.role);
  const details = request.authorizationDetails;
  if (allow.length === 0 && !details && request.scope.length > 0) {
    throw new OAuthError("access_denied", "Ask for less: this person may not grant any of it.");
  }
  const decided = await decideConsent(ctx, { id, by, browser, allow, details, address });
  if (decided.outcome !== "approved")
    throw new OAuthError("access_denied", "This request was answered already.");
  return seeOther(codeRedirect(ctx, decided.approval, decided.code));
}

/** The address that carries a code to the app (RFC 6749 §4.1.2). */
export const codeRedirect = (
  { settings }: Pick<Context, "settings">,
  { request }: Consent,
  code: string,
): string =>
  authorizationResponse(request.redirectUri, { code, state: request.state, issuer: settings.serverUrl });

/** The address that carries a refusal to the app (RFC 6749 §4.1.2.1). */
export function errorRedirect(
  { settings }: Pick<Context, "settings">,
  redirectUri: string,
  state: string | undefined,
  { code, description, options }: OAuthError,
): string {
  return authorizationResponse(redirectUri, {
    error: code,
    error_description: errorDescription(description),
    error_code: options.detail,
    error_uri: `${settings.serverUrl}/errors/${options.detail ?? code}`,
    state,
    issuer: settings.serverUrl,
  });
}

/** Refusals to a person who is signed in leave a trace; those to anybody only a log line (D26). */
async function recordRefusal(
  ctx: Context,
  call: Call,
  { clientId }: Client,
  { code, options }: OAuthError,
): Promise<void> {
  const by = await sessionOf(ctx, call.request);
  if (!by) return;
  await record(ctx, {
    type: "consent.refused",
    actor: `user:${by.user.id}`,
    subject: `client:${clientId}`,
    clientId,
    data: { error: code, reason: options.reason },
    address: call.address,
  });
}
