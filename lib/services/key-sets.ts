import { z } from "zod";
import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { JWS_ALGORITHMS, type JwsAlgorithm, type JwsKey } from "@/lib/oauth/jws";
import { findVerificationKey } from "@/lib/oauth/verification-key";
import { OutboundError } from "@/lib/outbound/public-fetch";

/** Where somebody else's keys come from. */
export type KeySource = {
  /** What is held is held by this name: whose keys, and from where. */
  name: string;
  /** Of which kind: many of one kind never push out what is held of another. */
  kind: "issuer" | "client";
  /** Whether there is cause for another attempt; without it there always is. `isKnown`: keys were read before. */
  mayRead?(ctx: Context, isKnown: boolean): Promise<boolean>;
  /** Reads the JWK Set; rejects with an OutboundError where it cannot be had. */
  read(ctx: Context): Promise<unknown>;
};

/** How long keys are taken as they were read. */
const FRESH_MS = 300_000;
/** How long keys serve while their owner cannot be reached. */
const MAX_STALE_MS = 3_600_000;
/** Between two attempts: a stranger's tokens must not make us a load on the owner. */
const PAUSE_MS = 10_000;
/** How long keys are taken without waiting for newer ones, while their owner answers: a withdrawn one ends then. */
const MAX_AGE_MS = 600_000;
const MAX_SOURCES = 1000;
const MAX_KEYS = 100;

/** A key of a set, once for each algorithm that it fits. */
export type ForeignKey = { kid: string | undefined; key: JwsKey };
/** What a token says of the key it was signed with. */
export type Wanted = { kid: string | undefined; alg: JwsAlgorithm };

/** What this instance holds of one source; times in milliseconds. */
type Holding = {
  keys: readonly ForeignKey[];
  readAt: number;
  /** When the last attempt ended, and whether it failed. */
  triedAt: number;
  isAway: boolean;
  /** Under way; false: it was not to be. */
  reading: Promise<boolean> | undefined;
};

/** By instance, then by kind, then by name. */
const holdings = new WeakMap<Context["recent"], Record<KeySource["kind"], Map<string, Holding>>>();

/**
 * The key of a source that a token names by `kid`, or the only one that fits where it names none
 * (RFC 7517 §5, OIDC Core §10.1). A `kid` nobody knows yet is looked for anew: owners rotate their keys.
 */
export async function findKey(ctx: Context, source: KeySource, wanted: Wanted): Promise<JwsKey | undefined> {
  const holding = holdingOf(ctx, source);
  const age = ageOf(ctx, holding);
  const known = pick(holding.keys, wanted);
  if (known && age < FRESH_MS) return known;
  // Nobody whose key is known waits for an owner that is slow now, or did not answer before.
  if (known && age < (holding.isAway ? MAX_STALE_MS : MAX_AGE_MS)) {
    ctx.defer(() => refresh(ctx, source, holding));
    return known;
  }
  await refresh(ctx, source, holding);
  const isTooOld = ageOf(ctx, holding) >= MAX_STALE_MS;
  const key = isTooOld ? undefined : pick(holding.keys, wanted);
  // While its owner cannot be asked, a key that is not known may be theirs all the same.
  if (isTooOld || (!key && holding.isAway)) throw unreadable();
  return key;
}

function holdingOf(ctx: Context, { kind, name }: KeySource): Holding {
  const kinds = holdings.get(ctx.recent) ?? { issuer: new Map(), client: new Map() };
  holdings.set(ctx.recent, kinds);
  const all = kinds[kind];
  const holding = all.get(name) ?? {
    keys: [],
    readAt: NEVER,
    triedAt: NEVER,
    isAway: false,
    reading: undefined,
  };
  // The last to go is what was asked for last: made-up sources push out each other.
  all.delete(name);
  all.set(name, holding);
  const [longestUnused] = all.keys();
  if (all.size > MAX_SOURCES && longestUnused !== undefined) all.delete(longestUnused);
  return holding;
}

const NEVER = Number.NEGATIVE_INFINITY;

const ageOf = (ctx: Context, { readAt }: Holding): number => ctx.now().getTime() - readAt;

const unreadable = () =>
  new OAuthError(
    "temporarily_unavailable",
    `The keys that this was signed with could not be read where their owner publishes them. Try again in ${PAUSE_MS / 1000} seconds.`,
    { reason: "no keys of the owner", headers: { "retry-after": String(PAUSE_MS / 1000) } },
  );

/** The key of a set that a token names, or the only one that fits. */
export function pick(keys: readonly ForeignKey[], { kid, alg }: Wanted): JwsKey | undefined {
  const fitting = keys.filter(({ key }) => key.alg === alg);
  if (kid !== undefined) return fitting.find((one) => one.kid === kid)?.key;
  return fitting.length === 1 ? fitting[0]?.key : undefined;
}

/** Reads the keys anew, unless that was tried a moment ago; everybody who asks meanwhile waits for the same answer. */
async function refresh(ctx: Context, source: KeySource, holding: Holding): Promise<void> {
  const isOthers = holding.reading !== undefined;
  if (!isOthers) {
    if (ctx.now().getTime() - holding.triedAt < PAUSE_MS) return;
    holding.reading = read(ctx, source, holding).finally(() => {
      holding.reading = undefined;
    });
  }
  // Somebody else may have had no cause left; that is not to be this caller's answer.
  if (!(await holding.reading) && isOthers) await refresh(ctx, source, holding);
}

async function read(ctx: Context, source: KeySource, holding: Holding): Promise<boolean> {
  if (source.mayRead && !(await source.mayRead(ctx, holding.readAt !== NEVER))) return false;
  try {
    holding.keys = importKeys(await source.read(ctx));
    holding.readAt = ctx.now().getTime();
    holding.isAway = false;
  } catch (error) {
    holding.isAway = true;
    if (!(error instanceof OutboundError)) throw error;
    ctx.log.warn("keys not read", { source: source.name, error });
  } finally {
    holding.triedAt = ctx.now().getTime();
  }
  return true;
}

const JwkSet = z.object({ keys: z.array(z.record(z.string(), z.unknown())).max(MAX_KEYS) });

/** Every key once for each algorithm that it fits; the others are for something else (RFC 7517 §5). */
export function importKeys(
  document: unknown,
  algorithms: readonly JwsAlgorithm[] = JWS_ALGORITHMS,
): readonly ForeignKey[] {
  const set = JwkSet.safeParse(document);
  if (!set.success) throw new OutboundError("unreachable", "the keys are no JWK Set");
  return set.data.keys.flatMap((jwk) =>
    algorithms.flatMap((alg) => {
      const key = importKey(jwk, alg);
      return key ? [{ kid: typeof jwk.kid === "string" ? jwk.kid : undefined, key }] : [];
    }),
  );
}

function importKey({ use, ...jwk }: Record<string, unknown>, alg: JwsAlgorithm): JwsKey | undefined {
  // In a SPIFFE bundle the keys that sign JWT-SVIDs have a use of their own (SPIFFE Trust Domain and Bundle §4.2.2).
  const known = use === undefined || use === "jwt-svid" ? {} : { use };
  return findVerificationKey({ ...jwk, ...known }, alg);
}
