import type { Db } from "@/db/client";

import type { Courier } from "./courier";
import type { Log } from "./log";
import type { postPublic } from "./outbound/post";
import type { PublicResponse } from "./outbound/public-fetch";
import type { AttestationProvider } from "./providers/attestation/provider";
import type { Channel } from "./providers/channels/channel";
import type { ClaimsProvider } from "./providers/claims/provider";
import type { KeyProvider } from "./providers/keys/provider";
import type { PolicyProvider } from "./providers/policy/provider";
import type { RecentReads } from "./recent-reads";
import type { Limits } from "./services/rate-limits";
import type { IssuedToken } from "./services/tokens";
import type { Use } from "./services/used-assertions";
import type { Settings } from "./settings";
import type { Waiting } from "./waiting";

/** Everything a service may reach. Built once by `createContext`; tests build their own. */
export type Context = {
  settings: Settings & { secretKey: string };
  /** The database, or the transaction in progress. */
  db: Db;
  keys: KeyProvider;
  /** Decides whether a token may be issued; a policy that cannot be asked has not allowed it. */
  policy: PolicyProvider;
  /** Adds the operator's claims to access tokens; none where it cannot be asked. */
  claims: ClaimsProvider;
  /** Judges the evidence that agents bring for themselves. */
  attestation: AttestationProvider;
  /** The ways to tell people and machines something that this server is set up for. */
  channels: readonly Channel[];
  /** Delivers what the outbox holds, on this instance. */
  courier: Courier;
  /** Requests of this instance that wait for a person's answer. */
  waiting: Waiting;
  limits: Limits;
  /** What every request reads and little changes, at most a second old. */
  recent: RecentReads;
  log: Log;
  now: () => Date;
  /** Writes a line for the person at the terminal; never a secret. */
  print: (line: string) => void;
  /** Runs work beside the answer, within a transaction after its commit; a failure is logged, never answered. */
  defer: (work: () => Promise<void>) => void;
  /** Fetches a document from an address that a stranger chose: public addresses only, or those of this machine. */
  fetchPublic: (
    url: URL,
    options: { accept: string; etag?: string; allowLoopback?: boolean; maxBytes?: number },
  ) => Promise<PublicResponse>;
  /** Posts to an address that a stranger chose, such as that of a push service; what is answered is not read. */
  postPublic: typeof postPublic;
  /** Stores tokens whose issuing only appends, many requests in one commit; resolves after that commit. */
  appendIssued: (issued: IssuedToken) => Promise<void>;
  /** Uses up what is good for one use, many requests in one commit: true for the first use, on whatever instance. */
  consumeOnce: (use: Use) => Promise<boolean>;
};

/** Runs work in one transaction: what it changes and the events it records commit together or not at all. */
export async function inTransaction<T>(ctx: Context, work: (tx: Context) => Promise<T>): Promise<T> {
  const deferred: Parameters<Context["defer"]>[0][] = [];
  const defer: Context["defer"] = (later) => void deferred.push(later);
  const recent = ctx.recent.withinTransaction;
  const result = await ctx.db.transaction((db) => work({ ...ctx, db, recent, defer }));
  for (const later of deferred) ctx.defer(later);
  return result;
}
