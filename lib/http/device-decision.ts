import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import type { AuthorizationDetail } from "@/lib/oauth/authorization-details";
import { remainingDetails } from "@/lib/oauth/details-terms";
import { approvalPath } from "@/lib/services/approval-page";
import { rulingOf } from "@/lib/services/approval-rules";
import type { ActApproval } from "@/lib/services/approvals";
import { decideDevice, openDevice } from "@/lib/services/device-decisions";
import { withoutStrays } from "@/lib/services/identity";
import { FRESH_SIGN_IN } from "@/lib/services/proof-of-presence";
import { type Answerer, isFresh } from "@/lib/services/sessions";
import { detailsTermsAt, scopeOfRole } from "@/lib/services/targets";
import type { Call } from "./call";
import { presenceNeeded } from "./person-authentication";
import { loginPath, type PersonForm, seeOther } from "./session";

/** How long a device stays connected: as the settings say, or as long as any app where the person wants that. */
export function deviceLasts({ settings }: Pick<Context, "settings">) {
  const { refreshTokenMaxAge: long, deviceRefreshTokenMaxAge } = settings;
  return { short: Math.min(deviceRefreshTokenMaxAge, long), long };
}

/** What a person allows a device of what it asks for. */
export type Allowed = { scope: readonly string[]; details: readonly AuthorizationDetail[] | undefined };

/** The answer to a device, from its page: `POST /approve/{id}/decision` where the question is a device's. */
export async function answerDevice(
  ctx: Context,
  { address }: Call,
  { id, fields, by }: PersonForm & { id: string },
): Promise<Response> {
  const page = approvalPath(id);
  const view = await openDevice(ctx, { id, userId: by.user.id });
  if (view.state === "not_yours" || view.state === "unknown")
    throw new OAuthError("forbidden", "This question is for somebody else. Ask your device for a new code.");
  if (view.state !== "open") return seeOther(page);
  const { long, short } = deviceLasts(ctx);
  const lasts = fields.get("keep") === "long" ? long : short;
  const answer = { id, by, lasts, address };
  if (fields.get("decision") === "deny") {
    await decideDevice(ctx, { ...answer, allow: undefined });
    return seeOther(page);
  }
  const { approval } = view;
  const places = fields.getAll("detail");
  const details = approval.act.authorizationDetails?.filter((_, place) => places.includes(`${place}`));
  const allowed = await allowedOf(ctx, approval, by, { scope: fields.getAll("scope"), details });
  // Nothing ticked is no answer: the page says what to do.
  if (isNothing(approval, allowed)) return seeOther(`${page}?nothing-ticked`);
  const needed = await presenceOf(ctx, approval, by, allowed);
  if (needed) return seeOther(needed);
  await decideDevice(ctx, { ...answer, allow: allowed.scope, details: allowed.details });
  return seeOther(page);
}

/** Only what the device asked for can be allowed, and only by a person whose role may (product decision D19). */
export async function allowedOf(
  ctx: Context,
  { act: { resource, scope, authorizationDetails } }: ActApproval,
  by: Answerer,
  chosen: Allowed,
): Promise<Allowed> {
  const own = await scopeOfRole(ctx, { resource, scope }, by.user.role);
  const ticked = own.filter((name) => chosen.scope.includes(name));
  return {
    scope: await withoutStrays(ctx, { resource, scope: ticked }),
    details:
      authorizationDetails && remainingDetails(await detailsTermsAt(ctx, resource), chosen.details ?? []),
  };
}

/** Whether an answer allows nothing of what was asked. */
export const isNothing = (
  { act: { scope, authorizationDetails = [] } }: ActApproval,
  { scope: allowed, details = [] }: Allowed,
): boolean => allowed.length + details.length === 0 && scope.length + authorizationDetails.length > 0;

/**
 * What the person has to do first, as a path: sign in anew where that was too long ago for what they allow, which is
 * just now where it can do lasting harm (D20, D30), or use their passkey for what is approved each time. Undefined: nothing.
 */
export async function presenceOf(
  ctx: Context,
  { id, act: { resource } }: ActApproval,
  by: Answerer,
  { scope, details: authorizationDetails }: Allowed,
): Promise<string | undefined> {
  const back = `/approve/${encodeURIComponent(id)}`;
  const { risk } = await rulingOf(ctx, { resource, scope, authorizationDetails });
  const maxAge = risk === "high" ? FRESH_SIGN_IN : ctx.settings.sessionIdle;
  if (!isFresh(ctx, by.session, maxAge)) return loginPath(back);
  return presenceNeeded(ctx, by, { resource, scope, authorizationDetails, back });
}
