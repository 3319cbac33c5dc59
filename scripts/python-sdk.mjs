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
      throw new Error(`AUTHGENT_PYTHON_SDK names ${named}, and there is no authgent/client.py in it.`);
    return { missing: "it was not fetched: run node scripts/python-sdk.mjs, or set AUTHGENT_PYTHON_SDK" };
  }
  if (!named && checkedOut() !== COMMIT)
    return { missing: `the checkout is not commit ${COMMIT.slice(0, 7)}` };
  const env = { PATH: process.env.PATH, PYTHONPATH: path, PYTHONDONTWRITEBYTECODE: "1" };
  const python = PYTHONS.find((candidate) => imports(candidate, env));
  return python ? { python, env } : { missing: "no Python here has httpx, PyJWT and cryptography" };
}

/** Fetches the SDK and the Python packages it needs, as far as they are missing and can be had. */
export async function ensurePythonSdk() {
  if (!findPythonSdk().missing) return findPythonSdk();
  if (!process.env.AUTHGENT_PYTHON_SDK && checkedOut() !== COMMIT) await fetchSdk();
  if (findPythonSdk().missing) await aptInstall(DEBIAN_PACKAGES);
  return findPythonSdk();
}

/** Exactly the commit, without its history; a checkout that did not become it is removed. */
async function fetchSdk() {
  rmSync(CHECKOUT, { recursive: true, force: true });
  mkdirSync(CHECKOUT, { recursive: true });
  const git = (...args) => run("git", ["-C", CHECKOUT, ...args], { timeoutSeconds: 60 });
  await git("init", "--quiet");
  await git("fetch", "--quiet", "--depth", "1", REPOSITORY, COMMIT);
  await git("checkout", "--quiet", "--detach", "FETCH_HEAD");
  if (checkedOut() !== COMMIT) rmSync(CHECKOUT, { recursive: true, force: true });
}

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

function imports(python, env) {
  try {
    execFileSync(python, ["-c", "import authgent"], { env, stdio: "ignore", timeout: 20_000 });
    return true;
  } catch {
    return false;
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const { python, missing } = await step("looking for the Python SDK of authgent", ensurePythonSdk);
  console.log(python ? `It is here, and ${python} imports it.` : `It cannot be had: ${missing}.`);
  process.exitCode = python ? 0 : 1;
}
