// How soon agents that wait hear of a person's answer, and what their waiting costs the database.
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import postgres from "postgres";
import { Agent, request } from "undici";
import { createDatabase, register, startOurs } from "./servers.mjs";

const DATABASE = process.env.TEST_DATABASE_URL ?? process.env.BENCH_DATABASE_URL;
if (!DATABASE) throw new Error("Set BENCH_DATABASE_URL to a PostgreSQL that may create databases.");
const WAITERS = (process.env.BENCH_WAITERS ?? "100,2000").split(",").map(Number);
const ANSWERS = Number(process.env.BENCH_ANSWERS ?? 200);
const PAUSE = Number(process.env.BENCH_ANSWER_PAUSE_MS ?? 40);
const QUIET_SECONDS = Number(process.env.BENCH_SECONDS ?? 5);
const ADMIN = { email: "admin@example.com", password: "a-long-password-for-a-bench" };

const dispatcher = new Agent({
  connections: null,
  pipelining: 1,
  headersTimeout: 120_000,
  bodyTimeout: 120_000,
});
const env = {
  AUTHGENT_ADMIN_EMAIL: ADMIN.email,
  AUTHGENT_ADMIN_PASSWORD: ADMIN.password,
  AUTHGENT_REGISTER_RATE_LIMIT: "100000000",
  AUTHGENT_HITL_TIMEOUT: "900",
  AUTHGENT_LOG_LEVEL: "warn",
};

const url = await createDatabase(DATABASE);
const sql = postgres(url, { max: 1 });
// Agents wait at one; people answer at the same, and then at the other.
const here = await startOurs(url, 8711, ["dist/server.mjs"], env);
const there = await startOurs(url, 8712, ["dist/server.mjs"], { ...env, AUTHGENT_SERVER_URL: here.origin });
process.on("exit", () => {
  for (const { child } of [here, there]) child.kill();
});
const person = { here: await signIn(here.origin), there: await signIn(there.origin) };

console.log(
  "| waiting | answered | heard of it, ms: p50 | p95 | p99 | queries/s while nobody answers | memory of the server, MB |",
);
console.log("| --- | --- | --- | --- | --- | --- | --- |");
for (const count of WAITERS) for (const where of ["here", "there"]) await measure(count, where);
await sql.end();
for (const { child } of [here, there]) {
  child.kill();
  await once(child, "exit");
}
process.exit(0);

async function measure(count, where) {
  const agents = [];
  for (let made = 0; made < count; made += 50)
    agents.push(...(await Promise.all(Array.from({ length: Math.min(50, count - made) }, ask))));
  const heardAt = new Map();
  const waiting = agents.map(async ({ id, authorization }) => {
    const answer = await send(here.origin, "GET", `/stepup/${id}`, { authorization, prefer: "wait=60" });
    if (answer.status !== "pending") heardAt.set(id, performance.now());
  });
  // Statistics of what came before arrive late.
  await sleep(12_000);
  const queries = await queriesPerSecond();
  const memory = memoryOf(here.child.pid) / 1024;
  const origin = where === "here" ? here.origin : there.origin;
  const answeredAt = new Map();
  for (const { id } of agents.slice(0, ANSWERS)) {
    const headers = { cookie: person[where], origin: here.origin };
    const { status } = await send(origin, "POST", `/stepup/${id}/approve`, headers, {});
    if (status !== "approved") throw new Error(`not approved: ${status}`);
    answeredAt.set(id, performance.now());
    await sleep(PAUSE);
  }
  await sleep(2000);
  const delays = [...answeredAt].map(([id, at]) =>
    Math.max(0, (heardAt.get(id) ?? Number.POSITIVE_INFINITY) - at),
  );
  delays.sort((a, b) => a - b);
  const at = (share) => delays[Math.min(delays.length - 1, Math.floor(delays.length * share))]?.toFixed(0);
  const place = where === "here" ? "on the same instance" : "on the other one";
  console.log(
    `| ${count} | ${place} | ${at(0.5)} | ${at(0.95)} | ${at(0.99)} | ${queries.toFixed(1)} | ${memory.toFixed(0)} |`,
  );
  // What still waits ends with its minute; nobody measures it.
  void Promise.allSettled(waiting);
  await Promise.allSettled(waiting);
}

/** An agent of its own, which asks for something that a person has to approve. */
async function ask() {
  const { client_id, client_secret } = await register(here.origin, "/agents", {
    name: "waiter",
    allowed_scopes: ["notes:read"],
  });
  const authorization = `Basic ${btoa(`${client_id}:${client_secret}`)}`;
  const { id } = await send(
    here.origin,
    "POST",
    "/stepup",
    { authorization },
    {
      agent_id: client_id,
      action: "read",
      scope: "notes:read",
    },
  );
  return { id, authorization };
}

async function send(origin, method, path, headers, body) {
  const answer = await request(`${origin}${path}`, {
    dispatcher,
    method,
    headers: { ...headers, ...(body && { "content-type": "application/json" }) },
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await answer.body.text();
  if (answer.statusCode >= 400) throw new Error(`${method} ${path}: ${answer.statusCode} ${text}`);
  return JSON.parse(text);
}

/** The cookies of an admin who signed in, as a browser does it. */
async function signIn(origin) {
  const jar = new Map();
  const visit = async (path, init = {}) => {
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join("; ");
    const headers = { cookie, origin: here.origin, ...init.headers };
    const answer = await request(`${origin}${path}`, { dispatcher, ...init, headers });
    for (const set of [answer.headers["set-cookie"] ?? []].flat()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(set) ?? [];
      if (value) jar.set(name, value);
      else jar.delete(name);
    }
    return { html: await answer.body.text(), location: answer.headers.location };
  };
  const { html } = await visit("/login?local");
  const csrf = /name="csrf" value="([^"]+)"/.exec(html)?.[1] ?? "";
  const { location } = await visit("/login/local", {
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams({ csrf, continue: "/me", ...ADMIN }).toString(),
  });
  await visit(location);
  return [...jar].map(([name, value]) => `${name}=${value}`).join("; ");
}

/** What all instances ask the database, apart from this question. */
async function queriesPerSecond() {
  const count = async () => {
    await sql`select pg_stat_clear_snapshot()`;
    const [row] =
      await sql`select xact_commit + xact_rollback as n from pg_stat_database where datname = current_database()`;
    return Number(row.n);
  };
  const first = await count();
  await sleep(QUIET_SECONDS * 1000);
  // Two of them are this function's own.
  return ((await count()) - first - 2) / QUIET_SECONDS;
}

/** Kilobytes that a process holds in memory. */
function memoryOf(pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
}
