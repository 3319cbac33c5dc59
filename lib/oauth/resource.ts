import { OAuthError } from "@/lib/errors";
import { splitUri } from "./uri";

/** PostgreSQL indexes no row of more than 2704 bytes, and a grant is found by client and resource. */
const MAX_LENGTH = 1024;

/** What finding a resource needs to know of a registered one. */
type RegisteredResource = { resource: string; aliases: readonly string[] };

/** Checks the form of a resource parameter and gives it back as sent (RFC 8707 §2). */
export function parseResource(value: string): string {
  const uri = value.length <= MAX_LENGTH ? splitUri(value) : undefined;
  const isWeb = uri?.scheme === "https" || uri?.scheme === "http";
  if (!uri || !isWeb || !URL.canParse(value)) {
    throw new OAuthError("invalid_target", "Send resource as an absolute https URI");
  }
  // "The URI MUST NOT include a fragment component."
  if (uri.fragment !== undefined) throw new OAuthError("invalid_target", "Send resource without a fragment");
  if (!uri.authority || uri.authority.includes("@")) {
    throw new OAuthError("invalid_target", "Send resource with a host and without a user name");
  }
  return value;
}

/**
 * True when two resource identifiers name one resource: scheme and host in any case, and a lone
 * slash after the host means nothing; every other byte counts (RFC 3986 §6.2.2.1, §6.2.3).
 */
export function sameResource(a: string, b: string): boolean {
  return comparable(a) === comparable(b);
}

/**
 * Finds the registered resource that a client means: by its identifier, by an alias, or, for clients
 * that send only the origin, the single one under that origin. Otherwise: what it could ask for.
 */
export function findResource<T extends RegisteredResource>(
  registered: readonly T[],
  requested: string,
): { found: T } | { candidates: readonly string[] } {
  const found =
    registered.find(({ resource }) => sameResource(resource, requested)) ??
    registered.find(({ aliases }) => aliases.some((alias) => sameResource(alias, requested)));
  if (found) return { found };

  const origin = originOf(requested);
  const neighbours = registered.filter(({ resource }) => originOf(resource) === origin);
  const [only, ...others] = neighbours;
  if (only && others.length === 0 && comparable(requested) === origin) return { found: only };
  return { candidates: (only ? neighbours : registered).map(({ resource }) => resource) };
}

function comparable(resource: string): string {
  const uri = splitUri(resource);
  if (!uri) return resource;
  const path = uri.path === "/" ? "" : uri.path;
  const query = uri.query === undefined ? "" : `?${uri.query}`;
  const fragment = uri.fragment === undefined ? "" : `#${uri.fragment}`;
  return `${originOf(resource)}${path}${query}${fragment}`;
}

function originOf(resource: string): string {
  const uri = splitUri(resource);
  return `${uri?.scheme}://${uri?.authority?.toLowerCase()}`;
}
