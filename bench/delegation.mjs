// Token exchange and introspection of chains, over client_credentials of the same run: node bench/delegation.mjs
// The server runs on core 0, the load on core 1; rounds are interleaved; medians with min and max are printed.
import { ensurePostgres } from "../scripts/postgres.mjs";
import { createDatabase, measureAll, medianCpu, print, register, startOurs } from "./servers.mjs";

const EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token";
const ORDERS = "https://orders.example/mcp";
const SCOPE = "orders:read";
/** Tokens that are exchanged or looked at in turn, so that no one row is hot. */
const TOKENS = 200;
/** As on the internet: in local mode some checks are none. */
const SETTINGS = {
  AUTHGENT_SERVER_URL: "https://auth.example.com",
  AUTHGENT_CLIENT_CREDENTIALS_TTL: "7200",
  AUTHGENT_EXCHANGE_TOKEN_TTL: "7200",
};

const database = await ensurePostgres({ durable: true });
let server;
try {
  const databaseUrl = await createDatabase(database.url);
  const node = (process.env.BENCH_NODE_OPTIONS ?? "").split(" ").filter(Boolean);
  server = await startOurs(databaseUrl, 8101, [...node, "dist/server.mjs"], SETTINGS);
  // Who introspects is the resource that the tokens are for.
  const orders = await register(server.origin, "/clients", {
    client_name: "orders",
    grant_types: ["client_credentials"],
    response_types: [],
    token_endpoint_auth_method: "client_secret_basic",
  });
  await register(server.origin, "/resources", {
    resource: ORDERS,
    name: "Orders",
    scopes: [{ name: SCOPE, description: "Read orders", risk: "low" }],
    introspection_clients: [orders.client_id],
  });
  const registerAgent = (name, more) =>
    register(server.origin, "/agents", { name, allowed_scopes: [SCOPE], ...more });
  const [planner, search, booking] = [
    await registerAgent("planner"),
    await registerAgent("search"),
    await registerAgent("booking"),
  ];
  const orchestrator = await registerAgent("orchestrator", { may_act: [planner.client_id] });
  const own = issue(orchestrator, { scope: SCOPE, resource: ORDERS });
  /** Each agent addresses the token to the next, the last one to the resource. */
  const hops = [
    exchange(planner, { audience: search.client_id }),
    exchange(search, { audience: booking.client_id }),
    exchange(booking, { audience: ORDERS }),
  ];
  const roots = await several(() => run([own]));
  const leaves = await Promise.all(roots.map((root) => run(hops, root)));
  const asked = (token) => [introspection(orders, token)];

  const results = await measureAll([
    { name: "client_credentials", server, flows: [[own]] },
    {
      name: "exchange, one hop",
      server,
      flows: roots.map((root) => from(root, [exchange(planner, { audience: ORDERS })])),
    },
    { name: "exchange, a chain of three hops", server, flows: roots.map((root) => from(root, hops)) },
    { name: "introspection, plain token", server, flows: roots.map(asked) },
    { name: "introspection, token of three hops", server, flows: leaves.map(asked) },
  ]);
  print(results, ["work", "done/s", "CPU µs each"]);
  const [issuing, one, three, looking, lookingAtChain] = medianCpu(results);
  const ratio = (a, b) => (a / b).toFixed(2);
  process.stdout.write(
    `\nCPU over client_credentials: one hop ${ratio(one, issuing)}, three hops ${ratio(three, issuing)}\n` +
      `CPU of introspection, three hops over plain: ${ratio(lookingAtChain, looking)}\n`,
  );
} finally {
  // A profile is written at a proper end only.
  server?.child.kill(process.env.BENCH_NODE_OPTIONS ? "SIGTERM" : "SIGKILL");
  if (process.env.BENCH_NODE_OPTIONS) await new Promise((resolve) => server?.child.once("exit", resolve));
  await database.stop();
}

function request({ client_id, client_secret }, path, fields, holds) {
  const authorization = `Basic ${Buffer.from(`${client_id}:${client_secret}`).toString("base64")}`;
  return { path, headers: { authorization }, body: new URLSearchParams(fields).toString(), holds };
}

function issue(agent, fields) {
  return request(agent, "/token", { grant_type: "client_credentials", ...fields }, '"access_token":"ey');
}

/** An exchange of the token that the request before it got. */
function exchange(agent, fields) {
  const subject = { subject_token: "{token}", subject_token_type: ACCESS_TOKEN };
  const asked = request(
    agent,
    "/token",
    { grant_type: EXCHANGE, ...subject, ...fields },
    '"issued_token_type"',
  );
  return { ...asked, body: asked.body.replace(encodeURIComponent("{token}"), "{token}") };
}

function introspection(agent, token) {
  return request(agent, "/introspect", { token }, '"active":true');
}

/** The requests, with this token for the first of them. */
function from(token, [first, ...rest]) {
  return [{ ...first, body: first.body.replace("{token}", token) }, ...rest];
}

/** Sends requests once, one after the other, and returns the last one's token. */
async function run(requests, token = "") {
  let last = token;
  for (const { path, headers, body } of requests) {
    const form = { "content-type": "application/x-www-form-urlencoded", ...headers };
    const filled = body.replace("{token}", last);
    const response = await fetch(`${server.origin}${path}`, { method: "POST", headers: form, body: filled });
    if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
    last = (await response.json()).access_token;
  }
  return last;
}

function several(make) {
  return Promise.all(Array.from({ length: TOKENS }, make));
}
