import { randomBytes } from "node:crypto";
import type { Context } from "@/lib/context";
import { assembleContext, prepareInstallation } from "@/lib/create-context";
import { loadSettings } from "@/lib/settings";
import { openSecondConnection, openTestDatabase, type TestDatabase } from "./databases";

/** The same for all contexts of a worker: they share its database. */
export const SECRET_KEY = "test-secret-key-that-is-64-characters-long-0123456789-abcdefghij";

export type TestContext = {
  ctx: Context;
  /** Log lines written so far. */
  lines: string[];
  /** Moves the clock of this context. */
  advance(seconds: number): void;
  /** Waits for everything deferred so far. */
  settled(): Promise<void>;
  /** When the courier wants to be woken; nobody does it here. */
  alarm(): Date | undefined;
};

type Options = {
  /** Environment variables, as an operator would set them. */
  env?: Record<string, string>;
  /** Replaces what leaves this machine. */
  fetchPublic?: Context["fetchPublic"];
  database?: TestDatabase;
};

/** A context of its own on the worker's database, with a clock that only moves when told. */
export async function testContext({ env = {}, fetchPublic, database }: Options = {}): Promise<TestContext> {
  const { settings } = loadSettings({ AUTHGENT_LOG_LEVEL: "debug", ...env });
  const opened = database ?? (await openTestDatabase());
  const lines: string[] = [];
  const deferred: Promise<void>[] = [];
  let offset = 0;
  let alarm: Date | undefined;
  const started = Date.now();
  const ctx = assembleContext({
    settings: { ...settings, secretKey: settings.secretKey ?? SECRET_KEY },
    database: { ...opened, kind: opened.url.startsWith("postgres") ? "postgres" : "pglite" },
    now: () => new Date(started + offset * 1000),
    write: (line) => lines.push(line),
    defer: (work) => void deferred.push(work()),
    alarm: (at) => {
      alarm = at;
    },
  });
  if (fetchPublic) ctx.fetchPublic = fetchPublic;
  await prepareInstallation(ctx);
  return {
    ctx,
    lines,
    advance: (seconds) => {
      offset += seconds;
    },
    settled: async () => void (await Promise.all(deferred.splice(0))),
    alarm: () => alarm,
  };
}

/** Two instances of the server on one database, each with a pool and caches of its own. */
export async function twoInstances(
  options: Options = {},
): Promise<[TestContext, TestContext, () => Promise<void>]> {
  const first = await testContext(options);
  const second = await openSecondConnection();
  return [first, await testContext({ ...options, database: second }), second.close];
}

/** A value no other test has. */
export const unique = (prefix = "t"): string => `${prefix}${randomBytes(6).toString("hex")}`;
