import { existsSync, readFileSync } from "node:fs";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { fingerprint, root } from "./fingerprint.mjs";

const cache = join(root, "node_modules", ".cache", "authgent");

/**
 * Makes a migrated PGlite data directory, gzipped, and resolves to its path: a new embedded database that
 * starts from it skips initdb, seconds of work. Made once for each set of migrations and PGlite version.
 */
export async function buildTemplate() {
  const file = join(cache, `pglite-${templateKey()}.tgz`);
  if (existsSync(file)) return file;

  await mkdir(cache, { recursive: true });
  const unfinished = `${file}.${process.pid}`;
  await writeFile(unfinished, await dumpMigratedDatabase());
  await rename(unfinished, file);
  return file;
}

/** What the template depends on: PGlite's version decides the format of the data directory. */
export function templateKey() {
  const { dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  return `${dependencies["@electric-sql/pglite"]}-${fingerprint(["db/migrations"]).slice(0, 16)}`;
}

async function dumpMigratedDatabase() {
  const [{ PGlite }, { drizzle }, { migrate }] = await Promise.all([
    import("@electric-sql/pglite"),
    import("drizzle-orm/pglite"),
    importMigrate(),
  ]);
  const client = await PGlite.create();
  try {
    await migrate(drizzle({ client }));
    const dump = await client.dumpDataDir("gzip");
    return Buffer.from(await dump.arrayBuffer());
  } finally {
    await client.close();
  }
}

/** Plain Node does not read TypeScript, so `db/migrate.ts` is bundled first. */
async function importMigrate() {
  const { build, stop } = await import("esbuild");
  const outfile = join(cache, `migrate-${process.pid}.mjs`);
  await build({
    absWorkingDir: root,
    entryPoints: ["db/migrate.ts"],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    packages: "external",
    logLevel: "error",
  });
  await stop();
  try {
    return await import(pathToFileURL(outfile).href);
  } finally {
    await rm(outfile);
  }
}
