import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { PHISHING_RESISTANT } from "@/lib/oauth/acr";
import type { AuthorizationDetail } from "@/lib/oauth/authorization-details";
import { remainingDetails } from "@/lib/oauth/details-terms";
import { redirectKind } from "@/lib/oauth/redirect-uri";
import { approvalPath } from "@/lib/services/approval-page";
import { type Consent, findApproval, isAskedByAgent } from "@/lib/services/approvals";
import { type DecisionOutcome, decideConsent, openConsent } from "@/lib/services/consents";
import { findStandingGrant } from "@/lib/services/grants";
import { withoutStrays } from "@/lib/services/identity";
import type { SignedIn } from "@/lib/services/sessions";
import { detailsTermsAt, scopeOfRole } from "@/lib/services/targets";
import { answerActForm } from "./act-form";
import { ConsentDecisionBody } from "./approval-schemas";
import { answerActAsJson } from "./approvals";
import { codeRedirect, errorRedirect } from "./authorize";
import type { Call } from "./call";
import { answerDevice } from "./device-decision";
import { insufficientAuthentication } from "./insufficient-authentication";
import { json, readJsonAs } from "./json";
import { returnPage } from "./page";
import { authenticationNeeded, presenceNeeded } from "./person-authentication";
import {
  browserOfCall,
  loginPath,
  type PersonForm,
  readPersonForm,
  requirePerson,
  seeOther,
} from "./session";

/** What the form on the page of an approval is for. */
export const decisionPurpose = (id: string): string => `decide ${id}`;

/** `POST /approve/{id}/decision`: the person's answer, from the page; works without JavaScript. */
export async function decisionEndpoint(ctx: Context, call: Call): Promise<Response> {
  const id = call.params.id ?? "";
  const form = await readPersonForm(ctx, call, decisionPurpose(id));
  if (!form) return seeOther(loginPath(approvalPath(id)));
  const asked = await findApproval(ctx, id);
  if (asked && isAskedByAgent(asked)) return answerActForm(ctx, call, form, asked);
  const decision = form.fields.get("decision");
  if (decision !== "allow" && decision !== "deny")
    throw new OAuthError("invalid_request", "Answer with one of the two buttons.");
  if (asked?.kind === "device") return answerDevice(ctx, call, { ...form, id });
  return answerConsentForm(ctx, call, { ...form, id, decision });
}

type ConsentForm = PersonForm & { id: string; decision: "allow" | "deny" };

/** The answer to an app, from its page. */
async function answerConsentForm(
  ctx: Context,
  call: Call,
  { id, fields, by, browser, decision }: ConsentForm,
): Promise<Response> {
  const page = approvalPath(id);
  const view = await openConsent(ctx, { id, userId: by.user.id, browser });
  if (view.state === "not_yours" || view.state === "unknown") throw notYours();
  if (view.state !== "open") return seeOther(page);
  // The app asked for a new sign-in, and going straight to the page is no way around it.
  const needed = authenticationNeeded(ctx, view.approval, by);
  if (needed) return seeOther(needed);
  const { approval } = view;
  const allow =
    decision === "allow" ? await allowedScope(ctx, approval, by, fields.getAll("scope")) : undefined;
  const details = await allowedDetails(ctx, approval, fields.getAll("detail"));
  // Nothing ticked is no answer: the page says what to do.
  if (allow && isNothing(approval, allow, details)) return seeOther(`${page}?nothing-ticked`);
  const anew = await presenceNeeded(ctx, by, consented(approval, allow, details));
  if (anew) return seeOther(anew);
  const decided = await decideConsent(ctx, { id, by, browser, allow, details, address: call.address });
  if (decided.outcome === "too_late") return seeOther(page);
  return sendBack(ctx, decided.approval, redirectOf(ctx, decided));
}

/** What a consent gives, and where the person comes back to if they have to prove more first. */
const consented = (
  { id, request: { resource } }: Consent,
  scope: readonly string[] | undefined,
  authorizationDetails: readonly AuthorizationDetail[] | undefined,
) => ({ resource, scope, authorizationDetails, back: `/authorize/${encodeURIComponent(id)}` });

/**
 * Only what the app asked for can be allowed, whatever the form says, and only by a person whose role may:
 * who asked was perhaps not signed in yet. What stands already needs no tick.
 */
async function allowedScope(
  ctx: Context,
  { request, clientId }: Consent,
  by: SignedIn,
  chosen: readonly string[],
) {
  const { resource } = request;
  const standing = await findStandingGrant(ctx, { userId: by.user.id, clientId, resource });
  const own = await scopeOfRole(ctx, request, by.user.role);
  const scope = own.filter((name) => chosen.includes(name) || standing?.scope.includes(name));
  return withoutStrays(ctx, { resource, scope });
}

