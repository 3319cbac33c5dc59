import { z } from "zod";
import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { record } from "@/lib/services/events";
import { IDENTITY_REFUSALS, type IdentityRefusal } from "@/lib/services/provider-identity";
import { addressKey, type BucketName } from "@/lib/services/rate-limits";
import { consumeSignIn, startSignIn } from "@/lib/services/sessions";
import { findLocalUser, findUser, upsertProviderUser } from "@/lib/services/users";
import type { SignInProvider } from "@/lib/settings";
import type { Call, Route } from "./call";
import { browserOfCall, seeOther, sessionOf } from "./session";
import { readSignInForm, type SignInForm, signInAgain, startSession, waitingConsent } from "./sign-in";

/** What a finished dance or password check hands over; it lives for two minutes in a sealed cookie. */
export const Handoff = z.object({
  provider: z.string(),
  /** How the person proved who they are (RFC 8176), as far as the provider says. */
  amr: z.array(z.string()),
  /** When they did (OIDC Core §2), as far as the provider says: its own session may be older than this sign-in. */
  authTime: z.number().int().positive().optional(),
  outcome: z.union([
    z.object({ userId: z.string() }),
    z.object({
      identity: z.object({
        issuer: z.string(),
        sub: z.string(),
        email: z.string(),
        name: z.string(),
        role: z.enum(["member", "approver", "admin"]).optional(),
      }),
    }),
    z.object({ refused: z.string().refine((code): code is IdentityRefusal => code in IDENTITY_REFUSALS) }),
  ]),
});
export type Handoff = z.infer<typeof Handoff>;

/** What is left to next-auth (product decision D20); cookies are Set-Cookie values. */
export type Dance = {
  /** The provider's page to go to, and the cookies that bind its answer to this browser; undefined: it is away. */
  start(
    ctx: Context,
    provider: SignInProvider,
    request: { returnTo: string; prompt?: string },
  ): Promise<{ location: string; cookies: readonly string[] } | undefined>;
  /** Takes the provider's answer; undefined: it did not sign anybody in. */
  finish(ctx: Context, call: Call): Promise<{ returnTo: string; cookies: readonly string[] } | undefined>;
  /** The cookie of a right password. */
  checkPassword(
    ctx: Context,
    credentials: { email: string; password: string },
  ): Promise<readonly string[] | undefined>;
  /** Reads what the last of these handed over. */
  handoff(ctx: Context, call: Call): Promise<Handoff | undefined>;
  /** The return address that the dance of this browser was started with. */
  returnTo(ctx: Context, call: Call): string | undefined;
  /** Removes every cookie of the dance. */
  forget(ctx: Context): readonly string[];
};

/** Where a dance returns to on this server, to become a session. */
export const COMPLETE = "/login/complete";

const completePath = (value: string): string => `${COMPLETE}?sign-in=${value}`;

const person = { cors: false, errors: "page", bucket: "authorize" } as const;

/** The routes of signing in, danced by `dance`. */
export const signInRoutes = (dance: Dance) =>
  ({
    local: { path: "/login/local", ...person, methods: { POST: localEndpoint(dance) } },
    provider: { path: "/login/{provider}", ...person, methods: { POST: providerEndpoint(dance) } },
    callback: { path: "/api/auth/callback/{provider}", ...person, methods: { GET: callbackEndpoint(dance) } },
    complete: { path: COMPLETE, ...person, methods: { GET: completeEndpoint(dance) } },
  }) satisfies Record<string, Route>;

/** `POST /login/local`: a local account's e-mail address and password (product decision D16). */
function localEndpoint(dance: Dance) {
  return async (ctx: Context, call: Call): Promise<Response> => {
    const { fields, browser, continueTo } = await readSignInForm(ctx, call);
    const email = (fields.get("email") ?? "").trim().slice(0, 254);
    const tries = triesOf(call, email);
    // Counted before the password is looked at, so that guesses at the same moment count too.
    await takeTries(ctx, tries);
    const cookies = await dance.checkPassword(ctx, { email, password: fields.get("password") ?? "" });
    if (cookies) {
      for (const [bucket, key] of tries) await ctx.limits.giveBack(bucket, key);
      const value = await startSignIn(ctx, { provider: "local", continueTo, browser });
      return seeOther(completePath(value), cookies);
    }
    await recordWrongPassword(ctx, call, email);
    return seeOther(signInAgain({ problem: "credentials", continueTo, local: true }));
  };
}

/** Failures are counted per account and address, and per address whatever the account. */
const triesOf = ({ address }: Call, email: string): [BucketName, string][] => [
  ["signIn", `${email.toLowerCase()} ${addressKey(address)}`],
  ["signInAddress", addressKey(address)],
];

async function takeTries(ctx: Context, tries: readonly [BucketName, string][]): Promise<void> {
  for (const [bucket, key] of tries) {
    const allowance = await ctx.limits.take(bucket, key);
    if (allowance.allowed) continue;
    const minutes = Math.ceil(allowance.retryAfter / 60);
    const wait = `${minutes} ${minutes === 1 ? "minute" : "minutes"}`;
    throw new OAuthError("too_many_requests", `Too many tries, wait ${wait}. Then sign in again.`, {
      headers: { "retry-after": String(allowance.retryAfter) },
    });
  }
}

