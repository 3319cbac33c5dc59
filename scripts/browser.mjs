import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, join } from "node:path";
import { aptInstall } from "./apt.mjs";
import { tool } from "./packages.mjs";
import { CommandFailed, run, step } from "./progress.mjs";

const COMMANDS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/** The path of a Chromium: CHROMIUM_PATH, the system's, or the one that Playwright downloaded. */
export function findBrowser() {
  return candidates()[0];
}

/** Finds a browser that starts, or installs one, and leaves its path in CHROMIUM_PATH. */
export async function ensureBrowser() {
  const path = (await firstThatStarts()) ?? (await installBrowser());
  process.env.CHROMIUM_PATH = path;
}

/** From Playwright, else from the system's packages, which also bring the libraries a download may lack. */
async function installBrowser() {
  if (process.env.CHROMIUM_PATH) throw new CommandFailed("CHROMIUM_PATH names no browser that starts.", "");
  let printed = "";
  return step("installing a browser", async () => {
    const download = await run(tool("playwright"), ["install", "chromium"], { timeoutSeconds: 120 });
    printed += download.output;
    const downloaded = await firstThatStarts();
    if (downloaded) return downloaded;

    printed += await aptInstall(["chromium", "fonts-dejavu-core"]);
    const installed = await firstThatStarts();
    if (installed) return installed;
    throw new CommandFailed("No browser: install Chromium or Chrome, or set CHROMIUM_PATH to one.", printed);
  });
}

function candidates() {
  if (process.env.CHROMIUM_PATH) return [process.env.CHROMIUM_PATH];
  const folders = (process.env.PATH ?? "").split(delimiter);
  const installed = COMMANDS.flatMap((command) => folders.map((folder) => join(folder, command)));
  return [...installed, playwrightsOwn()].filter((path) => existsSync(path));
}

function playwrightsOwn() {
  const { chromium } = createRequire(import.meta.url)("@playwright/test");
  return chromium.executablePath();
}

/** A path is not enough: some systems have a command that only says how to install the browser. */
async function firstThatStarts() {
  for (const path of candidates()) {
    const { code } = await run(path, ["--version"], { timeoutSeconds: 20 });
    if (code === 0) return path;
  }
  return undefined;
}
