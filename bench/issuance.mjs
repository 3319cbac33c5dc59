// client_credentials, ours on both mounts against oidc-provider, on one PostgreSQL: node bench/issuance.mjs
// Servers run on core 0, the load on core 1; rounds are interleaved; medians with min and max are printed.
import { randomBytes } from "node:crypto";
import { ensurePostgres } from "../scripts/postgres.mjs";
import {
  createDatabase,
  measureAll,
  medianCpu,
  print,
  RESOURCE,
  register,
  start,
  startOurs,
  untilReady,
} from "./servers.mjs";

const NEXT = ["node_modules/next/dist/bin/next", "start", "-H", "localhost", "-p"];

const database = await ensurePostgres({ durable: true });
const databaseUrl = await createDatabase(database.url);
const workloads = [];
try {
  workloads.push(
    await ours("ours, own server", 8101, ["dist/server.mjs"]),
    await ours("ours, Next route", 8102, [...NEXT, "8102"]),
    await peer("oidc-provider", 8103),
  );
  const results = await measureAll(workloads);
  print(results, ["server", "requests/s", "CPU µs/request"]);
  const [own, next, other] = medianCpu(results);
  process.stdout.write(
    `\nCPU per token, oidc-provider ÷ ours: ${(other / own).toFixed(2)} (own server), ${(other / next).toFixed(2)} (Next route)\n`,
  );
} finally {
  for (const { server } of workloads) server.child.kill("SIGKILL");
  await database.stop();
}

/** A client of its own for each mount, as an operator registers one. */
async function ours(name, port, args) {
  const server = await startOurs(databaseUrl, port, args);
  const { client_id, client_secret } = await register(server.origin, "/clients", {
    client_name: "bench",
    grant_types: ["client_credentials"],
    response_types: [],
    token_endpoint_auth_method: "client_secret_post",
    scope: "notes:read",
  });
  return { name, server, flows: [[tokenRequest({ client_id, client_secret })]] };
}

async function peer(name, port) {
  const client_secret = randomBytes(32).toString("base64url");
  const env = { BENCH_PORT: `${port}`, BENCH_DATABASE_URL: databaseUrl, BENCH_SECRET: client_secret };
  const origin = `http://localhost:${port}`;
  const child = start(["bench/oidc-provider.mjs"], env);
  await untilReady(`${origin}/.well-known/openid-configuration`);
  return { name, server: { child, origin }, flows: [[tokenRequest({ client_id: "bench", client_secret })]] };
}

function tokenRequest(client) {
  const fields = { grant_type: "client_credentials", ...client, scope: "notes:read", resource: RESOURCE };
  return { path: "/token", body: new URLSearchParams(fields).toString(), holds: '"access_token":"ey' };
}
