// client_credentials, ours on both mounts against oidc-provider, on one PostgreSQL: node bench/issuance.mjs
// Servers run on core 0, the load on core 1; rounds are interleaved; medians with min and max are printed.
import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import postgres from "postgres";
import { ensurePostgres } from "../scripts/postgres.mjs";

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 5);
const SECONDS = Number(process.env.BENCH_SECONDS ?? 10);
const WARM_SECONDS = Number(process.env.BENCH_WARM_SECONDS ?? 60);
const CONNECTIONS = 32;
const RESOURCE = "https://notes.example/mcp";
const ADMIN_KEY = randomBytes(24).toString("base64url");
const SECRET_KEY = randomBytes(48).toString("base64url");
const TICKS_PER_SECOND = Number(spawnSync("getconf", ["CLK_TCK"], { encoding: "utf8" }).stdout);

const database = await ensurePostgres({ durable: true });
const databaseUrl = await createDatabase();
const servers = [];
try {
  servers.push(
    await ours("ours, own server", 8101, ["dist/server.mjs"]),
    await ours("ours, Next route", 8102, [
      "node_modules/next/dist/bin/next",
      "start",
      "-p",
      "8102",
      "-H",
      "localhost",
    ]),
    await peer("oidc-provider", 8103),
  );
  for (const server of servers) await measure(server, WARM_SECONDS);
  const results = new Map(servers.map(({ name }) => [name, []]));
  for (let round = 1; round <= ROUNDS; round += 1) {
    for (const server of servers) {
      results.get(server.name).push(await measure(server, SECONDS));
      process.stderr.write(`round ${round} of ${ROUNDS}: ${server.name}\n`);
    }
  }
  print(results);
} finally {
  for (const { child } of servers) child.kill("SIGKILL");
  await database.stop();
}

/** A database of this run's own. */
async function createDatabase() {
  const sql = postgres(database.url, { max: 1 });
  const name = `bench_${randomBytes(4).toString("hex")}`;
  await sql.unsafe(`create database ${name}`);
  await sql.end();
  const url = new URL(database.url);
  url.pathname = `/${name}`;
  return url.href;
}

async function ours(name, port, args) {
  const origin = `http://localhost:${port}`;
  const child = start(args, {
    AUTHGENT_PORT: `${port}`,
    PORT: `${port}`,
    AUTHGENT_DATABASE_URL: databaseUrl,
    AUTHGENT_SECRET_KEY: SECRET_KEY,
    AUTHGENT_ADMIN_API_KEY: ADMIN_KEY,
    AUTHGENT_TOKEN_RATE_LIMIT: "100000000",
    AUTHGENT_LOG_LEVEL: "info",
  });
  await untilReady(`${origin}/ready`);
  const client = await register(origin);
  return {
    name,
    child,
    origin,
    path: "/token",
    body: form({ ...client, scope: "notes:read", resource: RESOURCE }),
  };
}

/** A client of its own for each mount, as an operator registers one, for a resource that is registered too. */
async function register(origin) {
  const headers = { "content-type": "application/json", "x-admin-key": ADMIN_KEY };
  const scopes = [{ name: "notes:read", description: "Read notes", risk: "low" }];
  const resource = JSON.stringify({ resource: RESOURCE, name: "Notes", scopes });
  await fetch(`${origin}/resources`, { method: "POST", headers, body: resource });
  const metadata = {
    client_name: "bench",
    grant_types: ["client_credentials"],
    response_types: [],
    token_endpoint_auth_method: "client_secret_post",
    scope: "notes:read",
  };
  const response = await fetch(`${origin}/clients`, {
    method: "POST",
    headers,
    body: JSON.stringify(metadata),
  });
  if (response.status !== 201) throw new Error(`registration: ${response.status} ${await response.text()}`);
  const { client_id, client_secret } = await response.json();
  return { client_id, client_secret };
}

async function peer(name, port) {
  const client_secret = randomBytes(32).toString("base64url");
  const env = { BENCH_PORT: `${port}`, BENCH_DATABASE_URL: databaseUrl, BENCH_SECRET: client_secret };
  const child = start(["bench/oidc-provider.mjs"], env);
  const origin = `http://localhost:${port}`;
  await untilReady(`${origin}/.well-known/openid-configuration`);
  return {
    name,
    child,
    origin,
    path: "/token",
    body: form({ client_id: "bench", client_secret, scope: "notes:read", resource: RESOURCE }),
  };
}

function form(fields) {
  return new URLSearchParams({ grant_type: "client_credentials", ...fields }).toString();
}

function start(args, env) {
  const child = spawn("taskset", ["-c", "0", process.execPath, ...args], {
    env: { PATH: process.env.PATH, NODE_ENV: "production", ...env },
    stdio: ["ignore", "ignore", "inherit"],
  });
  return child;
}

async function untilReady(url) {
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

async function measure({ child, origin, path, body }, seconds) {
  const cpuBefore = cpuSeconds(child.pid);
  const settings = JSON.stringify({ origin, path, body, connections: CONNECTIONS, seconds });
  const load = spawn("taskset", ["-c", "1", process.execPath, "bench/load.mjs", settings], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const chunks = [];
  load.stdout.on("data", (chunk) => chunks.push(chunk));
  const [code] = await once(load, "exit");
  if (code !== 0) throw new Error("the load failed");
  const result = JSON.parse(Buffer.concat(chunks).toString());
  if (result.refused || result.unchecked) throw new Error(`not only tokens: ${JSON.stringify(result)}`);
  const cpu = cpuSeconds(child.pid) - cpuBefore;
  return {
    rate: result.requests / result.seconds,
    cpu: (cpu / result.requests) * 1e6,
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

function print(results) {
  const row = (cells) => `| ${cells.join(" | ")} |\n`;
  process.stdout.write(
    row(["server", "requests/s", "CPU µs/request", "p50 ms", "p99 ms"]) +
      row(["---", "---", "---", "---", "---"]),
  );
  for (const [name, runs] of results) {
    const cells = ["rate", "cpu", "p50", "p99"].map((key) =>
      spread(
        runs.map((run) => run[key]),
        key === "rate" || key === "cpu" ? 0 : 1,
      ),
    );
    process.stdout.write(row([name, ...cells]));
  }
  const [own, next, other] = [...results.values()].map((runs) => median(runs.map(({ cpu }) => cpu)));
  process.stdout.write(
    `\nCPU per token, oidc-provider ÷ ours: ${(other / own).toFixed(2)} (own server), ${(other / next).toFixed(2)} (Next route)\n`,
  );
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

function spread(values, digits) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return `${median(values).toFixed(digits)} (${low.toFixed(digits)}–${high.toFixed(digits)})`;
}
