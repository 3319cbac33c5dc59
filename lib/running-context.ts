import { randomBytes } from "node:crypto";
import { existsSync, openAsBlob } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { alarmClock } from "./alarm-clock";
import type { Context } from "./context";
import { assembleContext, openMigrated, prepareInstallation } from "./create-context";
import { loadSettings, type Settings } from "./settings";

/** A context in service, with what is needed to end it. */
export type Running = { ctx: Context; warnings: readonly string[]; close(): Promise<void> };

/** Seconds that deferred work gets to end by itself. */
const PATIENCE = 5;

/** Both mounts live in one process but in two bundles; what they share stands here. */
const shared: typeof globalThis & { authgent?: Promise<Running> } = globalThis;

/** The one context of this process, started on first use from the environment; a failed start can be tried again. */
export function runningContext(): Promise<Running> {
  shared.authgent ??= start().catch((error) => {
    delete shared.authgent;
    throw error;
  });
  return shared.authgent;
}

async function start(): Promise<Running> {
  const { settings, warnings } = loadSettings();
  const secretKey = settings.secretKey ?? (await localSecretKey(settings));
  const database = await openMigrated(settings, embeddedTemplate);
  const pending = new Set<Promise<void>>();
  const now = () => new Date();
  const ctx = assembleContext({
    settings: { ...settings, secretKey },
    database,
    now,
    write: bufferedWriter((text) => void process.stdout.write(text)),
    defer: (work) => {
      const running = work()
        .catch((error) => ctx.log.warn("deferred work failed", { error }))
        .finally(() => pending.delete(running));
      pending.add(running);
    },
    alarm: alarmClock(now),
  });
  try {
    await prepareInstallation(ctx);
  } catch (error) {
    await database.close();
    throw error;
  }
  return {
    ctx,
    warnings,
    async close() {
      ctx.courier.stop();
      ctx.waiting.stop();
      // What is still on its way to a slow receiver then is delivered again by whoever starts next.
      await Promise.race([Promise.all(pending), setTimeout(PATIENCE * 1000, undefined, { ref: false })]);
      await database.close();
      delete shared.authgent;
    },
  };
}

/** Writes the lines of one turn of the event loop together: a system call for each line would cost more than the line. */
function bufferedWriter(write: (text: string) => void): (line: string) => void {
  let waiting: string[] = [];
  const flush = () => {
    write(waiting.join(""));
    waiting = [];
  };
  process.on("exit", () => waiting.length > 0 && flush());
  return (line) => {
    if (waiting.push(line) === 1) setImmediate(flush);
  };
}

/** The key of a local server, made on its first start and kept beside its database. */
async function localSecretKey({ databaseUrl }: Settings): Promise<string> {
  const path = databaseUrl.slice("pglite://".length);
  const folder = databaseUrl.startsWith("pglite://") && path !== "memory" ? dirname(path) : ".authgent";
  const file = join(folder, "secret-key");
  if (existsSync(file)) return (await readFile(file, "utf8")).trim();
  // Made private where it is ours; a folder that was there before is somebody's, and the file is private by itself.
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const key = randomBytes(48).toString("base64url");
  // "wx": of two first starts at once the second reads what the first wrote.
  await writeFile(file, `${key}\n`, { mode: 0o600, flag: "wx" }).catch(() => undefined);
  return (await readFile(file, "utf8")).trim();
}

/** A migrated data directory made by the build; without it a first start takes seconds longer. */
async function embeddedTemplate(): Promise<Blob | undefined> {
  const file = join(process.cwd(), "dist", "pglite-template.tgz");
  return existsSync(file) ? openAsBlob(file) : undefined;
}
