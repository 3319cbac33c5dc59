import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./fingerprint.mjs";
import { CommandFailed, run, step } from "./progress.mjs";

/** The oldest Node that the pinned packages run on (`engines` of package.json). */
const MINIMUM_NODE = "20.19.0";

/** Ends the process with a sentence when Node is too old to go on. */
export function requireNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  const [wantedMajor, wantedMinor] = MINIMUM_NODE.split(".").map(Number);
  if (major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)) return;
  console.error(
    `Authgent needs Node ${MINIMUM_NODE} or newer; this is ${process.versions.node}. See https://nodejs.org.`,
  );
  process.exit(1);
}

/** Installs the packages of package-lock.json unless exactly they are there already. */
export async function installPackages() {
  if (isInstalled()) return;
  await step("installing packages", async () => {
    const exact = await npm("ci");
    if (exact.code === 0) return;
    // EUSAGE: the lock does not fit this npm or this platform. Anything else would fail again.
    const result = exact.output.includes("EUSAGE") ? await npm("install") : exact;
    if (result.code !== 0) throw new CommandFailed("npm could not install the packages", result.output);
  });
}

/** npm writes `node_modules/.package-lock.json` last, so an install cut short counts as none. */
function isInstalled() {
  const wanted = readLock("package-lock.json");
  const present = readLock("node_modules/.package-lock.json");
  if (!wanted || !present) return false;
  return Object.entries(wanted).every(([path, { version, link, optional, devOptional }]) => {
    if (path === "" || link) return true;
    const found = present[path];
    return found ? found.version === version : Boolean(optional || devOptional);
  });
}

function readLock(path) {
  try {
    return JSON.parse(readFileSync(join(root, path), "utf8")).packages;
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    throw error;
  }
}

/** Development packages build the server, so they are installed under NODE_ENV=production too. */
function npm(command) {
  const args = [command, "--include=dev", "--no-fund", "--no-audit"];
  const options = { cwd: root, timeoutSeconds: 900 };
  return run("npm", args, options);
}

/** The path of a command that a package brings, so that npx is not needed to find it. */
export function tool(name) {
  return join(root, "node_modules", ".bin", name);
}