/** A wrong password of an account that exists is a row; guesses at accounts are not, or anybody could fill the log (D26). */
async function recordWrongPassword(ctx: Context, { address }: Call, email: string): Promise<void> {
  const user = await findLocalUser(ctx, email);
  if (!user) return;
  const data = { provider: "local", reason: "wrong password" };
  await record(ctx, { type: "sign_in.denied", actor: "system", subject: `user:${user.id}`, data, address });
}

/** `POST /login/{provider}`: the person chose a provider on our page; only now anything of its dance exists. */
function providerEndpoint(dance: Dance) {
  return async (ctx: Context, call: Call): Promise<Response> => {
    const provider = findProvider(ctx, call);
    const form = await readSignInForm(ctx, call);
    const { browser, continueTo } = form;
    const value = await startSignIn(ctx, { provider: provider.name, continueTo, browser });
    const returnTo = ctx.settings.serverUrl + completePath(value);
    const again = await mustSignInAnew(ctx, call, form);
    const started = await dance.start(ctx, provider, {
      returnTo,
      ...(again ? { prompt: anewPrompt(provider) } : {}),
    });
    if (!started) return seeOther(signInAgain({ problem: "provider_failed", continueTo }));
    return seeOther(started.location, started.cookies);
  };
}

function findProvider({ settings }: Context, { params }: Call): SignInProvider {
  const provider = settings.providers.find(({ name }) => name === params.provider);
  if (!provider)
    throw new OAuthError("not_found", "There is no such way to sign in. Go back and choose another.");
  return provider;
}

/** Whether the provider's own session is not enough: somebody signs in again, or the app asked for a new sign-in. */
async function mustSignInAnew(ctx: Context, call: Call, { fields, continueTo, browser }: SignInForm) {
  if (fields.has("again") || (await sessionOf(ctx, call.request))) return true;
  const approval = await waitingConsent(ctx, continueTo, browser);
  if (!approval) return false;
  const { prompt, maxAge } = approval.request;
  return prompt.includes("login") || prompt.includes("select_account") || maxAge !== undefined;
}

/** Google knows no `prompt=login`; choosing the account is the nearest it has. */
const anewPrompt = ({ issuer }: SignInProvider): string =>
  issuer === "https://accounts.google.com" ? "select_account" : "login";

/** `GET /api/auth/callback/{provider}`: the provider's answer (OIDC Core §3.1.2.5). */
function callbackEndpoint(dance: Dance) {
  return async (ctx: Context, call: Call): Promise<Response> => {
    const { name } = findProvider(ctx, call);
    const finished = await dance.finish(ctx, call);
    if (finished) return seeOther(finished.returnTo, finished.cookies);
    const started = dance.returnTo(ctx, call);
    const signIn = started ? await consumeReturn(ctx, call, new URL(started), name) : undefined;
    const problem = call.url.searchParams.get("error") === "access_denied" ? "cancelled" : "provider_failed";
    return again(dance, ctx, { problem, ...signIn });
  };
}

/** `GET /login/complete`: turns what was handed over into a session, once, in the browser that started it. */
function completeEndpoint(dance: Dance) {
  return async (ctx: Context, call: Call): Promise<Response> => {
    const handoff = await dance.handoff(ctx, call);
    const signIn = handoff && (await consumeReturn(ctx, call, call.url, handoff.provider));
    if (!signIn) return again(dance, ctx, { problem: "expired" });
    const { continueTo } = signIn;
    const { provider, amr, authTime } = handoff;
    const who = await personOf(ctx, handoff);
    if ("problem" in who) {
      const { problem, subject } = who;
      const data = { provider, reason: problem };
      await record(ctx, { type: "sign_in.denied", actor: "system", subject, data, address: call.address });
      return again(dance, ctx, { problem, continueTo });
    }
    const session = await startSession(ctx, call, { userId: who.userId, provider, amr, authTime });
    return seeOther(continueTo, [session, ...dance.forget(ctx)]);
  };
}

const consumeReturn = (ctx: Context, call: Call, url: URL, provider: string) =>
  consumeSignIn(ctx, url.searchParams.get("sign-in") ?? "", browserOfCall(ctx, call).browser, provider);

const again = (dance: Dance, ctx: Context, page: Parameters<typeof signInAgain>[0]): Response =>
  seeOther(signInAgain(page), dance.forget(ctx));

type Person = { userId: string } | { problem: IdentityRefusal | "disabled" | "frozen"; subject?: string };

async function personOf(ctx: Context, { outcome }: Handoff): Promise<Person> {
  if ("refused" in outcome) return { problem: outcome.refused };
  const user =
    "userId" in outcome
      ? await findUser(ctx, outcome.userId)
      : await upsertProviderUser(ctx, outcome.identity);
  if (user?.status === "active") return { userId: user.id };
  const problem = user?.status === "frozen" ? "frozen" : "disabled";
  return { problem, ...(user ? { subject: `user:${user.id}` } : {}) };
}
