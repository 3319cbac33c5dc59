import { isIPv4 } from "node:net";
import { lt } from "drizzle-orm";
import ipaddr from "ipaddr.js";
import {
  type RateLimiterAbstract,
  RateLimiterDrizzle,
  RateLimiterMemory,
  RateLimiterRes,
} from "rate-limiter-flexible";
import type { Db } from "@/db/client";
import { rateLimits } from "@/db/schema/limits";
import type { Context } from "@/lib/context";
import type { Settings } from "@/lib/settings";

/** How often something may happen, and where it is counted. */
type Bucket = { points: number; seconds: number; store: "memory" | "shared" };

/** What one attempt is told: go on, or how many seconds to wait. */
export type Allowance = { allowed: true } | { allowed: false; retryAfter: number };

export type Limits = {
  /** Counts one attempt of `key`. */
  take(bucket: BucketName, key: string): Promise<Allowance>;
  /** Takes one counted attempt back: it was no failure. */
  giveBack(bucket: BucketName, key: string): Promise<void>;
  /** Whether `key` has attempts left, without counting one. */
  check(bucket: BucketName, key: string): Promise<Allowance>;
};

/**
 * The buckets. Those that guard secrets are counted in the database, for all instances together;
 * the others only bound the load of one instance.
 */
const buckets = ({ tokenRateLimit, registerRateLimit }: Settings) =>
  ({
    token: { points: tokenRateLimit, seconds: 60, store: "memory" },
    /** Token requests of a client that proved itself, from wherever it sends them. */
    tokenClient: { points: tokenRateLimit * 10, seconds: 60, store: "memory" },
    register: { points: registerRateLimit, seconds: 60, store: "memory" },
    authorize: { points: tokenRateLimit, seconds: 60, store: "memory" },
    read: { points: tokenRateLimit * 10, seconds: 60, store: "memory" },
    /** Calls by resources and of our own tools: many people's, from few addresses (client quirk Q17). */
    resource: { points: tokenRateLimit * 10, seconds: 60, store: "memory" },
    /** Metadata documents fetched anew of apps that are known. */
    documentKnown: { points: 6, seconds: 60, store: "memory" },
    /** Metadata documents of apps never seen before, per caller, so that nobody spends the budget of all. */
    documentCaller: { points: 20, seconds: 60, store: "memory" },
    /** Those per host, so that a spray of client ids is no load on it. */
    documentHost: { points: 60, seconds: 60, store: "memory" },
    /** All metadata documents fetched for ids never seen before. */
    documentNew: { points: 600, seconds: 60, store: "memory" },
    /** Failed client authentications, per client and address. */
    clientSecret: { points: 10, seconds: 60, store: "shared" },
    /** Failed sign-ins, per account and address. */
    signIn: { points: 5, seconds: 300, store: "shared" },
    /** Failed sign-ins from one address, whatever the account. */
    signInAddress: { points: 30, seconds: 300, store: "shared" },
    /** Wrong user codes of one person, and from one address (RFC 8628 §5.1). */
    userCodePerson: { points: 5, seconds: 600, store: "shared" },
    userCodeAddress: { points: 5, seconds: 600, store: "shared" },
    /** Wrong operator keys, per address. */
    adminKey: { points: 10, seconds: 60, store: "shared" },
  }) satisfies Record<string, Bucket>;

export type BucketName = keyof ReturnType<typeof buckets>;

/** Builds the limiters of one instance. */
export function createLimits(settings: Settings, db: Db): Limits {
  const limiters = new Map<string, RateLimiterAbstract>();
  for (const [name, { points, seconds, store }] of Object.entries<Bucket>(buckets(settings))) {
    const options = { keyPrefix: name, points, duration: seconds };
    limiters.set(
      name,
      store === "memory"
        ? new RateLimiterMemory(options)
        : new RateLimiterDrizzle({
            ...options,
            storeClient: db,
            schema: rateLimits,
            clearExpiredByTimeout: false,
          }),
    );
  }
  const limiter = (name: BucketName): RateLimiterAbstract => {
    const found = limiters.get(name);
    if (!found) throw new Error(`no such bucket: ${name}`);
    return found;
  };
  return {
    async take(bucket, key) {
      try {
        await limiter(bucket).consume(key);
        return { allowed: true };
      } catch (refusal) {
        if (!(refusal instanceof RateLimiterRes)) throw refusal;
        return { allowed: false, retryAfter: Math.max(1, Math.ceil(refusal.msBeforeNext / 1000)) };
      }
    },
    async giveBack(bucket, key) {
      await limiter(bucket).reward(key);
    },
    async check(bucket, key) {
      const state = await limiter(bucket).get(key);
      if (!state || state.remainingPoints > 0) return { allowed: true };
      return { allowed: false, retryAfter: Math.max(1, Math.ceil(state.msBeforeNext / 1000)) };
    },
  };
}

/** The address as limits count it: an IPv6 /64 is one customer, an IPv4-mapped address is the IPv4 one. */
export function addressKey(address: string): string {
  if (isIPv4(address) || !ipaddr.isValid(address)) return address;
  const parsed = ipaddr.process(address);
  if (parsed.kind() === "ipv4") return parsed.toString();
  const groups = (parsed as ipaddr.IPv6).parts.slice(0, 4);
  return `${groups.map((group) => group.toString(16)).join(":")}::/64`;
}

/** Removes counters whose time is over. */
export async function pruneRateLimits(ctx: Pick<Context, "db" | "now">): Promise<void> {
  await ctx.db.delete(rateLimits).where(lt(rateLimits.expire, ctx.now()));
}
