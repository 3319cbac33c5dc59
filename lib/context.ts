import type { Db } from "@/db/client";

import type { Log } from "./log";
import type { PublicResponse } from "./outbound/public-fetch";
import type { KeyProvider } from "./providers/keys/provider";
import type { RecentReads } from "./recent-reads";
import type { Limits } from "./services/rate-limits";
import type { IssuedToken } from "./services/tokens";
import type { Settings } from "./settings";

/** Everything a service may reach. Built once by `createContext`; tests build their own. */
export type Context = {
  settings: Settings & { secretKey: string };
  /** The database, or the transaction in progress. */
  db: Db;
  keys: KeyProvider;
  limits: Limits;
  /** What every request reads and little changes, at most a second old. */
  recent: RecentReads;
  log: Log;
  now: () => Date;
  /** Runs work after the answer has been sent; a failure is logged, never answered. */
  defer: (work: () => Promise<void>) => void;
  /** Fetches a document from an address that a stranger chose, public addresses only. */
  fetchPublic: (url: URL, options: { accept: string; etag?: string }) => Promise<PublicResponse>;
  /** Stores tokens whose issuing only appends, many requests in one commit; resolves after that commit. */
  appendIssued: (issued: IssuedToken) => Promise<void>;
};

/** Runs work in one transaction: what it changes and the events it records commit together or not at all. */
export function inTransaction<T>(ctx: Context, work: (tx: Context) => Promise<T>): Promise<T> {
  return ctx.db.transaction((db) => work({ ...ctx, db }));
}
