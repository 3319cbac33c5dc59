import type { Context } from "@/lib/context";
import { matchesSecret } from "@/lib/ids";
import { type Consent, findApproval, isConsent, releaseApprovals, statusOf } from "@/lib/services/approvals";
import { IDENTITY_REFUSALS } from "@/lib/services/provider-identity";
import { createSession, endSession } from "@/lib/services/sessions";
import type { Call } from "./call";
import { bindingOf, sessionCookieName, setCookie } from "./cookies";
import { checkCsrf, issueCsrfToken } from "./csrf";
import { readFormParams } from "./form";
import { browserOfCall, localPath, sessionOf } from "./session";

/** What the page of a failed sign-in says; only the name travels in the address, so nobody else writes on our page. */
export const SIGN_IN_PROBLEMS = {
  ...IDENTITY_REFUSALS,
  credentials: "This email address and password do not belong together. Try again.",
  cancelled: "You cancelled at your identity provider. Nobody was signed in.",
  provider_failed:
    "Your identity provider did not complete the sign-in. Try again; if it stays so, tell your administrator.",
  expired: "This sign-in took too long, or was started in another browser. Start again here.",
  disabled: "This account is disabled. Ask your administrator.",
  frozen: "This account is frozen for now. Ask your administrator.",
} as const;

export type SignInProblem = keyof typeof SIGN_IN_PROBLEMS;

const PURPOSE = "sign in";

/** The token of the sign-in page's forms, good in this browser only. */
export const signInToken = (ctx: Context, browser: string): string =>
  issueCsrfToken(ctx, { binding: bindingOf(browser, undefined), purpose: PURPOSE });

/** What the sign-in page posted, and where the person was on the way to. */
export type SignInForm = { fields: URLSearchParams; browser: string; continueTo: string };

/** Reads a form of the sign-in page, posted from the browser it was shown in. */
export async function readSignInForm(ctx: Context, call: Call): Promise<SignInForm> {
  const fields = await readFormParams(call.request);
  const { browser } = browserOfCall(ctx, call);
  checkCsrf(ctx, call.request, fields.get("csrf"), {
    binding: bindingOf(browser, undefined),
    purpose: PURPOSE,
  });
  return { fields, browser, continueTo: localPath(fields.get("continue")) ?? "/me" };
}

type SignInPage = { problem: SignInProblem; continueTo?: string; local?: boolean };

/** The sign-in page again, with what went wrong. */
export function signInAgain({ problem, continueTo, local = false }: SignInPage): string {
  const query = new URLSearchParams({ error: problem, ...(continueTo ? { continue: continueTo } : {}) });
  return `/login?${local ? "local&" : ""}${query}`;
}

/** The consent that waits in this browser behind a sign-in, if that is where the person is on the way to. */
export async function waitingConsent(
  ctx: Context,
  continueTo: string,
  browser: string,
): Promise<Consent | undefined> {
  const id = /^\/(?:authorize|approve)\/([\w-]+)$/.exec(continueTo)?.[1];
  const approval = id ? await findApproval(ctx, id) : undefined;
  if (!approval || !isConsent(approval) || statusOf(ctx, approval) !== "pending") return undefined;
  return matchesSecret(browser, approval.browserHash ?? "") ? approval : undefined;
}

type Proven = {
  userId: string;
  provider: string;
  amr: readonly string[];
  /** Seconds since the epoch, when a provider says when the person proved who they are. */
  authTime?: number | undefined;
};

/**
 * Starts a person's session in this browser in place of the one it had, and returns the cookie to set: "generates
 * a new session token on user authentication … and terminates the current session token" (OWASP ASVS 5.0, 7.2.4).
 */
export async function startSession(ctx: Context, call: Call, { userId, provider, amr, authTime }: Proven) {
  const { request, address } = call;
  const before = await sessionOf(ctx, request);
  if (before) {
    await endSession(ctx, before.user.id, before.session.idHash);
    const { browser } = browserOfCall(ctx, call);
    if (before.user.id !== userId) await releaseApprovals(ctx, { userId: before.user.id, browser });
  }
  const userAgent = request.headers.get("user-agent") ?? undefined;
  const value = await createSession(ctx, { userId, provider, amr, authTime, userAgent, address });
  return setCookie(ctx.settings, sessionCookieName(ctx.settings), value);
}
