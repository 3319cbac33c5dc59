import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { run } from "./progress.mjs";

const ATTEMPTS = 3;
const SECONDS_BETWEEN = 10;

/** Installs Debian packages where that is possible (root and apt); resolves to what was printed about it. */
export async function aptInstall(packages) {
  if (process.getuid?.() !== 0 || !existsSync("/usr/bin/apt-get")) return "";
  const update = await apt(["update"]);
  const install = await apt(["install", "-y", "--no-install-recommends", ...packages]);
  return update + install;
}

/** Another apt may hold a lock: the option waits for most of them, trying again covers the rest. */
async function apt(args) {
  let printed = "";
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const { code, output } = await run("apt-get", ["-o", "DPkg::Lock::Timeout=120", ...args], {
      env: { DEBIAN_FRONTEND: "noninteractive" },
      timeoutSeconds: 300,
    });
    printed += output;
    if (code === 0) break;
    if (attempt < ATTEMPTS) await sleep(SECONDS_BETWEEN * 1000);
  }
  return printed;
}
