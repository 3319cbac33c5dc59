import { decodeJwt } from "jose";
import type { NextRequest } from "next/server";
import NextAuth, { type NextAuthConfig } from "next-auth";
import Credentials from "next-auth/providers/credentials";
import { z } from "zod";
import type { Context } from "@/lib/context";
import type { Call } from "@/lib/http/call";
import { readCookie, setCookie } from "@/lib/http/cookies";
import { COMPLETE, type Dance, Handoff, signInRoutes } from "@/lib/http/sign-in-endpoints";
import { runningContext } from "@/lib/running-context";
import { deriveKey } from "@/lib/secret-key";
import { identityFrom } from "@/lib/services/provider-identity";
import { verifyPassword } from "@/lib/services/users";
import type { Settings, SignInProvider } from "@/lib/settings";

/** Seconds that a provider's dance may take. */
const DANCE_TTL = 600;
/** Seconds that what it led to waits to become a session of ours. */
const HANDOFF_TTL = 120;
const BASE_PATH = "/api/auth";

/** The names that Auth.js has for its cookies, and the ends of ours. */
const COOKIES = {
  sessionToken: "handoff",
  callbackUrl: "return",
  pkceCodeVerifier: "pkce",
  state: "state",
  nonce: "nonce",
  csrfToken: "dance",
} as const;

const isHttps = ({ serverUrl }: Settings): boolean => serverUrl.startsWith("https:");
const originOf = ({ serverUrl }: Settings): string => new URL(serverUrl).origin;

const cookieName = (settings: Settings, cookie: keyof typeof COOKIES): string =>
  `${isHttps(settings) ? "__Host-" : ""}authgent-${COOKIES[cookie]}`;

const { handlers } = NextAuth(async () => configOf((await runningContext()).ctx));

function configOf(ctx: Context): NextAuthConfig {
  const { settings } = ctx;
  return {
    basePath: BASE_PATH,
    trustHost: true,
    secret: deriveKey(settings.secretKey, "sign-in").toString("base64url"),
    useSecureCookies: isHttps(settings),
    cookies: cookiesOf(settings),
    session: { strategy: "jwt", maxAge: HANDOFF_TTL },
    pages: { signIn: "/login", error: "/login" },
    providers: [
      Credentials({
        id: "local",
        credentials: { email: {}, password: {} },
        async authorize({ email, password }) {
          const user = await verifyPassword(ctx, String(email), String(password));
          return user ? { id: user.id } : null;
        },
      }),
      ...settings.providers.map(oidc),
    ],
    callbacks: {
      redirect: ({ url }) =>
        url.startsWith(originOf(settings) + COMPLETE) ? url : originOf(settings) + COMPLETE,
      jwt({ token, user, account, profile }) {
        // Without an account this is a later reading of what was handed over.
        if (!account) return token;
        const provider = settings.providers.find(({ name }) => name === account.provider);
        const handoff: Handoff = provider
          ? fromProvider(provider, claimsOf(profile ?? {}, idTokenClaims(account.id_token)))
          : { provider: "local", amr: ["pwd"], outcome: { userId: user.id ?? "" } };
        return { handoff };
      },
      session: ({ session, token }) => ({ ...session, handoff: token.handoff }),
    },
    logger: {
      error(error) {
        // A wrong password is nothing for the operator: it is counted, and a row of the audit trail.
        if (!("type" in error) || error.type !== "CredentialsSignin")
          ctx.log.warn("sign-in failed", { error });
      },
      warn: () => undefined,
      debug: () => undefined,
    },
  };
}

function cookiesOf(settings: Settings): NonNullable<NextAuthConfig["cookies"]> {
  const cookie = (key: keyof typeof COOKIES, maxAge: number) => ({
    name: cookieName(settings, key),
    options: { httpOnly: true, sameSite: "lax", path: "/", secure: isHttps(settings), maxAge } as const,
  });
  return {
    sessionToken: cookie("sessionToken", HANDOFF_TTL),
    callbackUrl: cookie("callbackUrl", DANCE_TTL),
    csrfToken: cookie("csrfToken", DANCE_TTL),
    pkceCodeVerifier: cookie("pkceCodeVerifier", DANCE_TTL),
    state: cookie("state", DANCE_TTL),
    nonce: cookie("nonce", DANCE_TTL),
  };
}

const oidc = ({ name, label, issuer, clientId, clientSecret, scopes }: SignInProvider) => ({
  id: name,
  name: label,
  type: "oidc" as const,
  issuer,
  clientId,
  clientSecret,
  authorization: { params: { scope: scopes.join(" ") } },
  checks: ["pkce", "state", "nonce"] as ("pkce" | "state" | "nonce")[],
  // "The Claims requested by the profile, email, address, and phone scope values are returned from the UserInfo
  // Endpoint" (OIDC Core §5.4); what stands in the ID token as well is taken from there.
  idToken: false,
  profile: ({ sub }: { sub?: unknown }) => ({ id: String(sub) }),
});

