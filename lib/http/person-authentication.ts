import type { Context } from "@/lib/context";
import { PASSKEY_AMR, PHISHING_RESISTANT, satisfiesAcr } from "@/lib/oauth/acr";
import type { AuthorizationDetail } from "@/lib/oauth/authorization-details";
import { needsApproval, rulingOf } from "@/lib/services/approval-rules";
import type { Consent } from "@/lib/services/approvals";
import { hasPasskey } from "@/lib/services/passkeys";
import { FRESH_SIGN_IN, proofOfPresence } from "@/lib/services/proof-of-presence";
import { type Answerer, isFresh, type SignedIn } from "@/lib/services/sessions";
import { assertionOptions, type Question, verifyDecisionAssertion } from "@/lib/services/signed-decisions";
import type { Call } from "./call";
import { json, readJsonAs } from "./json";
import { ConfirmOptions, PasskeyCheck } from "./passkey-schemas";
import { browserOfCall, loginPath, requirePerson } from "./session";
import { startSession } from "./sign-in";

/**
 * What a person has to do before an app's request goes on, as a path: to sign in anew, or to confirm with a passkey;
 * undefined: nothing. `prompt=login` and `max_age` are about the sign-in, and one after the request satisfies both (OIDC
 * Core §3.1.2.1); `acr_values` are about how (RFC 9470 §5).
 */
export function authenticationNeeded(
  ctx: Context,
  { id, request, createdAt }: Pick<Consent, "id" | "request" | "createdAt">,
  { session }: SignedIn,
): string | undefined {
  const { prompt, maxAge, acrValues = [] } = request;
  const back = `/authorize/${encodeURIComponent(id)}`;
  const isOld = session.authTime < createdAt;
  const asked = prompt.includes("login") || prompt.includes("select_account");
  if (asked && isOld) return loginPath(back);
  if (maxAge !== undefined && isOld && !isFresh(ctx, session, maxAge)) return loginPath(back);
  return satisfiesAcr(session.amr, acrValues) ? undefined : confirmPath(back);
}

type Allowed = {
  resource: string;
  /** Undefined: they refuse. */
  scope: readonly string[] | undefined;
  authorizationDetails: readonly AuthorizationDetail[] | undefined;
  /** Where they come back to from it. */
  back: string;
};

/**
 * The same before their consent counts as the yes to what is approved each time: as much as it takes to answer an agent
 * that asks for it (product decisions D20, D30).
 */
export async function presenceNeeded(
  ctx: Context,
  by: Answerer,
  { scope, back, ...allowed }: Allowed,
): Promise<string | undefined> {
  if (!scope) return undefined;
  const ruling = await rulingOf(ctx, { scope, ...allowed });
  if (!needsApproval(ruling)) return undefined;
  switch (await proofOfPresence(ctx, by, ruling.risk)) {
    case "ok":
      return undefined;
    case "sign_in_again":
      return loginPath(back);
    case "passkey":
      return hasJustConfirmed(ctx, by) ? undefined : confirmPath(back);
  }
}

const hasJustConfirmed = (ctx: Context, { session }: Answerer): boolean =>
  isFresh(ctx, session, FRESH_SIGN_IN) && satisfiesAcr(session.amr, [PHISHING_RESISTANT]);

/** Whether this person can do that at all: whoever has no passkey confirms nothing with one. */
export const canAuthenticate = async (ctx: Context, needed: string, { user }: SignedIn): Promise<boolean> =>
  !needed.startsWith("/confirm") || (await hasPasskey(ctx, user.id));

/** The page on which a person confirms with a passkey that it is them, and where it leads. */
export const confirmPath = (continueTo: string): string =>
  `/confirm?continue=${encodeURIComponent(continueTo)}`;

/** What the page of a confirmation shows, and a passkey signs: an answer to nothing else. */
export const CONFIRM_SENTENCE = "It is me.";

export const confirmation: Question = {
  approvalId: "sign-in",
  decision: "confirm",
  shown: { sentence: CONFIRM_SENTENCE },
};

/** `POST /confirm/options`: what a passkey of the person is to sign. */
export async function confirmOptionsEndpoint(ctx: Context, call: Call): Promise<Response> {
  const by = await requirePerson(ctx, call);
  const { digest } = await readJsonAs(call.request, ConfirmOptions);
  const { browser } = browserOfCall(ctx, call);
  return json(await assertionOptions(ctx, { by, browser }, { question: confirmation, digest }));
}

/**
 * `POST /confirm/passkey`: the person has proven with a passkey that it is them, now: their session starts anew with it
 * (OWASP ASVS 5.0, 7.2.4).
 */
export async function confirmEndpoint(ctx: Context, call: Call): Promise<Response> {
  const by = await requirePerson(ctx, call);
  const { credential: assertion } = await readJsonAs(call.request, PasskeyCheck);
  const { browser } = browserOfCall(ctx, call);
  await verifyDecisionAssertion(ctx, { by, browser }, { question: confirmation, assertion });
  const { provider, amr } = by.session;
  const cookie = await startSession(ctx, call, {
    userId: by.user.id,
    provider,
    amr: [...new Set([...amr, ...PASSKEY_AMR])],
  });
  return json({ confirmed: true }, { headers: { "set-cookie": cookie } });
}
