import { chmod, mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname, join, resolve } from "node:path";

/** Thrown when another live process has the embedded database open. */
export class DatabaseInUseError extends Error {
  override readonly name = "DatabaseInUseError";
}

export type LockedDirectory = {
  path: string;
  /** True when the directory holds no database yet. */
  isNew: boolean;
  release(): Promise<void>;
};

type Owner = { pid: number; startedAt: string; host: string };

/**
 * Makes the directory of an embedded database private and ours.
 * PGlite takes no lock of its own, and two processes in one directory lose rows, so ours is never taken from a
 * live process: the owner is known by its pid and the time that process started.
 */
export async function prepareDirectory(path: string): Promise<LockedDirectory> {
  const directory = resolve(path);
  const parent = dirname(directory);
  await mkdir(parent, { recursive: true, mode: 0o700 });
  await mkdir(directory, { recursive: true, mode: 0o700 });
  // PGlite creates world-readable files; only the directory protects them.
  await chmod(directory, 0o700);
  const lock = `${directory}.lock`;
  await takeLock(lock, directory);
  const entries = await readdir(directory);
  return { path: directory, isNew: entries.length === 0, release: () => rm(lock, { force: true }) };
}

async function takeLock(lock: string, directory: string): Promise<void> {
  const mine: Owner = { pid: process.pid, startedAt: await startTime(process.pid), host: hostname() };
  for (;;) {
    try {
      // "wx" creates the file or fails: of two processes exactly one gets through.
      const file = await open(lock, "wx", 0o600);
      await file.writeFile(JSON.stringify(mine));
      await file.close();
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const owner = await readOwner(lock);
    if (owner && (await isAlive(owner))) throw new DatabaseInUseError(inUse(directory, owner));
    await discard(lock);
  }
}

/** Moves a dead owner's lock aside under a name of our own, so that two takers cannot both remove a live one. */
async function discard(lock: string): Promise<void> {
  const aside = `${lock}.${process.pid}`;
  try {
    await rename(lock, aside);
    const owner = await readOwner(aside);
    if (owner && (await isAlive(owner))) {
      await rename(aside, lock);
      return;
    }
    await rm(aside, { force: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}

async function readOwner(lock: string): Promise<Owner | undefined> {
  try {
    const owner = JSON.parse(await readFile(lock, "utf8")) as Partial<Owner>;
    if (typeof owner.pid !== "number" || typeof owner.startedAt !== "string") return undefined;
    return { pid: owner.pid, startedAt: owner.startedAt, host: owner.host ?? hostname() };
  } catch {
    return undefined;
  }
}

/** A reused pid belongs to a process that started at another time. Another host's process cannot be judged. */
async function isAlive(owner: Owner): Promise<boolean> {
  if (owner.host !== hostname()) return true;
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
  return owner.startedAt === (await startTime(owner.pid));
}

/** Field 22 of /proc/PID/stat; where there is no /proc, the pid alone has to do. */
async function startTime(pid: number): Promise<string> {
  try {
    const stat = await readFile(join("/proc", String(pid), "stat"), "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "unknown";
  } catch {
    return "unknown";
  }
}

function inUse(directory: string, owner: Owner): string {
  const where = owner.host === hostname() ? "" : ` on ${owner.host}`;
  return (
    `The embedded database in ${directory} is open in process ${owner.pid}${where}. ` +
    "Stop that process first, or use PostgreSQL (AUTHGENT_DATABASE_URL=postgres://…) to run several."
  );
}