/**
 * The details of the request at these places: nobody can allow one that was not asked for, nor one of a type that the
 * resource has no more. Undefined: none were asked for.
 */
async function allowedDetails(ctx: Context, { request }: Consent, places: readonly string[]) {
  const chosen = request.authorizationDetails?.filter((_, place) => places.includes(`${place}`));
  return chosen && remainingDetails(await detailsTermsAt(ctx, request.resource), chosen);
}

/** Whether an answer allows nothing of what was asked. */
const isNothing = (
  { request: { scope, authorizationDetails = [] } }: Consent,
  allow: readonly string[],
  details: readonly unknown[] = [],
): boolean => allow.length + details.length === 0 && scope.length + authorizationDetails.length > 0;

const notYours = () =>
  new OAuthError(
    "forbidden",
    "This question was asked in another browser or of another person. Start again in the app.",
  );

function redirectOf(ctx: Context, decided: Exclude<DecisionOutcome, { outcome: "too_late" }>): string {
  const { approval } = decided;
  if (decided.outcome === "approved") return codeRedirect(ctx, approval, decided.code);
  const { redirectUri, state } = approval.request;
  return errorRedirect(ctx, redirectUri, state, new OAuthError("access_denied", "The person refused."));
}

/** By redirect to the web and to loopback; an app's own scheme gets a page to land on, with a link to press. */
function sendBack({ settings }: Context, { client, request }: Consent, location: string): Response {
  const kind = redirectKind(request.redirectUri);
  if (kind !== "private-use") return seeOther(location);
  return returnPage({ issuerHost: new URL(settings.serverUrl).host, app: client.name, url: location, kind });
}

/** `POST /approvals/{id}/decision`: the same answer as JSON, by the person's own session (product decision D2). */
export async function decisionApiEndpoint(ctx: Context, call: Call): Promise<Response> {
  const id = call.params.id ?? "";
  const asked = await findApproval(ctx, id);
  // A token answers agents only: what an app asks belongs to the browser that it was asked in.
  const sendsToken = call.request.headers.has("authorization");
  if (sendsToken || (asked && isAskedByAgent(asked))) return answerActAsJson(ctx, call);
  const by = await requirePerson(ctx, call);
  const body = await readJsonAs(call.request, ConsentDecisionBody);
  const { browser } = browserOfCall(ctx, call);
  const view = await openConsent(ctx, { id, userId: by.user.id, browser });
  if (view.state === "expired")
    throw new OAuthError("conflict", "This approval has expired. Start again in the app.");
  if (view.state === "answered") throw new OAuthError("conflict", "This approval was answered already.");
  if (view.state !== "open") throw new OAuthError("not_found", "There is no such approval for you.");
  const { approval } = view;
  if (authenticationNeeded(ctx, approval, by)) throw otherSignIn(approval);
  const chosen = body.scope ?? approval.request.scope;
  const allow = body.decision === "allow" ? await allowedScope(ctx, approval, by, chosen) : undefined;
  const details = await chosenDetails(ctx, approval, body.authorization_details);
  if (allow && isNothing(approval, allow, details)) {
    throw new OAuthError(
      "validation_failed",
      "Name in scope or authorization_details at least one of those the app asked for, or deny.",
    );
  }
  if (await presenceNeeded(ctx, by, consented(approval, allow, details))) throw notPresent();
  const decided = await decideConsent(ctx, { id, by, browser, allow, details, address: call.address });
  if (decided.outcome === "too_late") throw new OAuthError("conflict", "This approval was answered already.");
  return json({ id, status: decided.outcome, redirect_to: redirectOf(ctx, decided) });
}

/** Of high risk: the page has what it takes. */
const notPresent = (): OAuthError =>
  insufficientAuthentication("Answer at the page of the question: it asks you to confirm that it is you.", {
    maxAge: 0,
    acrValues: [PHISHING_RESISTANT],
  });

/** What the app asked of the sign-in, the pages do. */
function otherSignIn({ request: { maxAge, acrValues } }: Consent): OAuthError {
  const needed = { maxAge: maxAge ?? (acrValues ? undefined : 0), acrValues };
  return insufficientAuthentication("Open the page of the question: its app wants another sign-in.", needed);
}

/** The details that a JSON answer allows; a place where the request has none is a mistake to be told of. */
function chosenDetails(ctx: Context, approval: Consent, places: readonly number[] | undefined) {
  const all = [...(approval.request.authorizationDetails ?? []).keys()];
  const chosen = places ?? all;
  if (chosen.every((place) => place < all.length)) return allowedDetails(ctx, approval, chosen.map(String));
  throw new OAuthError(
    "validation_failed",
    `Name in authorization_details places from 0 on: the app asked for ${all.length}.`,
  );
}
