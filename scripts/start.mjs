import { existsSync } from "node:fs";
import { root } from "./fingerprint.mjs";
import { installPackages, requireNode } from "./packages.mjs";
import { fail } from "./progress.mjs";

/** `npm start`: installs and builds what is missing, then becomes the server. Needs nothing but Node. */
async function start() {
  requireNode();
  process.chdir(root);
  if (existsSync(".env")) process.loadEnvFile(".env");
  await prepare().catch(fail);
  process.env.NODE_ENV ??= "production";
  // In this same process: signals, exit code and terminal are the server's own.
  await import(new URL("../dist/server.mjs", import.meta.url).href);
}

async function prepare() {
  await installPackages();
  // Imported late: it needs packages that a moment ago may not have been there.
  const { build } = await import("./build.mjs");
  await build();
}

await start();
