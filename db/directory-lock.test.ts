import { readFileSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DatabaseInUseError, prepareDirectory } from "./directory-lock";

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "authgent-lock-"));
  path = join(folder, "db");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const startOf = (pid: number) => {
  const line = readFileSync(`/proc/${pid}/stat`, "utf8");
  return line.slice(line.lastIndexOf(")") + 2).split(" ")[19];
};
const writeLock = (owner: object) =>
  writeFile(`${path}.lock`, JSON.stringify({ host: hostname(), ...owner }));

describe("the lock on the embedded database", () => {
  it("makes the directory private to its owner", async () => {
    await prepareDirectory(path);
    expect(((await stat(path)).mode & 0o777).toString(8)).toBe("700");
  });

  it("refuses a second opener, naming the process and the way out", async () => {
    await prepareDirectory(path);
    await expect(prepareDirectory(path)).rejects.toThrow(
      `The embedded database in ${path} is open in process ${process.pid}. ` +
        "Stop that process first, or use PostgreSQL (AUTHGENT_DATABASE_URL=postgres://…) to run several.",
    );
  });

  it("lets exactly one of twenty openers in", async () => {
    const results = await Promise.allSettled(Array.from({ length: 20 }, () => prepareDirectory(path)));
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    const reasons = results.flatMap((result) => (result.status === "rejected" ? [result.reason] : []));
    expect(reasons.every((reason) => reason instanceof DatabaseInUseError)).toBe(true);
  });

  it("is free again after a release", async () => {
    await (await prepareDirectory(path)).release();
    expect((await prepareDirectory(path)).path).toBe(path);
  });

  it("is never taken from a process that lives", async () => {
    await writeLock({ pid: process.ppid, startedAt: startOf(process.ppid) });
    await expect(prepareDirectory(path)).rejects.toThrow(DatabaseInUseError);
  });

  it("is taken over from a process that is gone", async () => {
    await writeLock({ pid: 2 ** 22 + 1, startedAt: "1" });
    await prepareDirectory(path);
    expect(JSON.parse(await readFile(`${path}.lock`, "utf8"))).toMatchObject({ pid: process.pid });
  });

  it("is taken over when another process has got the old one's pid", async () => {
    await writeLock({ pid: process.ppid, startedAt: "1" });
    await prepareDirectory(path);
    expect(JSON.parse(await readFile(`${path}.lock`, "utf8"))).toMatchObject({ pid: process.pid });
  });

  it("is never taken from another host, whose processes cannot be seen", async () => {
    await writeLock({ pid: 1, startedAt: "1", host: "elsewhere" });
    await expect(prepareDirectory(path)).rejects.toThrow("is open in process 1 on elsewhere");
  });

  it("is taken over when a crash left half of it", async () => {
    await writeFile(`${path}.lock`, '{"pid":');
    await prepareDirectory(path);
    expect(await readdir(folder)).toEqual(["db", "db.lock"]);
  });
});
