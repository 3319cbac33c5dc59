import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from "vitest";
import { openDatabase } from "@/db/client";
import { outbox } from "@/db/schema/outbox";
import { unique } from "@/test/support/context";
import { onPostgres } from "@/test/support/databases";
import { adminDatabase, withDatabase } from "@/test/support/postgres";
import { jsonOf, type Receiver, receiver } from "@/test/support/receivers";

const PROGRAM = "node_modules/.cache/authgent-crash-program.mjs";

let hook: Receiver;
let folder: string;
let databaseUrl: string;

beforeAll(async () => {
  await mkdir("node_modules/.cache", { recursive: true });
  await build({
    entryPoints: ["test/support/crash-program.ts"],
    outfile: PROGRAM,
    bundle: true,
    platform: "node",
    format: "esm",
    packages: "external",
  });
});
afterAll(() => rm(PROGRAM));

beforeEach(async () => {
  hook = await receiver();
  folder = await mkdtemp(join(tmpdir(), "authgent-crash-"));
  databaseUrl = await newDatabase();
});
afterEach(async () => {
  await hook.close();
  await rm(folder, { recursive: true });
});

/** A database on disk, or on the PostgreSQL of this run, which drops it at its end. */
async function newDatabase(): Promise<string> {
  if (!onPostgres) return `pglite://${join(folder, "db")}`;
  const template = inject("databaseTemplate");
  const name = `${template}_${unique("crash")}`;
  const admin = adminDatabase(process.env.TEST_DATABASE_URL ?? "");
  await admin.create(name, template);
  await admin.close();
  return withDatabase(process.env.TEST_DATABASE_URL ?? "", name);
}

/** Starts the program; `later` is by how many seconds its clock is ahead. */
function start(action: "deliver" | "queue" | "queue-and-die", later = 0): ChildProcess {
  const { PATH } = process.env;
  const template = onPostgres ? "" : inject("databaseTemplate");
  return spawn(process.execPath, [PROGRAM, action, template, String(later)], {
    stdio: ["ignore", "ignore", "inherit"],
    env: {
      PATH,
      NODE_ENV: "test",
      AUTHGENT_DATABASE_URL: databaseUrl,
      AUTHGENT_SECRET_KEY: "only-for-tests-0123456789abcdefghijklmnopqrstuv",
      AUTHGENT_WEBHOOK_URL: hook.url,
      AUTHGENT_WEBHOOK_HMAC_SECRET: "a-secret-of-24-characters",
    },
  });
}

/** How the program ended: its exit code, or the signal that killed it. */
async function end(program: ChildProcess): Promise<unknown> {
  const [code, signal] = await once(program, "exit");
  return signal ?? code;
}

const run = (action: "deliver" | "queue" | "queue-and-die", later = 0) => end(start(action, later));

const arrived = () => hook.received.map(({ headers }) => String(headers["webhook-id"]));

async function statuses(): Promise<string[]> {
  const { db, close } = await openDatabase(databaseUrl);
  const rows = await db.select({ channel: outbox.channel, status: outbox.status }).from(outbox);
  await close();
  return rows.filter(({ channel }) => channel === "webhook").map(({ status }) => status);
}

describe("R20: a server that is killed (SIGKILL)", () => {
  it("between commit and delivery: the next one delivers everything, once", async () => {
    expect(await run("queue-and-die")).toBe("SIGKILL");
    expect(hook.received).toEqual([]);
    expect(await run("deliver")).toBe(0);
    expect(new Set(arrived()).size).toBe(3);
    expect(hook.received).toHaveLength(3);
    expect(await statuses()).toEqual(["delivered", "delivered", "delivered"]);
    expect(await run("deliver", 60)).toBe(0);
    expect(hook.received).toHaveLength(3);
  }, 60_000);

  it("between delivery and noting it: everything arrives, twice at most, and under the same ids", async () => {
    let program: ChildProcess | undefined;
    // The receiver has it and is about to say so.
    hook.handles(() => void program?.kill("SIGKILL"));
    program = start("queue");
    expect(await end(program)).toBe("SIGKILL");
    const before = arrived();
    expect(before.length).toBeGreaterThan(0);

    hook.answers(204);
    // What the dead one took is its own until the lease ends.
    expect(await run("deliver")).toBe(0);
    expect(await run("deliver", 31)).toBe(0);
    const all = arrived();
    expect(new Set(all).size).toBe(3);
    // Twice only what had arrived before: nothing that the receiver cannot tell by its id.
    const repeated = all.filter((id, place) => all.indexOf(id) !== place);
    expect(repeated.filter((id) => !before.includes(id))).toEqual([]);
    expect(new Set(hook.received.map((one) => jsonOf(one).notification_id)).size).toBe(3);
    expect(await statuses()).toEqual(["delivered", "delivered", "delivered"]);
  }, 60_000);
});
