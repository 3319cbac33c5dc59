import { redirect } from "next/navigation";
import { detailAsShown } from "@/app/(human)/detail-in-words";
import { lengthOfTime } from "@/app/(human)/length-of-time";
import { scopeInWords } from "@/app/(human)/scope-in-words";
import { Letter } from "@/app/letter";
import { verificationOf } from "@/app/verification";
import { firstOf, visitorOfPage } from "@/app/visitor";
import { type GrantView, MyAgents, type SessionView, type StoppedView } from "@/components/my-agents";
import { ACCOUNT_PURPOSE } from "@/lib/http/my-agents";
import { loginPath } from "@/lib/http/session";
import type { AuthorizationDetail } from "@/lib/oauth/authorization-details";
import { type Delegate, listDelegates } from "@/lib/services/delegates";
import { type GrantOverview, listGrants } from "@/lib/services/grants";
import { vapidKeys } from "@/lib/services/installation";
import { listLiveDetails } from "@/lib/services/live-details";
import { isSubscribed } from "@/lib/services/push-subscriptions";
import { listSessions, type Session } from "@/lib/services/sessions";
import { browserLabel } from "./browser-label";
import { passkeysView } from "./passkeys-view";
import { personTokensView } from "./person-tokens-view";
import { standingView } from "./standing-view";

/** Everything that acts for the person, and where they are signed in. */
export default async function MyAgentsPage({ searchParams }: PageProps<"/me">) {
  const visitor = await visitorOfPage();
  const { ctx, by, browser, formToken } = visitor;
  if (!by) redirect(loginPath("/me"));
  const grants = await listGrants(ctx, by.user.id);
  const active = grants.filter(({ grant }) => grant.status === "active");
  const ids = active.map(({ grant }) => grant.id);
  const [delegates, details] = [await listDelegates(ctx, ids), await listLiveDetails(ctx, ids)];
  const sessions = await listSessions(ctx, by.user.id);
  const done = doneText(firstOf((await searchParams).done));
  return (
    <Letter title="My agents" continueTo="/me">
      <MyAgents
        csrf={formToken(ACCOUNT_PURPOSE)}
        now={ctx.now()}
        mcpUrl={`${ctx.settings.serverUrl}/mcp`}
        grants={active.map((overview) => {
          const { id } = overview.grant;
          return toGrant(overview, { delegates: delegates.get(id) ?? [], details: details.get(id) ?? [] });
        })}
        sessions={sessions.map((session) => toSession(session, by.session.idHash))}
        letInFor={lengthOfTime(ctx.settings.interactiveAccessTokenTtl)}
        stopped={grants.flatMap(toStopped)}
        actingNow={await personTokensView(visitor, by)}
        standing={await standingView(visitor, by)}
        passkeys={await passkeysView(visitor, by)}
        notify={{
          applicationServerKey: (await vapidKeys(ctx)).publicKey,
          subscribed: await isSubscribed(ctx, { userId: by.user.id, browser }),
        }}
        done={done}
      />
    </Letter>
  );
}

const DONE = {
  stopped: "Stopped. It gets nothing new from now on.",
  narrowed: "Done. The app keeps only what you left ticked.",
  "signed-out": "That browser is signed out.",
  "nothing-ticked": "Nothing was changed: leave at least one line ticked, or stop the app.",
  "already-stopped": "That was stopped already.",
  "asked-again": "Done. You are asked each time again.",
  "passkey-added": "Added. It confirms approvals of high risk from now on.",
  "passkey-works": "It works: what this passkey signed was verified.",
  "passkey-removed": "Removed: it confirms nothing here any more. You can delete it on your device, too.",
  "passkey-gone": "That passkey is not yours any more.",
  "sign-in-again": "Nothing was changed: sign in again first, and then repeat it.",
} as const;

const doneText = (code: string | undefined): string | undefined =>
  Object.entries(DONE).find(([name]) => name === code)?.[1];

const nameOf = ({ grant, client }: GrantOverview): string => client?.name ?? grant.clientId;
const resourceOf = ({ grant, resource }: GrantOverview) => ({
  name: resource?.name ?? new URL(grant.resource).host,
  identifier: grant.resource,
});

type Held = { delegates: readonly Delegate[]; details: readonly AuthorizationDetail[] };

function toGrant(overview: GrantOverview, { delegates, details }: Held): GrantView {
  const { grant, client, resource } = overview;
  const kind = client?.kind ?? "dynamic";
  const { aliases = [], authorizationDetailsTypes: types = [] } = resource ?? {};
  const inWords = (said: readonly AuthorizationDetail[]) =>
    said.flatMap(
      (detail, index) =>
        detailAsShown({ resource: grant.resource, aliases, types }, detail, `${index}`) ?? [],
    );
  return {
    id: grant.id,
    app: nameOf(overview),
    verification: verificationOf({
      kind,
      host: kind === "document" ? new URL(grant.clientId).host : undefined,
      registeredAt: client?.createdAt ?? grant.createdAt,
    }),
    resource: resourceOf(overview),
    scopes: grant.scope.map((name) => scopeInWords({ scopes: resource?.scopes ?? [] }, name)),
    details: inWords(details),
    since: grant.createdAt,
    lastUsedAt: grant.lastUsedAt ?? undefined,
    delegates: delegates.map(({ clientId, name, place, scope, details: passedOn, until }) => ({
      key: `${clientId} ${place}`,
      agent: name,
      place,
      scopes: scope.map((each) => scopeInWords({ scopes: resource?.scopes ?? [] }, each).description),
      details: inWords(passedOn),
      until,
    })),
  };
}

const toSession = ({ idHash, userAgent, createdAt }: Session, current: string): SessionView => ({
  id: idHash,
  label: browserLabel(userAgent),
  signedInAt: createdAt,
  current: idHash === current,
});

function toStopped(overview: GrantOverview): StoppedView[] {
  const { id, revokedAt } = overview.grant;
  if (!revokedAt) return [];
  return [{ id, app: nameOf(overview), resource: resourceOf(overview).name, stoppedAt: revokedAt }];
}
