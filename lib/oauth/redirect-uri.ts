import { OAuthError } from "@/lib/errors";
import { hasDotSegments, hostOf, isLoopbackHost, splitUri, type Uri } from "./uri";

/** Where a redirect URI leads: a web server, this machine, or whichever app claimed the scheme. */
export type RedirectKind = "https" | "loopback" | "private-use";

const MAX_LENGTH = 2048;

/** Schemes that a browser runs, reads or mails with, instead of handing them to an app. */
const FORBIDDEN_SCHEMES: ReadonlySet<string> = new Set([
  "about",
  "android-app",
  "blob",
  "chrome",
  "content",
  "data",
  "feed",
  "file",
  "filesystem",
  "ftp",
  "googlechrome",
  "gopher",
  "intent",
  "itms-services",
  "jar",
  "javascript",
  "ldap",
  "livescript",
  "mailto",
  "mhtml",
  "microsoft-edge",
  "ms-msdt",
  "ms-officecmd",
  "ms-search",
  "nfs",
  "resource",
  "search-ms",
  "sftp",
  "shell",
  "smb",
  "sms",
  "ssh",
  "tel",
  "telnet",
  "vbscript",
  "view-source",
  "ws",
  "wss",
]);

/** Parameters of the authorization response: a redirect URI that already holds one would make it ambiguous. */
const RESPONSE_PARAMETERS = ["code", "state", "iss", "error", "error_description", "error_uri"];

/** Throws unless a client may register this redirect URI (RFC 6749 §3.1.2, RFC 8252 §7, RFC 9700 §2.1). */
export function checkRedirectUri(uri: string): void {
  const parts = uri.length <= MAX_LENGTH ? splitUri(uri) : undefined;
  if (!parts || !URL.canParse(uri)) {
    throw refusal(`Register absolute redirect URIs of at most ${MAX_LENGTH} characters, percent-encoded`);
  }
  checkShape(parts);
  if (parts.scheme === "https" || parts.scheme === "http") checkWeb(uri, parts);
  else checkPrivateUse(parts);
}

/** Tells what a registered redirect URI leads to (RFC 8252 §7). */
export function redirectKind(uri: string): RedirectKind {
  const parts = splitUri(uri);
  if (parts?.scheme !== "https" && parts?.scheme !== "http") return "private-use";
  return isLoopbackHost(hostOf(parts.authority ?? "")) ? "loopback" : "https";
}

/**
 * The application type that the redirect URIs imply: one loopback or private-use address makes the
 * client native, whatever it says of itself (OIDC Registration §2).
 */
export function applicationTypeOf(uris: readonly string[]): "web" | "native" {
  return uris.some((uri) => redirectKind(uri) !== "https") ? "native" : "web";
}

/** True when the redirect URI sent is one of those registered (RFC 9700 §2.1). */
export function matchesRedirectUri(registered: readonly string[], sent: string): boolean {
  // "authorization servers MUST utilize exact string matching except for port numbers in localhost redirection URIs"
  if (registered.includes(sent)) return true;
  const path = loopbackPath(sent);
  return path !== undefined && registered.some((uri) => loopbackPath(uri) === path);
}

const LOOPBACK = /^http:\/\/(?:localhost|127\.0\.0\.1|\[::1\])(?::([1-9][0-9]{0,4}))?([/?].*)?$/;

/** What counts of a loopback redirect URI: all but the port and which of the three names it uses (RFC 8252 §7.3). */
function loopbackPath(uri: string): string | undefined {
  const [matched, port = "80", rest = ""] = LOOPBACK.exec(uri) ?? [];
  if (matched === undefined || Number(port) > 65_535) return undefined;
  return rest.startsWith("/") ? rest : `/${rest}`;
}

function checkShape({ authority, path, query, fragment }: Uri): void {
  // "The endpoint URI MUST NOT include a fragment component." (RFC 6749 §3.1.2)
  if (fragment !== undefined) throw refusal("Register redirect URIs without a fragment");
  if (authority?.includes("@")) throw refusal("Register redirect URIs without a user name or password");
  if ([authority, path, query].some((part) => part?.includes("*"))) {
    throw refusal("Register each redirect URI in full: wildcards are not matched");
  }
  if (hasDotSegments(path)) throw refusal("Register redirect URIs without . and .. segments");

  const names = new URLSearchParams(query ?? "");
  const taken = RESPONSE_PARAMETERS.find((name) => names.has(name));
  if (taken) throw refusal(`Register redirect URIs without ${taken} in the query: the response adds it`);
}

function checkWeb(uri: string, { scheme, authority = "" }: Uri): void {
  const host = hostOf(authority);
  // What people are shown must be what browsers open: no 0x7f.1, no %65vil.ex.
  if (new URL(uri).hostname !== host) {
    throw refusal("Register redirect URIs with a host name in its usual form");
  }
  if (scheme === "http" && !isLoopbackHost(host)) {
    throw refusal("Register https redirect URIs: http is for localhost, 127.0.0.1 and [::1] only");
  }
}

function checkPrivateUse({ scheme, authority, path }: Uri): void {
  if (FORBIDDEN_SCHEMES.has(scheme)) {
    throw refusal("Register a redirect URI that leads to your app: https, loopback http, or its own scheme");
  }
  // cursor://anysphere.cursor-mcp/oauth/callback and com.example.app:/callback, but not urn:… or myapp:
  if (!authority && !/^\/+[^/]/.test(path)) {
    throw refusal(
      "Register private-use redirect URIs with a host or a path, such as com.example.app:/callback",
    );
  }
}

function refusal(description: string): OAuthError {
  return new OAuthError("invalid_redirect_uri", description);
}
