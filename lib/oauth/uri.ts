/** The parts of a URI exactly as they were written. */
export type Uri = {
  scheme: string;
  /** Absent when no `//` follows the scheme. */
  authority: string | undefined;
  path: string;
  query: string | undefined;
  fragment: string | undefined;
};

const PARTS = /^([A-Za-z][A-Za-z0-9+.-]*):(?:\/\/([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/;
const CHARACTERS = /^(?:[A-Za-z0-9\-._~:/?#[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+$/;
const IPV4_LOOPBACK = /^127(?:\.(?:0|[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5])){3}$/;

/**
 * Splits a URI and changes nothing in it (RFC 3986 appendix B); undefined when it is relative or
 * holds a character that no URI may hold (RFC 3986 §2).
 */
export function splitUri(text: string): Uri | undefined {
  // URL would normalise: what it accepts and what was sent can then be two addresses.
  const parts = CHARACTERS.test(text) ? PARTS.exec(text) : null;
  if (!parts) return undefined;
  const [, scheme = "", authority, path = "", query, fragment] = parts;
  return { scheme: scheme.toLowerCase(), authority, path, query, fragment };
}

/** The host of an authority, lower-cased, without user information and port (RFC 3986 §3.2.2). */
export function hostOf(authority: string): string {
  return authority
    .slice(authority.lastIndexOf("@") + 1)
    .replace(/:[^:\]]*$/, "")
    .toLowerCase();
}

/** True for a host that only this machine answers, written in full: no `127.1`, no integers (RFC 8252 §7.3). */
export function isLoopbackHost(host: string): boolean {
  return host === "localhost" || host === "[::1]" || IPV4_LOOPBACK.test(host);
}

/** True when a path holds `.` or `..` segments, however they are encoded (RFC 3986 §3.3). */
export function hasDotSegments(path: string): boolean {
  return path
    .replace(/%2e/gi, ".")
    .replace(/%2f|%5c/gi, "/")
    .split("/")
    .some((segment) => segment === "." || segment === "..");
}
