// Tokens bound to a key by client_credentials, over bearer tokens, and against oidc-provider: node bench/dpop.mjs
// Servers run on core 0, the load on core 1, where it also makes a new proof for every request.
import { generateKeyPairSync, randomBytes } from "node:crypto";
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

/** Holders of a key that take turns, as clients that come back do. */
const HOLDERS = 200;
const holders = Array.from({ length: HOLDERS }, () =>
  generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ type: "pkcs8", format: "pem" }),
);

const database = await ensurePostgres({ durable: true });
const databaseUrl = await createDatabase(database.url);
const servers = [];
try {
  const ours = await startTracked(startOurs(databaseUrl, 8101, [...nodeOptions(), "dist/server.mjs"]));
  const own = await register(ours.origin, "/clients", {
    client_name: "bench",
    grant_types: ["client_credentials"],
    response_types: [],
    token_endpoint_auth_method: "client_secret_post",
    scope: "notes:read",
  });
  const secret = randomBytes(32).toString("base64url");
  const peer = await startTracked(startPeer(8103, secret));
  const bench = { client_id: "bench", client_secret: secret };
  const results = await measureAll([
    { name: "ours, bearer", server: ours, flows: [[tokenRequest(own, '"token_type":"Bearer"')]] },
    { name: "ours, bound to a key", server: ours, flows: bound(own) },
    { name: "oidc-provider, bearer", server: peer, flows: [[tokenRequest(bench, '"token_type":"Bearer"')]] },
    { name: "oidc-provider, bound to a key", server: peer, flows: bound(bench) },
  ]);
  print(results, ["tokens", "requests/s", "CPU µs/request"]);
  const [bearer, withKey, , theirs] = medianCpu(results);
  process.stdout.write(
    `\nCPU per bound token: oidc-provider ÷ ours ${(theirs / withKey).toFixed(2)}; ours over a bearer token ${(withKey / bearer).toFixed(2)}\n`,
  );
} finally {
  for (const { child } of servers) child.kill(process.env.BENCH_NODE_OPTIONS ? "SIGTERM" : "SIGKILL");
  if (process.env.BENCH_NODE_OPTIONS) await new Promise((resolve) => servers[0]?.child.once("exit", resolve));
  await database.stop();
}

function nodeOptions() {
  return (process.env.BENCH_NODE_OPTIONS ?? "").split(" ").filter(Boolean);
}

async function startTracked(starting) {
  const server = await starting;
  servers.push(server);
  return server;
}

async function startPeer(port, secret) {
  const env = { BENCH_PORT: `${port}`, BENCH_DATABASE_URL: databaseUrl, BENCH_SECRET: secret };
  const origin = `http://localhost:${port}`;
  const child = start(["bench/oidc-provider.mjs"], env);
  await untilReady(`${origin}/.well-known/openid-configuration`);
  return { child, origin };
}

function tokenRequest({ client_id, client_secret }, holds) {
  const client = { client_id, client_secret };
  const fields = { grant_type: "client_credentials", ...client, scope: "notes:read", resource: RESOURCE };
  return { path: "/token", body: new URLSearchParams(fields).toString(), holds };
}

/** The same request by each holder of a key, with a proof of theirs. */
function bound(client) {
  return holders.map((holder) => [{ ...tokenRequest(client, '"token_type":"DPoP"'), holder }]);
}
