import { lengthOfTime } from "@/app/(human)/length-of-time";
import { scopeInWords } from "@/app/(human)/scope-in-words";
import { verificationOf } from "@/app/verification";
import type { Visitor } from "@/app/visitor";
import type { DeviceConfirmationView } from "@/components/device-confirmation";
import type { NoticeView } from "@/components/notice";
import type { AskedScope } from "@/components/scopes";
import { decisionPurpose } from "@/lib/http/decision";
import { deviceLasts } from "@/lib/http/device-decision";
import { ACCOUNT_PURPOSE } from "@/lib/http/my-agents";
import { isSamePlace } from "@/lib/http/peer";
import { GRANT_TYPES } from "@/lib/oauth/token-types";
import type { ActApproval } from "@/lib/services/approvals";
import { findClient } from "@/lib/services/clients";
import { userCodeOf } from "@/lib/services/device-codes";
import type { DeviceView } from "@/lib/services/device-decisions";
import { findGrant } from "@/lib/services/grants";
import type { SignedIn } from "@/lib/services/sessions";
import { resolveTarget, scopeOfRole } from "@/lib/services/targets";
import { askedDetails } from "./consent-view";

/** Somebody who is signed in looks at the page. */
export type Person = Visitor & { by: SignedIn };

/** What the page shows of a device that waits for its person; undefined: its app is gone. */
export async function deviceView(
  { ctx, by, address, formToken }: Person,
  approval: ActApproval,
  nothingTicked: boolean,
): Promise<DeviceConfirmationView | undefined> {
  const { id, act, createdAt, expiresAt } = approval;
  const client = await findClient(ctx, approval.clientId);
  if (client?.status !== "active") return undefined;
  const target = await resolveTarget(ctx, client, act.resource);
  const own = await scopeOfRole(ctx, act, by.user.role);
  const scopes = own.map(
    (name): AskedScope => ({
      ...scopeInWords(target, name),
      // Also what the app may do elsewhere: a device is given what it is given here, and no more.
      status: "asked",
      ...(nothingTicked ? { ticked: false } : {}),
    }),
  );
  const { name, kind, verifiedHost, registeredAt } = approval.client;
  const lasts = deviceLasts(ctx);
  const once = !client.grantTypes.includes("refresh_token");
  return {
    id,
    csrf: formToken(decisionPurpose(id)),
    userCode: userCodeOf(ctx, id),
    app: name,
    verification: verificationOf({ kind, host: verifiedHost, registeredAt: new Date(registeredAt) }),
    resource: { name: target.name, identifier: target.resource },
    scopes,
    details: askedDetails(act.authorizationDetails, { nothingTicked, target }),
    from: {
      address: act.address,
      userAgent: act.userAgent,
      at: createdAt,
      browserAddress: isSamePlace(act.address, address) ? undefined : address,
    },
    ...(client.grantTypes.includes(GRANT_TYPES.tokenExchange) && {
      delegationHops: ctx.settings.maxDelegationDepth,
    }),
    lasts: lengthOfTime(once ? ctx.settings.interactiveAccessTokenTtl : lasts.short),
    canLast: once || lasts.long === lasts.short ? undefined : lengthOfTime(lasts.long),
    letInFor: lengthOfTime(ctx.settings.interactiveAccessTokenTtl),
    person: by.user,
    now: ctx.now(),
    expiresAt,
    error: nothingTicked ? "Nothing was ticked. Tick at least one line, or deny." : undefined,
  };
}

const ASK_AGAIN = "To go on, ask your device for a new code.";
const TO_MY_AGENTS = { label: "See my agents", href: "/me" };
/** Seconds in which a yes is taken back right where it was given. */
const UNDO_WITHIN = 600;

/** What the page says of a device that waits no more. */
export async function deviceNotice(person: Person, view: DeviceView): Promise<NoticeView> {
  switch (view.state) {
    case "answered":
      return answered(person, view.approval);
    case "expired":
      return {
        title: "This code has expired",
        happened: "Nobody answered in time, or the app left this server. The device got nothing.",
        advice: ASK_AGAIN,
      };
    case "unknown":
    case "not_yours":
      return {
        title: "This question is for somebody else",
        happened: "Another person entered the code, or you were signed in as somebody else when you did.",
        advice: ASK_AGAIN,
      };
    case "open":
      return {
        title: "This app is not known here any more",
        happened: "It was removed while it waited for your answer. The device got nothing.",
        advice: "Tell your administrator if you expected something else.",
      };
  }
}

async function answered({ ctx, formToken }: Person, approval: ActApproval): Promise<NoticeView> {
  const { client, decidedAt, grantId, status } = approval;
  if (status === "denied")
    return {
      title: "You refused this device",
      happened: "It got nothing, and is told so.",
      advice: "If somebody sent you that code, tell your administrator: they may try it with others.",
    };
  const found = grantId === null ? undefined : await findGrant(ctx, grantId);
  if (found?.grant.status !== "active")
    return {
      title: "This device is disconnected",
      happened: "You allowed it and took that back. It gets nothing new.",
      advice: ASK_AGAIN,
      action: TO_MY_AGENTS,
    };
  const done = {
    title: "Done. Go back to your device",
    happened: "It goes on by itself within a few seconds.",
  };
  const canUndo = decidedAt !== null && ctx.now().getTime() - decidedAt.getTime() < UNDO_WITHIN * 1000;
  if (!canUndo) return { ...done, action: TO_MY_AGENTS };
  return {
    ...done,
    advice: `Was that a mistake? Undo it here within ten minutes, or any time at My agents. ${client.name} is then disconnected wherever you connected it.`,
    action: {
      label: "Undo, and disconnect it",
      post: `/me/grants/${grantId}/stop`,
      csrf: formToken(ACCOUNT_PURPOSE),
    },
  };
}
