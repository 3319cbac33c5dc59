import { z } from "zod";
import type { Context } from "@/lib/context";
import { isOAuthError, OAuthError } from "@/lib/errors";
import { JWS_ALGORITHMS, type JwsAlgorithm, type JwsKey } from "@/lib/oauth/jws";
import { importVerificationKey } from "@/lib/oauth/verification-key";
import { OutboundError } from "@/lib/outbound/public-fetch";
import { fetchTrustedJson, isTrustedAddress } from "@/lib/outbound/trusted-fetch";
import type { TrustedIssuer } from "./trusted-issuers";

/** How long keys are taken as they were read. */
const FRESH_MS = 300_000;
/** How long keys serve while their issuer cannot be reached. */
const MAX_STALE_MS = 3_600_000;
/** Between two attempts: a stranger's tokens must not make us a load on the issuer. */
const PAUSE_MS = 10_000;
/** For metadata and keys together. */
const TIMEOUT_MS = 5000;
const MIN_TIMEOUT_MS = 100;
/** How long keys are taken without waiting for newer ones, while their issuer answers: a withdrawn one ends then. */
const MAX_AGE_MS = 600_000;
const MAX_ISSUERS = 1000;
const MAX_KEYS = 100;

type ForeignKey = { kid: string | undefined; key: JwsKey };
type Wanted = { kid: string | undefined; alg: JwsAlgorithm };

/** What this instance holds of one issuer's keys; times in milliseconds. */
type Holding = {
  keys: readonly ForeignKey[];
  readAt: number;
  /** When the last attempt ended, and whether it failed. */
  triedAt: number;
  isAway: boolean;
  reading: Promise<void> | undefined;
};

/** By instance, then by issuer and key address. */
const holdings = new WeakMap<Context["recent"], Map<string, Holding>>();

/**
 * The key of an issuer that a token names by `kid`, or the only one that fits where it names none
 * (RFC 7517 §5, OIDC Core §10.1). A `kid` nobody knows yet is looked for anew: issuers rotate their keys.
 */
export async function findForeignKey(
  ctx: Context,
  issuer: TrustedIssuer,
  wanted: Wanted,
): Promise<JwsKey | undefined> {
  const holding = holdingOf(ctx, issuer);
  const age = ageOf(ctx, holding);
  const known = pick(holding.keys, wanted);
  if (known && age < FRESH_MS) return known;
  // Nobody whose key is known waits for an issuer that is slow now, or did not answer before.
  if (known && age < (holding.isAway ? MAX_STALE_MS : MAX_AGE_MS)) {
    ctx.defer(() => refresh(ctx, issuer, holding));
    return known;
  }
  await refresh(ctx, issuer, holding);
  return pick(usableKeys(ctx, holding), wanted);
}

function holdingOf(ctx: Context, { issuer, jwksUri }: TrustedIssuer): Holding {
  const all = holdings.get(ctx.recent) ?? new Map<string, Holding>();
  holdings.set(ctx.recent, all);
  const name = `${issuer} ${jwksUri ?? ""}`;
  const known = all.get(name);
  if (known) return known;
  const never = Number.NEGATIVE_INFINITY;
  const holding: Holding = { keys: [], readAt: never, triedAt: never, isAway: false, reading: undefined };
  const [longestHeld] = all.keys();
  if (all.size >= MAX_ISSUERS && longestHeld !== undefined) all.delete(longestHeld);
  all.set(name, holding);
  return holding;
}

const ageOf = (ctx: Context, { readAt }: Holding): number => ctx.now().getTime() - readAt;

function usableKeys(ctx: Context, holding: Holding): readonly ForeignKey[] {
  if (ageOf(ctx, holding) < MAX_STALE_MS) return holding.keys;
  throw new OAuthError(
    "temporarily_unavailable",
    `The keys of the assertion's issuer could not be read. Try again in ${PAUSE_MS / 1000} seconds.`,
    { reason: "no keys of the issuer", headers: { "retry-after": String(PAUSE_MS / 1000) } },
  );
}

function pick(keys: readonly ForeignKey[], { kid, alg }: Wanted): JwsKey | undefined {
  const fitting = keys.filter(({ key }) => key.alg === alg);
  if (kid !== undefined) return fitting.find((one) => one.kid === kid)?.key;
  return fitting.length === 1 ? fitting[0]?.key : undefined;
}

