import { detailAsShown } from "@/app/(human)/detail-in-words";
import { lengthOfTime } from "@/app/(human)/length-of-time";
import { scopeInWords } from "@/app/(human)/scope-in-words";
import { verificationOf } from "@/app/verification";
import type { Visitor } from "@/app/visitor";
import type { ConsentView, Duration, Redirect } from "@/components/consent";
import type { AskedDetail } from "@/components/details";
import type { AskedScope } from "@/components/scopes";
import type { Context } from "@/lib/context";
import { decisionPurpose } from "@/lib/http/decision";
import type { AuthorizationDetail } from "@/lib/oauth/authorization-details";
import { noTerms } from "@/lib/oauth/details-terms";
import { redirectKind } from "@/lib/oauth/redirect-uri";
import { unionScope } from "@/lib/oauth/scope";
import { GRANT_TYPES } from "@/lib/oauth/token-types";
import type { Consent } from "@/lib/services/approvals";
import { type Client, findClient } from "@/lib/services/clients";
import { isInDetailOnly } from "@/lib/services/consents";
import { findStandingGrant } from "@/lib/services/grants";
import { identityGranted } from "@/lib/services/identity";
import type { SignedIn } from "@/lib/services/sessions";
import { resolveTarget, scopeOfRole, type Target } from "@/lib/services/targets";

type Asked = { approval: Consent; by: SignedIn; nothingTicked: boolean };

/** What the consent page shows of an open approval; undefined: the app is gone. */
export async function consentView(
  { ctx, formToken }: Visitor,
  { approval, by, nothingTicked }: Asked,
): Promise<ConsentView | undefined> {
  const { id, clientId, request, expiresAt } = approval;
  const client = await findClient(ctx, clientId);
  if (client?.status !== "active") return undefined;
  const target = await resolveTarget(ctx, client, request.resource);
  const scopes = await askedScopes(ctx, { approval, by, nothingTicked, target });
  const identity = await identityGranted(ctx, {
    resource: target.resource,
    scope: scopes.map(({ name }) => name),
  });
  const isSignIn = identity.length > 0 && identity.length === scopes.length && !request.authorizationDetails;
  const { name, kind, verifiedHost, registeredAt } = approval.client;
  return {
    id,
    csrf: formToken(decisionPurpose(id)),
    app: name,
    verification: verificationOf({ kind, host: verifiedHost, registeredAt: new Date(registeredAt) }),
    redirect: redirectOf(request.redirectUri),
    resource: { name: target.name, identifier: target.resource },
    isSignIn,
    signsInAt: identity.length > 0 ? client.idJagTargets.map(({ issuer }) => new URL(issuer).host) : [],
    scopes: isSignIn ? scopes.map(neededForTheRest) : scopes,
    details: askedDetails(request.authorizationDetails, { nothingTicked, target }),
    duration: durationOf(ctx, client),
    // Who a person is cannot be passed on by an exchange.
    ...(!isSignIn &&
      client.grantTypes.includes(GRANT_TYPES.tokenExchange) && {
        delegationHops: ctx.settings.maxDelegationDepth,
      }),
    letInFor: lengthOfTime(ctx.settings.interactiveAccessTokenTtl),
    asksAgain: kind === "static" && !request.authorizationDetails ? "for-more" : "always",
    person: by.user,
    now: ctx.now(),
    expiresAt,
    error: nothingTicked ? "Nothing was ticked. Tick at least one line, or cancel." : undefined,
  };
}

function redirectOf(uri: string): Redirect {
  const kind = redirectKind(uri);
  const { host, protocol } = new URL(uri);
  return kind === "private-use" ? { kind, scheme: protocol.slice(0, -1) } : { kind, host };
}

type Asking = Asked & { target: Target };

/** What was asked and this person's role may give, in words; what stands already needs no tick. */
async function askedScopes(
  ctx: Context,
  { approval, by, nothingTicked, target }: Asking,
): Promise<AskedScope[]> {
  const { clientId, request } = approval;
  const { id: userId, role } = by.user;
  const standing = await findStandingGrant(ctx, { userId, clientId, resource: request.resource });
  // What stands comes along with the answer, so it is shown even where the app did not ask for it this time.
  const all = isInDetailOnly(request) ? request.scope : unionScope(request.scope, standing?.scope ?? []);
  const grantable = await scopeOfRole(ctx, { resource: request.resource, scope: all }, role);
  return grantable.map((name) => ({
    ...scopeInWords(target, name),
    status: standing?.scope.includes(name) ? "already-allowed" : "asked",
    // The form comes back as it was sent: a second press of the button must not give what was taken away.
    ...(nothingTicked ? { ticked: false } : {}),
  }));
}

/** Without `openid` an app learns nothing at all: it is no choice where something else is asked with it. */
const neededForTheRest = (scope: AskedScope, _: number, { length }: readonly AskedScope[]): AskedScope =>
  scope.name === "openid" && scope.status === "asked" && length > 1
    ? { ...scope, status: "required" }
    : scope;

/** What was asked in detail, in the words of its type; of a type that the resource has no more, nothing can be given. */
export function askedDetails(
  asked: readonly AuthorizationDetail[] = [],
  { nothingTicked, target }: Pick<Asking, "nothingTicked" | "target">,
): AskedDetail[] {
  const { detailsTerms: terms = noTerms(target.resource) } = target;
  return asked.flatMap((detail, place) => {
    const shown = detailAsShown(terms, detail, `${place}`);
    if (!shown) return [];
    const named = { place, type: detail.type, json: JSON.stringify(detail, null, 2) };
    return { ...shown, ...named, ...(nothingTicked ? { ticked: false } : {}) };
  });
}

const DAY = 86_400;

function durationOf({ settings, now }: Context, { grantTypes }: Client): Duration {
  const inSeconds = (seconds: number) => new Date(now().getTime() + seconds * 1000);
  if (!grantTypes.includes("refresh_token")) {
    return { kind: "once", endsAt: inSeconds(settings.interactiveAccessTokenTtl) };
  }
  const idleDays = Math.max(1, Math.round(settings.refreshTokenTtl / DAY));
  return { kind: "standing", idleDays, endsAt: inSeconds(settings.refreshTokenMaxAge) };
}
