import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, join } from "node:path";
import { aptInstall } from "./apt.mjs";
import { tool } from "./packages.mjs";
import { CommandFailed, run, step } from "./progress.mjs";

const COMMANDS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/** The path of a Chromium: CHROMIUM_PATH, the system's, or the one that Playwright downloaded. */
export function findBrowser() {
  if (process.env.CHROMIUM_PATH) return process.env.CHROMIUM_PATH;
  const folders = (process.env.PATH ?? "").split(delimiter);
  const candidates = COMMANDS.flatMap((command) => folders.map((folder) => join(folder, command)));
  return [...candidates, playwrightsOwn()].find((path) => existsSync(path));
}

/** Finds a browser, or installs one: from Playwright, else from the system's packages. */
export async function ensureBrowser() {
  const found = findBrowser();
  if (found) return found;
  const output = await step("installing a browser", async () => {
    const download = await run(tool("playwright"), ["install", "chromium"], { timeoutSeconds: 120 });
    if (findBrowser()) return download.output;
    return download.output + (await aptInstall(["chromium", "fonts-dejavu-core"]));
  });
  const installed = findBrowser();
  if (installed) return installed;
  throw new CommandFailed("No browser: install Chromium or Chrome, or set CHROMIUM_PATH to one.", output);
}

function playwrightsOwn() {
  const { chromium } = createRequire(import.meta.url)("@playwright/test");
  return chromium.executablePath();
}
