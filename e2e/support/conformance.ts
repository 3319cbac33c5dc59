import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createServer, request as forward } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

const TOOLS = "e2e/tools";
const NODE = join(TOOLS, "node_modules/node/bin/node");
const SUITE = join(TOOLS, "node_modules/@modelcontextprotocol/conformance/dist/index.js");

/** Installs the MCP conformance suite and the Node it needs, unless they are there. */
export async function installConformance(): Promise<void> {
  if (existsSync(NODE) && existsSync(SUITE)) return;
  console.log("installing the MCP conformance suite and Node 22 into e2e/tools (about 20 seconds) …");
  const install = spawn("npm", ["ci", "--prefix", TOOLS, "--no-audit", "--no-fund"], { stdio: "inherit" });
  const [code] = await once(install, "close");
  if (code !== 0) throw new Error(`npm ci --prefix ${TOOLS} ended with code ${code}.`);
}

/** One check of the suite, as it records it. */
export type Check = { scenario: string; id: string; status: string; errorMessage?: string };

export type ConformanceRun = { exitCode: number | null; output: string; checks: readonly Check[] };

/**
 * Runs a command of the suite and reads back what it recorded of each check.
 * `onUrl` gets an authorization URL as soon as the suite prints one and waits for the browser.
 */
export async function runConformance(
  args: readonly string[],
  onUrl?: (authorizationUrl: string) => Promise<void>,
): Promise<ConformanceRun> {
  const results = await mkdtemp(join(tmpdir(), "authgent-conformance-"));
  const child = spawn(NODE, [SUITE, ...args, "-o", results], { stdio: ["ignore", "pipe", "pipe"] });
  const ended = once(child, "close");
  const killNow = () => child.kill("SIGKILL");
  process.once("exit", killNow);
  let output = "";
  let visit: Promise<void> | undefined;
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (chunk: string) => {
      output += chunk;
      const [url] = /https?:\/\/\S+\/authorize\?\S+/.exec(output) ?? [];
      if (url && onUrl) visit ??= onUrl(url);
    });
  }
  try {
    await ended;
    await visit;
    return { exitCode: child.exitCode, output, checks: await readChecks(results) };
  } finally {
    child.kill("SIGKILL");
    process.off("exit", killNow);
    await rm(results, { recursive: true, force: true });
  }
}

/** The suite writes a folder `…-<scenario>-<time>` for each scenario, with `checks.json` in it. */
async function readChecks(results: string): Promise<Check[]> {
  const checks: Check[] = [];
  for (const folder of (await readdir(results)).sort()) {
    const scenario = folder.replace(/^(authorization-)?server-/, "").replace(/-\d{4}-\d\d-\d\dT.*$/, "");
    const recorded: Omit<Check, "scenario">[] = JSON.parse(
      await readFile(join(results, folder, "checks.json"), "utf8"),
    );
    checks.push(...recorded.map((check) => ({ ...check, scenario })));
  }
  return checks;
}

/**
 * Stands before a protected MCP server and adds the bearer token to every request, because the suite cannot send one.
 * Everything else, Host and Origin too, is passed on as it came.
 */
export async function startTokenProxy(target: string, token: string): Promise<{ url: string; stop(): void }> {
  const { hostname, port, pathname } = new URL(target);
  const proxy = createServer((incoming, outgoing) => {
    const headers = { ...incoming.headers, authorization: `Bearer ${token}` };
    const onward = forward(
      { hostname, port, path: incoming.url, method: incoming.method, headers },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      },
    );
    onward.on("error", () => outgoing.destroy());
    incoming.pipe(onward);
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  const address = proxy.address();
  if (address === null || typeof address === "string") throw new Error("The system gave no port.");
  return {
    url: `http://localhost:${address.port}${pathname}`,
    stop: () => {
      proxy.close();
      proxy.closeAllConnections();
    },
  };
}
