import { hashSecret, newSecret } from "@/lib/ids";
import type { Settings } from "@/lib/settings";

const isHttps = ({ serverUrl }: Settings): boolean => serverUrl.startsWith("https:");

/** Browsers keep a `__Host-` cookie to one host, one path and https; on loopback http there is no https. */
const cookieName = (settings: Settings, name: string): string =>
  isHttps(settings) ? `__Host-${name}` : name;

/** The name of the cookie that holds a session (product decision D20). */
export const sessionCookieName = (settings: Settings): string => cookieName(settings, "authgent");

/** The name of the cookie that tells one browser from another before anybody has signed in. */
export const browserCookieName = (settings: Settings): string => cookieName(settings, "authgent-browser");

/** The value of a cookie in a Cookie header. */
export function readCookie(header: string | null, name: string): string | undefined {
  for (const pair of (header ?? "").split(";")) {
    const [key, ...value] = pair.trim().split("=");
    if (key === name) return value.join("=");
  }
  return undefined;
}

type CookieOptions = { maxAge?: number };

/** A Set-Cookie value with the attributes all our cookies share. */
export function setCookie(
  settings: Settings,
  name: string,
  value: string,
  { maxAge }: CookieOptions = {},
): string {
  const attributes = [`${name}=${value}`, "Path=/", "HttpOnly", "SameSite=Lax"];
  if (isHttps(settings)) attributes.push("Secure");
  if (maxAge !== undefined) attributes.push(`Max-Age=${maxAge}`);
  return attributes.join("; ");
}

/** The browser's own value, or a new one to be set. */
export function browserOf(settings: Settings, header: string | null): { browser: string; isNew: boolean } {
  const value = readCookie(header, browserCookieName(settings));
  // A value of another shape was not made here and is replaced (session fixation).
  return value && /^brw_[\w-]{43}$/.test(value)
    ? { browser: value, isNew: false }
    : { browser: newSecret("brw_"), isNew: true };
}

/** What forms of a browser are bound to: the session when there is one, else the browser. */
export const bindingOf = (browser: string, sessionIdHash: string | undefined): string =>
  sessionIdHash ?? hashSecret(browser);
