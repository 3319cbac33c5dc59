import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { text } from "node:stream/consumers";
import { build } from "esbuild";
import { inject } from "vitest";
import { type Db, openDatabase } from "@/db/client";
import { unique } from "./context";
import { onPostgres } from "./databases";
import { adminDatabase, withDatabase } from "./postgres";

/** A program of test/support that is run in a process of its own, to be killed. */
export type Crashing = Awaited<ReturnType<typeof crashing>>;

/** Bundles a program once for a test file. */
export async function crashing(program: string) {
  const outfile = `node_modules/.cache/authgent-${basename(program, ".ts")}.mjs`;
  await mkdir("node_modules/.cache", { recursive: true });
  await build({
    entryPoints: [program],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    packages: "external",
  });

  /** A database that outlives the program, and how to start the program on it. */
  async function installation(env: Record<string, string>) {
    const folder = await mkdtemp(join(tmpdir(), "authgent-crash-"));
    const databaseUrl = await newDatabase(folder);

    function start(action: string, ...args: readonly (string | number)[]): ChildProcess {
      const template = onPostgres ? "" : inject("databaseTemplate");
      return spawn(process.execPath, [outfile, action, template, ...args.map(String)], {
        stdio: ["ignore", "pipe", "inherit"],
        env: {
          PATH: process.env.PATH,
          NODE_ENV: "test",
          AUTHGENT_DATABASE_URL: databaseUrl,
          AUTHGENT_SECRET_KEY: "only-for-tests-0123456789abcdefghijklmnopqrstuv",
          ...env,
        },
      });
    }

    /** Looks into the database while no program has it. */
    async function read<Rows>(query: (db: Db) => Promise<Rows>): Promise<Rows> {
      const { db, close } = await openDatabase(databaseUrl);
      const rows = await query(db);
      await close();
      return rows;
    }

    return { start, read, remove: () => rm(folder, { recursive: true }) };
  }

  return { installation, remove: () => rm(outfile) };
}

/** A database on disk, or on the PostgreSQL of this run, which drops it at its end. */
async function newDatabase(folder: string): Promise<string> {
  if (!onPostgres) return `pglite://${join(folder, "db")}`;
  const template = inject("databaseTemplate");
  const name = `${template}_${unique("crash")}`;
  const admin = adminDatabase(process.env.TEST_DATABASE_URL ?? "");
  await admin.create(name, template);
  await admin.close();
  return withDatabase(process.env.TEST_DATABASE_URL ?? "", name);
}

/** How a program ended, with what it printed: its exit code, or the signal that killed it. */
export async function ended(program: ChildProcess): Promise<{ how: unknown; output: string }> {
  const [[code, signal], output] = await Promise.all([
    once(program, "exit"),
    program.stdout ? text(program.stdout) : "",
  ]);
  return { how: signal ?? code, output };
}
