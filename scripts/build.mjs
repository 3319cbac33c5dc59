import { existsSync, readFileSync } from "node:fs";
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { buildTemplate, templateKey } from "./build-template.mjs";
import { fingerprint, root } from "./fingerprint.mjs";
import { tool } from "./packages.mjs";
import { fail, must, step } from "./progress.mjs";

const RECORD = join(root, "dist", ".build.json");
const sources = ["lib", "db", "sdk", "package-lock.json", "tsconfig.json", "scripts/build.mjs"];
const pages = [
  "app",
  "components",
  "next.config.mjs",
  "postcss.config.mjs",
  "proxy.ts",
  "instrumentation.ts",
];

/** What a build makes, in order. A part is made again when the digest of its inputs changes. */
const parts = [
  {
    title: "building styles",
    digest: () => fingerprint([...pages, ...sources, "scripts/build-styles.mjs"]),
    output: "public/authgent.css",
    make: () => must(process.execPath, ["scripts/build-styles.mjs"], { cwd: root }),
  },
  {
    title: "building the server",
    digest: () => fingerprint(["server", "cli", ...sources]),
    output: "dist/server.mjs",
    make: bundle,
  },
  {
    title: "building the pages",
    digest: () => fingerprint([...pages, ...sources]),
    output: ".next/BUILD_ID",
    make: () =>
      must(tool("next"), ["build"], { cwd: root, env: { NODE_ENV: "production" }, timeoutSeconds: 600 }),
  },
  {
    title: "preparing an empty database",
    digest: templateKey,
    output: "dist/pglite-template.tgz",
    make: async () => copyFile(await buildTemplate(), join(root, "dist", "pglite-template.tgz")),
  },
];

/** Makes whatever part of the build is missing or older than its inputs. */
export async function build() {
  await mkdir(join(root, "dist"), { recursive: true });
  const record = readRecord();
  for (const { title, digest, output, make } of parts) {
    const inputs = digest();
    if (record[output] === inputs && existsSync(join(root, output))) continue;
    await step(title, make);
    record[output] = inputs;
    await writeFile(RECORD, `${JSON.stringify(record, null, 2)}\n`);
  }
}

/** The Node server and the command line, each one file; packages stay in node_modules. */
async function bundle() {
  const esbuild = await import("esbuild");
  await esbuild.build({
    absWorkingDir: root,
    entryPoints: { server: "./server/main.ts", authgent: "./cli/authgent.ts" },
    outdir: "dist",
    outExtension: { ".js": ".mjs" },
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    packages: "external",
    sourcemap: true,
    logLevel: "error",
  });
  // Its service would stay behind the server that `npm start` goes on to.
  await esbuild.stop();
}

function readRecord() {
  return existsSync(RECORD) ? JSON.parse(readFileSync(RECORD, "utf8")) : {};
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  process.chdir(root);
  await build().catch(fail);
}
