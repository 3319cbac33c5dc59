import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { findSession, isFresh, type SignedIn } from "@/lib/services/sessions";
import type { Call } from "./call";
import { bindingOf, browserOf, readCookie, sessionCookieName } from "./cookies";
import { checkCsrf, isSameOrigin } from "./csrf";
import { noteParty } from "./denials";
import { readFormParams } from "./form";

/** The person a request's cookie stands for. */
export async function sessionOf(ctx: Context, request: Request): Promise<SignedIn | undefined> {
  const cookie = request.headers.get("cookie");
  const by = await findSession(ctx, readCookie(cookie, sessionCookieName(ctx.settings)));
  if (by) noteParty(request, { actor: `user:${by.user.id}` });
  return by;
}

/** The browser a request comes from, as its cookie says. */
export const browserOfCall = (ctx: Context, { request }: Call) =>
  browserOf(ctx.settings, request.headers.get("cookie"));

/** Where to sign in, and come back from. */
export const loginPath = (continueTo: string): string => `/login?continue=${encodeURIComponent(continueTo)}`;

/** Where a sign-in may lead: to the person's own pages, or back to the question that waits for them. */
const CONTINUATIONS = /^\/(?:me|inbox|device(?:\?user_code=[A-Z-]{9})?|(?:authorize|approve)\/[\w-]{1,64})?$/;

/** A page of this server that a sign-in may lead to; every other address is none. */
export const localPath = (value: string | null | undefined): string | undefined =>
  value && CONTINUATIONS.test(value) ? value : undefined;

/** A redirect within this server or to a client; after a form post always as GET (RFC 9700 §4.12). */
export const seeOther = (location: string, cookies: readonly string[] = []): Response => {
  const headers = new Headers({ location, "cache-control": "no-store", "referrer-policy": "same-origin" });
  for (const cookie of cookies) headers.append("set-cookie", cookie);
  return new Response(null, { status: 303, headers });
};

/** A form that a signed-in person posted from our own page: its fields, the person, their browser. */
export type PersonForm = { fields: URLSearchParams; by: SignedIn; browser: string };

/** Reads a form post of a signed-in person; undefined: nobody is signed in. */
export async function readPersonForm(
  ctx: Context,
  call: Call,
  purpose: string,
): Promise<PersonForm | undefined> {
  const fields = await readFormParams(call.request);
  const by = await sessionOf(ctx, call.request);
  const { browser } = browserOfCall(ctx, call);
  if (!by) return undefined;
  checkCsrf(ctx, call.request, fields.get("csrf"), {
    binding: bindingOf(browser, by.session.idHash),
    purpose,
  });
  return { fields, by, browser };
}

/**
 * The person who sends something as JSON. With a session that needs no form token, but has to come from our own origin
 * (product decision D30).
 */
export async function requirePerson(ctx: Context, { request }: Call): Promise<SignedIn> {
  const by = await sessionOf(ctx, request);
  if (!by) {
    throw new OAuthError("invalid_token", "Sign in first: only the person can do this.", {
      headers: { "www-authenticate": "Bearer" },
    });
  }
  if (!isSameOrigin(ctx, request))
    throw new OAuthError("forbidden", "Send this from the server's own origin.");
  return by;
}

/** Refuses what an old sign-in may not do any more (product decision D20). */
export function requireFresh(ctx: Context, { session }: SignedIn, maxAge: number): void {
  if (isFresh(ctx, session, maxAge)) return;
  throw new OAuthError("forbidden", "Sign in again to do this: your sign-in is too long ago.");
}

/** The person who manages something by JSON: to change it they send it from our own origin, freshly signed in (D20). */
export async function managingSession(ctx: Context, { request }: Call): Promise<SignedIn | undefined> {
  const by = await sessionOf(ctx, request);
  if (!by || request.method === "GET") return by;
  if (!isSameOrigin(ctx, request))
    throw new OAuthError("forbidden", "Send this from the server's own origin.");
  requireFresh(ctx, by, ctx.settings.sessionIdle);
  return by;
}