const idTokenClaims = (idToken: string | undefined) => (idToken ? decodeJwt(idToken) : {});

/**
 * The claims of both documents, the ID token's first. Okta's leaves out what vouches for the address, and UserInfo has
 * it; but what UserInfo says of another address vouches for nothing.
 */
function claimsOf(
  userInfo: Record<string, unknown>,
  idToken: Record<string, unknown>,
): Record<string, unknown> {
  const differs = idToken.email !== undefined && userInfo.email !== idToken.email;
  return differs ? idToken : { ...userInfo, ...idToken };
}

function fromProvider(provider: SignInProvider, claims: Record<string, unknown>): Handoff {
  const identity = identityFrom(provider, claims);
  const amr = z.array(z.string().max(100)).max(20).safeParse(claims.amr);
  const authTime = z.number().int().positive().safeParse(claims.auth_time);
  return {
    provider: provider.name,
    amr: amr.data ?? [],
    authTime: authTime.data,
    outcome: "refused" in identity ? identity : { identity },
  };
}

/** Calls Auth.js at our configured origin: it makes the redirect URI from the address of the request (D3). */
function callAuth(
  ctx: Context,
  path: string,
  { cookie, form }: { cookie?: string; form?: URLSearchParams } = {},
) {
  const request = new Request(originOf(ctx.settings) + BASE_PATH + path, {
    headers: cookie === undefined ? {} : { cookie },
    ...(form ? { method: "POST", body: form } : {}),
  });
  // A plain request on purpose: Next's own rewrites 127.0.0.1 to localhost, and Auth.js needs no more of it.
  return handlers[form ? "POST" : "GET"](request as NextRequest);
}

/** Posts to Auth.js with the token it wants of its own forms; ours was checked before. */
async function postAuth(ctx: Context, path: string, fields: Record<string, string>) {
  const answer = await callAuth(ctx, "/csrf");
  const { csrfToken } = z.object({ csrfToken: z.string() }).parse(await answer.json());
  const cookie = cookiesIn(answer, ctx, "csrfToken").join().split(";")[0] ?? "";
  return callAuth(ctx, path, { cookie, form: new URLSearchParams({ ...fields, csrfToken }) });
}

const cookiesIn = (response: Response, { settings }: Context, ...keys: (keyof typeof COOKIES)[]): string[] =>
  response.headers
    .getSetCookie()
    .filter((cookie) => keys.some((key) => cookie.startsWith(`${cookieName(settings, key)}=`)));

const dance: Dance = {
  async start(ctx, { name }, { returnTo, prompt }) {
    const query = prompt ? `?${new URLSearchParams({ prompt })}` : "";
    const answer = await postAuth(ctx, `/signin/${name}${query}`, { callbackUrl: returnTo });
    const location = answer.headers.get("location");
    const cookies = cookiesIn(answer, ctx, "callbackUrl", "pkceCodeVerifier", "state", "nonce");
    const started = cookiesIn(answer, ctx, "state").length === 1;
    return location && started ? { location, cookies } : undefined;
  },

  async finish(ctx, call) {
    const path = call.url.pathname.slice(BASE_PATH.length) + call.url.search;
    const answer = await callAuth(ctx, path, { cookie: cookieHeader(call) });
    const location = answer.headers.get("location") ?? "";
    if (!location.startsWith(originOf(ctx.settings) + COMPLETE)) return undefined;
    const cookies = cookiesIn(answer, ctx, "sessionToken", "pkceCodeVerifier", "state", "nonce");
    return { returnTo: location.slice(originOf(ctx.settings).length), cookies };
  },

  async checkPassword(ctx, credentials) {
    const answer = await postAuth(ctx, "/callback/local", credentials);
    const cookies = cookiesIn(answer, ctx, "sessionToken");
    return cookies.length === 1 ? cookies : undefined;
  },

  async handoff(ctx, call) {
    const answer = await callAuth(ctx, "/session", { cookie: cookieHeader(call) });
    return z.object({ handoff: Handoff }).safeParse(await answer.json()).data?.handoff;
  },

  returnTo(ctx, call) {
    const cookie = readCookie(cookieHeader(call), cookieName(ctx.settings, "callbackUrl")) ?? "";
    // Decodes as decodeURIComponent does, and does not throw at what is no encoding.
    const value = new URLSearchParams(`url=${cookie}`).get("url") ?? "";
    return URL.canParse(value) ? value : undefined;
  },

  forget: ({ settings }) =>
    (["sessionToken", "callbackUrl", "pkceCodeVerifier", "state", "nonce"] as const).map((key) =>
      setCookie(settings, cookieName(settings, key), "", { maxAge: 0 }),
    ),
};

const cookieHeader = ({ request }: Call): string => request.headers.get("cookie") ?? "";

/** The routes of signing in. */
export const signIn = signInRoutes(dance);
