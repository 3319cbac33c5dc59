import { openAsBlob } from "node:fs";
import type { Context } from "@/lib/context";
import { assembleContext, openMigrated, prepareInstallation } from "@/lib/create-context";
import { loadSettings } from "@/lib/settings";

type Program = {
  /** A dump of a migrated database; empty: the database is there. */
  template: string;
  /** Seconds that its clock is ahead. */
  later: string;
  /** It is killed after its first commit, before anything is delivered. */
  diesAfterCommit: boolean;
  /** Writes a line of its log. */
  write(line: string): void;
};

/** Nothing that comes after this is run. */
export const die = (): void => void process.kill(process.pid, "SIGKILL");

/** A server without its endpoints, for a program that is killed; `end` waits for what it left for later. */
export async function crashContext({ template, later, diesAfterCommit, write }: Program) {
  const { settings } = loadSettings();
  const database = await openMigrated(settings, () => openAsBlob(template));
  const deferred: Promise<void>[] = [];
  const ctx: Context = assembleContext({
    settings: { ...settings, secretKey: settings.secretKey ?? "" },
    database,
    now: () => new Date(Date.now() + Number(later) * 1000),
    write,
    defer: (work) => {
      if (diesAfterCommit) die();
      else deferred.push(work());
    },
    alarm: () => undefined,
  });
  await prepareInstallation(ctx);
  const end = async () => {
    await Promise.all(deferred);
    await database.close();
  };
  return { ctx, end };
}
