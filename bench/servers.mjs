// What every measurement here shares: servers on core 0, the load on core 1, and how results are printed.
import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import postgres from "postgres";

export const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 5);
export const SECONDS = Number(process.env.BENCH_SECONDS ?? 10);
export const WARM_SECONDS = Number(process.env.BENCH_WARM_SECONDS ?? 60);
export const RESOURCE = "https://notes.example/mcp";
const CONNECTIONS = 32;
const ADMIN_KEY = randomBytes(24).toString("base64url");
const SECRET_KEY = randomBytes(48).toString("base64url");
const TICKS_PER_SECOND = Number(spawnSync("getconf", ["CLK_TCK"], { encoding: "utf8" }).stdout);

/** A database of this run's own. */
export async function createDatabase(server) {
  const sql = postgres(server, { max: 1 });
  const name = `bench_${randomBytes(4).toString("hex")}`;
  await sql.unsafe(`create database ${name}`);
  await sql.end();
  const url = new URL(server);
  url.pathname = `/${name}`;
  return url.href;
}

/** Our server, as `args` start it, with the resource that tokens are for. */
export async function startOurs(databaseUrl, port, args, env = {}) {
  const origin = `http://localhost:${port}`;
  const child = start(args, {
    AUTHGENT_PORT: `${port}`,
    PORT: `${port}`,
    AUTHGENT_DATABASE_URL: databaseUrl,
    AUTHGENT_SECRET_KEY: SECRET_KEY,
    AUTHGENT_ADMIN_API_KEY: ADMIN_KEY,
    AUTHGENT_TOKEN_RATE_LIMIT: "100000000",
    AUTHGENT_LOG_LEVEL: "info",
    ...env,
  });
  await untilReady(`${origin}/ready`);
  const scopes = [{ name: "notes:read", description: "Read notes", risk: "low" }];
  // Another server on this database may have registered it.
  await manage(origin, "/resources", { resource: RESOURCE, name: "Notes", scopes });
  return { child, origin };
}

/** A client of the operator's. */
export async function register(origin, path, body) {
  const response = await manage(origin, path, body);
  if (response.status !== 201) throw new Error(`registration: ${response.status} ${await response.text()}`);
  return response.json();
}

const manage = (origin, path, body) =>
  fetch(`${origin}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-admin-key": ADMIN_KEY },
    body: JSON.stringify(body),
  });

export function start(args, env) {
  const child = spawn("taskset", ["-c", "0", process.execPath, ...args], {
    env: { PATH: process.env.PATH, NODE_ENV: "production", ...env },
    stdio: ["ignore", "ignore", "inherit"],
  });
  return child;
}

export async function untilReady(url) {
  for (let tries = 0; tries < 120; tries += 1) {
    try {
      if ((await fetch(url)).status === 200) return;
    } catch {
      // Not listening yet.
    }
    await sleep(500);
  }
  throw new Error(`${url} did not answer`);
}

/** Warms every workload, then measures them in turn, round by round: the results of each, by its name. */
export async function measureAll(workloads) {
  for (const workload of workloads) await measure(workload, WARM_SECONDS);
  const results = new Map(workloads.map(({ name }) => [name, []]));
  for (let round = 1; round <= ROUNDS; round += 1) {
    for (const workload of workloads) {
      results.get(workload.name).push(await measure(workload, SECONDS));
      process.stderr.write(`round ${round} of ${ROUNDS}: ${workload.name}\n`);
    }
  }
  return results;
}

/** Runs `flows` against a server; each is a list of requests that follow one another. */
async function measure({ server: { child, origin }, flows }, seconds) {
  const cpuBefore = cpuSeconds(child.pid);
  const load = spawn("taskset", ["-c", "1", process.execPath, "bench/load.mjs"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  load.stdin.end(JSON.stringify({ origin, flows, connections: CONNECTIONS, seconds }));
  const chunks = [];
  load.stdout.on("data", (chunk) => chunks.push(chunk));
  const [code] = await once(load, "exit");
  if (code !== 0) throw new Error("the load failed");
  const result = JSON.parse(Buffer.concat(chunks).toString());
  if (result.refused || result.unchecked) throw new Error(`not all as expected: ${JSON.stringify(result)}`);
  const cpu = cpuSeconds(child.pid) - cpuBefore;
  if (result.signing > 0) {
    const share = Math.round(result.signing / result.seconds / 10);
    process.stderr.write(`signing proofs took ${share} % of the load's core\n`);
  }
  return {
    rate: result.flows / result.seconds,
    cpu: (cpu / result.flows) * 1e6,
    p50: result.p50,
    p99: result.p99,
  };
}

/** User and system time of a process, all its threads, in seconds. */
function cpuSeconds(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** The median CPU of each workload, in µs, in the order they ran. */
export const medianCpu = (results) => [...results.values()].map((runs) => median(runs.map(({ cpu }) => cpu)));

/** A table of medians, with minimum and maximum. */
export function print(results, [what, rate, cpu]) {
  const row = (cells) => process.stdout.write(`| ${cells.join(" | ")} |\n`);
  row([what, rate, cpu, "p50 ms", "p99 ms"]);
  row(["---", "---", "---", "---", "---"]);
  for (const [name, runs] of results) {
    const cell = (key, digits) =>
      spread(
        runs.map((run) => run[key]),
        digits,
      );
    row([name, cell("rate", 0), cell("cpu", 0), cell("p50", 1), cell("p99", 1)]);
  }
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

export function spread(values, digits) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return `${median(values).toFixed(digits)} (${low.toFixed(digits)}–${high.toFixed(digits)})`;
}
