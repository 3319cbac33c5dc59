import { pathToFileURL } from "node:url";
import { root } from "./fingerprint.mjs";
import { tool } from "./packages.mjs";
import { fail, must, step } from "./progress.mjs";

const run = (name, ...args) => must(tool(name), args, { cwd: root, timeoutSeconds: 300 });

/** What has to hold before anything runs, cheapest first. `npm test` goes through the same list. */
export const checks = [
  { title: "format and lint", check: () => run("biome", "check", ".") },
  {
    title: "types",
    async check() {
      // Routes have generated types, so they come first.
      await run("next", "typegen");
      await run("tsc", "--noEmit");
    },
  },
  { title: "unused code", check: () => run("knip") },
];

const unitTests = {
  title: "unit and spec tests",
  check: () => must(tool("vitest"), ["run"], { cwd: root, env: { TEST_DATABASE_URL: "" } }),
};

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  for (const { title, check } of [...checks, unitTests]) await step(title, check).catch(fail);
}
