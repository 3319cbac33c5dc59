import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { aptInstall } from "./apt.mjs";
import { root } from "./fingerprint.mjs";
import { run, step } from "./progress.mjs";

const REPOSITORY = "https://github.com/authgent/authgent";
/** What the compatibility of docs/compatibility.md was measured with. */
const COMMIT = "94c14d871140137422c9c5e4adf948972669e387";
const CHECKOUT = join(root, "node_modules", ".cache", "authgent", "python-sdk");

const PYTHONS = ["/usr/bin/python3", "python3"];
const DEBIAN_PACKAGES = ["python3-httpx", "python3-jwt", "python3-cryptography"];

const OWN_COPY =
  "With a copy of your own, set AUTHGENT_PYTHON_SDK=DIR, its folder sdks/python (the one with authgent/client.py in it)";

/** Why there is no SDK, for the person at the terminal: printed as it is. */
class Missing extends Error {}

/**
 * The Python SDK `authgent`, which is in no package registry of ours and not to be copied here: the folder that
 * AUTHGENT_PYTHON_SDK names, else the checkout that `node scripts/python-sdk.mjs` made. Answers with a Python that
 * imports it, or with what is missing; a folder that was named and is none is an error.
 */
export function findPythonSdk() {
  const named = process.env.AUTHGENT_PYTHON_SDK;
  const path = named ? resolve(named) : join(CHECKOUT, "sdks", "python");
  if (!existsSync(join(path, "authgent", "client.py"))) {
    if (named)
      throw new Missing(`AUTHGENT_PYTHON_SDK names ${named}, and there is no authgent/client.py in it.`);
    return { missing: "it was not fetched: run node scripts/python-sdk.mjs, or set AUTHGENT_PYTHON_SDK" };
  }
  if (!named && checkedOut() !== COMMIT)
    return { missing: `the checkout is not commit ${COMMIT.slice(0, 7)}` };
  const env = { PATH: process.env.PATH, PYTHONPATH: path, PYTHONDONTWRITEBYTECODE: "1" };
  let problem;
  for (const python of PYTHONS) {
    problem = importProblem(python, env);
    if (problem === undefined) return { python, env };
  }
  return { missing: `no Python here imports it (${problem}): install httpx, PyJWT and cryptography` };
}

/** Fetches the SDK and the Python packages it needs, as far as they are missing and can be had. */
export async function ensurePythonSdk() {
  if (!findPythonSdk().missing) return findPythonSdk();
  if (!process.env.AUTHGENT_PYTHON_SDK && checkedOut() !== COMMIT) {
    const problem = await fetchSdk();
    if (problem !== undefined)
      return { missing: `git did not fetch ${REPOSITORY} (${problem}). ${OWN_COPY}` };
  }
  if (findPythonSdk().missing) await aptInstall(DEBIAN_PACKAGES);
  return findPythonSdk();
}

/**
 * Exactly the commit, without its history; a checkout that did not become it is removed.
 * Resolves to what git said last where it could not.
 */
async function fetchSdk() {
  rmSync(CHECKOUT, { recursive: true, force: true });
  mkdirSync(CHECKOUT, { recursive: true });
  const steps = [
    ["init", "--quiet"],
    ["fetch", "--quiet", "--depth", "1", REPOSITORY, COMMIT],
    ["checkout", "--quiet", "--detach", "FETCH_HEAD"],
  ];
  for (const args of steps) {
    const { code, output } = await run("git", ["-C", CHECKOUT, ...args], {
      timeoutSeconds: 60,
      // It would ask a terminal who we are, and wait.
      env: { GIT_TERMINAL_PROMPT: "0" },
    });
    if (code === 0) continue;
    rmSync(CHECKOUT, { recursive: true, force: true });
    return lastLine(output) ?? `git ${args[0]} ended with code ${code}`;
  }
}

const lastLine = (output) => output.trim().split("\n").at(-1)?.trim() || undefined;

function checkedOut() {
  if (!existsSync(join(CHECKOUT, ".git"))) return undefined;
  try {
    return execFileSync("git", ["-C", CHECKOUT, "rev-parse", "HEAD"], {
      encoding: "utf8",
      stdio: "pipe",
    }).trim();
  } catch {
    // Nothing was fetched into it.
    return undefined;
  }
}

/** What Python said last where it cannot import the SDK. */
function importProblem(python, env) {
  try {
    execFileSync(python, ["-c", "import authgent"], { env, stdio: "pipe", timeout: 20_000 });
    return undefined;
  } catch (error) {
    return lastLine(String(error.stderr ?? "")) ?? error.message;
  }
}

async function requirePythonSdk() {
  const { python, missing } = await ensurePythonSdk();
  if (missing) throw new Missing(`It cannot be had: ${missing}.`);
  return python;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  try {
    const python = await step("looking for the Python SDK of authgent", requirePythonSdk);
    console.log(`It is here, and ${python} imports it.`);
  } catch (error) {
    console.error(error instanceof Missing ? error.message : error);
    process.exitCode = 1;
  }
}
