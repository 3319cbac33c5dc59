import type { Context } from "@/lib/context";
import { isOAuthError, OAuthError } from "@/lib/errors";
import { releaseApprovals } from "@/lib/services/approvals";
import { narrowGrant, stopGrant } from "@/lib/services/grants";
import { stopPersonToken } from "@/lib/services/person-tokens";
import { unsubscribeBrowser } from "@/lib/services/push-subscriptions";
import { endSession } from "@/lib/services/sessions";
import { stopStandingApproval } from "@/lib/services/standing-approvals";
import type { Call } from "./call";
import { bindingOf, sessionCookieName, setCookie } from "./cookies";
import { checkCsrf, isSameOrigin } from "./csrf";
import { readFormParams } from "./form";
import {
  browserOfCall,
  localPath,
  loginPath,
  type PersonForm,
  readPersonForm,
  seeOther,
  sessionOf,
} from "./session";

/** What the forms are for that concern the person and not one question: those on `/me`, and signing out. */
export const ACCOUNT_PURPOSE = "account";

/** `POST /me/grants/{id}/stop`: the person stops an app. */
export const stopGrantEndpoint = onMe((ctx, { params }, { by }) =>
  stopGrant(ctx, { userId: by.user.id, grantId: params.id ?? "" }).then(() => "stopped"),
);

/** `POST /me/grants/{id}/narrow`: the person leaves an app less. */
export const narrowGrantEndpoint = onMe((ctx, { params }, { by, fields }) =>
  narrowGrant(ctx, { userId: by.user.id, grantId: params.id ?? "", keep: fields.getAll("scope") }).then(
    () => "narrowed",
  ),
);

/** `POST /me/standing-approvals/{id}/stop`: from now on the person is asked each time again. */
export const stopStandingEndpoint = onMe(async (ctx, { params, address }, { by }) => {
  const stopped = await stopStandingApproval(ctx, { id: params.id ?? "", userId: by.user.id, address });
  return stopped ? "asked-again" : "already-stopped";
});

/** `POST /me/tokens/{id}/stop`: the person ends what acts for them for a short while. */
export const stopTokenEndpoint = onMe(async (ctx, { params, address }, { by }) => {
  const stopped = await stopPersonToken(ctx, { jti: params.id ?? "", userId: by.user.id, address });
  return stopped ? "stopped" : "already-stopped";
});

/** `POST /me/sessions/{id}/stop`: the person signs another browser out. */
export const stopSessionEndpoint = onMe((ctx, { params }, { by }) =>
  endSession(ctx, by.user.id, params.id ?? "").then(() => "signed-out"),
);

/** A form on `/me`: done, the page comes again and says what happened. */
export function onMe(act: (ctx: Context, call: Call, form: PersonForm) => Promise<string>) {
  return async (ctx: Context, call: Call): Promise<Response> => {
    const form = await readPersonForm(ctx, call, ACCOUNT_PURPOSE);
    if (!form) return seeOther(loginPath("/me"));
    try {
      return seeOther(`/me?done=${await act(ctx, call, form)}`);
    } catch (error) {
      // Somebody was faster, or nothing was ticked: the page says so beside what stands now.
      if (isOAuthError(error) && error.code === "validation_failed")
        return seeOther("/me?done=nothing-ticked");
      if (isOAuthError(error) && error.code === "not_found") return seeOther("/me?done=already-stopped");
      throw error;
    }
  };
}

/** `POST /logout`: ends the session on the server and in the browser; from `/me` and from every frame. */
export async function logoutEndpoint(ctx: Context, call: Call): Promise<Response> {
  const fields = await readFormParams(call.request);
  const by = await sessionOf(ctx, call.request);
  // Browsers leave the cookie out of another site's post but would still take the empty one from its answer.
  if (!isSameOrigin(ctx, call.request)) {
    throw new OAuthError(
      "forbidden",
      "This form was sent from another site. Open the page here and try again.",
    );
  }
  const continueTo = localPath(fields.get("continue"));
  if (by) {
    const { browser } = browserOfCall(ctx, call);
    const form = { binding: bindingOf(browser, by.session.idHash), purpose: ACCOUNT_PURPOSE };
    checkCsrf(ctx, call.request, fields.get("csrf"), form);
    await endSession(ctx, by.user.id, by.session.idHash);
    // Whoever signs in next in this browser may answer what this person left open.
    await releaseApprovals(ctx, { userId: by.user.id, browser });
    // And reads nothing that is meant for them.
    await unsubscribeBrowser(ctx, { userId: by.user.id, browser });
  }
  const gone = setCookie(ctx.settings, sessionCookieName(ctx.settings), "", { maxAge: 0 });
  // The page then asks the identity provider anew: it would sign the same person in again without a word.
  return seeOther(continueTo ? `${loginPath(continueTo)}&signed-out` : "/login?signed-out", [gone]);
}
