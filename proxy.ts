import { randomBytes } from "node:crypto";
import { type NextRequest, NextResponse } from "next/server";
import { browserCookieName, browserOf, setCookie } from "@/lib/http/cookies";
import { loadSettings, type Settings } from "@/lib/settings";

let settings: Settings | undefined;

/**
 * Dresses every page: its headers, a nonce for the scripts of Next, and a cookie that tells this browser from others,
 * so that its forms can be bound to it. It decides about nothing; pages and handlers do.
 */
export function proxy(request: NextRequest): NextResponse {
  settings ??= loadSettings().settings;
  const { pathname } = request.nextUrl;
  const nonce = randomBytes(16).toString("base64");
  const policy = contentSecurityPolicy(nonce, pathname);
  const { browser, isNew } = browserOf(settings, request.headers.get("cookie"));

  const headers = new Headers(request.headers);
  headers.set("content-security-policy", policy);
  // First, since the first of two counts: what it replaces may still be there.
  const cookies = [`${browserCookieName(settings)}=${browser}`, request.headers.get("cookie")];
  if (isNew) headers.set("cookie", cookies.filter(Boolean).join("; "));
  const response = NextResponse.next({ request: { headers } });
  for (const [name, value] of Object.entries(pageHeaders(policy, settings)))
    response.headers.set(name, value);
  if (isNew) response.headers.append("set-cookie", setCookie(settings, browserCookieName(settings), browser));
  return response;
}

function contentSecurityPolicy(nonce: string, pathname: string): string {
  return [
    "default-src 'self'",
    `script-src 'self' 'nonce-${nonce}' 'strict-dynamic'`,
    `style-src 'self' 'nonce-${nonce}'`,
    "img-src 'self' data:",
    "connect-src 'self'",
    // Not by a nonce: the browser fetches a service worker again by itself.
    "worker-src 'self'",
    "object-src 'none'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
    ...(leadsAway(pathname) ? [] : ["form-action 'self'"]),
  ].join("; ");
}

/**
 * The forms of these pages end at an app or an identity provider, by redirect; Chromium applies form-action to the
 * whole chain of redirects, so that 'self' would stop the answer after it was given.
 */
const leadsAway = (pathname: string): boolean => pathname === "/login" || pathname.startsWith("/approve/");

const pageHeaders = (policy: string, { serverUrl }: Settings): Record<string, string> => ({
  "content-security-policy": policy,
  "x-frame-options": "DENY",
  "x-content-type-options": "nosniff",
  // `no-referrer` would make browsers send `Origin: null` with a form post.
  "referrer-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "cache-control": "private, no-store",
  ...(serverUrl.startsWith("https:")
    ? { "strict-transport-security": "max-age=63072000; includeSubDomains" }
    : {}),
});

export const config = {
  // Pages, and whatever is not there. Machines and assets do not pass here: they bring their own headers.
  matcher: [
    "/((?!_next/|api/|\\.well-known/|oauth/|authgent\\.css$|push-worker\\.js$|icon\\.svg$|openapi\\.json$|(?:authorize|tokens?|register|introspect|receipts|revoke|userinfo|mcp|stepup|resources|trusted-issuers|agents|clients|kill-switch|notifications|users|logout|health|ready)(?:/|$)|approvals(?:/|$)|login/[^/]+$|login/link/|confirm/|me/(?:grants|tokens|sessions|standing-approvals)/|me/passkeys(?:/|$)|me/push-subscriptions$|device/(?:authorize|qr|token|verify|approve|deny|complete)$|approve/[^/]+/(?:decision|standing)$).*)",
  ],
};