/** Reads the keys anew, unless that was tried a moment ago; everybody who asks meanwhile waits for the same answer. */
async function refresh(ctx: Context, issuer: TrustedIssuer, holding: Holding): Promise<void> {
  if (!holding.reading) {
    if (ctx.now().getTime() - holding.triedAt < PAUSE_MS) return;
    holding.reading = read(ctx, issuer, holding).finally(() => {
      holding.reading = undefined;
    });
  }
  await holding.reading;
}

async function read(ctx: Context, issuer: TrustedIssuer, holding: Holding): Promise<void> {
  const fetchJson = fetchWithin(TIMEOUT_MS);
  try {
    const { jwksUri } = issuer;
    const address = jwksUri === null ? await discoverKeys(issuer.issuer, fetchJson) : new URL(jwksUri);
    holding.keys = importKeys(await fetchJson(address));
    holding.readAt = ctx.now().getTime();
    holding.isAway = false;
  } catch (error) {
    holding.isAway = true;
    if (!(error instanceof OutboundError)) throw error;
    ctx.log.warn("keys of a trusted issuer not read", { issuer: issuer.issuer, error });
  } finally {
    holding.triedAt = ctx.now().getTime();
  }
}

type FetchJson = (url: URL) => Promise<unknown>;

/** Fetches one document after the other, all within the same time: nothing is asked that could not answer any more. */
function fetchWithin(totalMs: number): FetchJson {
  const end = performance.now() + totalMs;
  return async (url) => {
    const timeoutMs = Math.floor(end - performance.now());
    if (timeoutMs < MIN_TIMEOUT_MS) throw new OutboundError("timeout", `${url.host} is not asked any more`);
    return fetchTrustedJson(url, { timeoutMs });
  };
}

const Metadata = z.object({ issuer: z.string(), jwks_uri: z.url() });

/** Where an issuer's own metadata says its keys are (OIDC Discovery §4, RFC 8414 §3). */
async function discoverKeys(issuer: string, fetchJson: FetchJson): Promise<URL> {
  const base = issuer.replace(/\/$/, "");
  const { origin, pathname } = new URL(base);
  const inserted = `${origin}/.well-known/oauth-authorization-server${pathname === "/" ? "" : pathname}`;
  try {
    return await readMetadata(issuer, `${base}/.well-known/openid-configuration`, fetchJson);
  } catch (error) {
    if (!(error instanceof OutboundError)) throw error;
    return readMetadata(issuer, inserted, fetchJson);
  }
}

async function readMetadata(issuer: string, address: string, fetchJson: FetchJson): Promise<URL> {
  const refuse = (why: string) => new OutboundError("unreachable", `${address} ${why}`);

  const metadata = Metadata.safeParse(await fetchJson(new URL(address)));
  if (!metadata.success) throw refuse("is no metadata with issuer and jwks_uri");
  // "If these values are not identical, the data contained in the response MUST NOT be used" (RFC 8414 §3.3)
  if (metadata.data.issuer !== issuer) throw refuse("is the metadata of another issuer");
  const keys = new URL(metadata.data.jwks_uri);
  const isOnNetwork = issuer.startsWith("https:");
  if (!isTrustedAddress(keys) || (isOnNetwork && keys.protocol !== "https:"))
    throw refuse("has a jwks_uri without TLS");
  return keys;
}

const JwkSet = z.object({ keys: z.array(z.record(z.string(), z.unknown())).max(MAX_KEYS) });

/** Every key once for each algorithm that it fits; the others are for something else (RFC 7517 §5). */
function importKeys(document: unknown): readonly ForeignKey[] {
  const set = JwkSet.safeParse(document);
  if (!set.success) throw new OutboundError("unreachable", "the keys are no JWK Set");
  return set.data.keys.flatMap((jwk) =>
    JWS_ALGORITHMS.flatMap((alg) => {
      const key = importKey(jwk, alg);
      return key ? [{ kid: typeof jwk.kid === "string" ? jwk.kid : undefined, key }] : [];
    }),
  );
}

function importKey({ use, ...jwk }: Record<string, unknown>, alg: JwsAlgorithm): JwsKey | undefined {
  // In a SPIFFE bundle the keys that sign JWT-SVIDs have a use of their own (SPIFFE Trust Domain and Bundle §4.2.2).
  const known = use === undefined || use === "jwt-svid" ? {} : { use };
  try {
    return importVerificationKey({ ...jwk, ...known }, alg);
  } catch (error) {
    if (isOAuthError(error)) return undefined;
    throw error;
  }
}
