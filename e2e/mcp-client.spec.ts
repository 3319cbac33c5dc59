import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, type Page, test } from "@playwright/test";
import { type Agent, type ConnectOptions, connectAgent } from "./support/mcp-client";
import { ADMIN, ADMIN_ENV, allow, stop } from "./support/person";
import { freePort, type RunningServer, startServer } from "./support/server";

const STOPPED_HERE =
  "The token was revoked: the person stopped this app, or it was signed out. Connect again.";
const STOPPED_LIVE =
  "The token is no longer active: the person stopped this app, or it expired. Connect again.";
const STOPPED_OFFLINE = "The token was stopped before it expired. Connect again.";

let server: RunningServer;
let live: Notes;

test.beforeAll(async () => {
  server = await startServer({ env: ADMIN_ENV });
  live = await startNotes("live", server.url);
});
test.afterAll(async () => {
  await live?.stop();
  await server?.stop();
});

const ways = [
  { registration: "cimd", protocol: "2026-07-28" },
  { registration: "dcr", protocol: "2025" },
] as const;

for (const way of ways) {
  test(`/mcp: a ${way.registration} client of ${way.protocol} connects, refreshes and is stopped at once`, async ({
    page,
  }) => {
    const agent = await connect(page, { ...way, url: `${server.url}/mcp`, app: "Desk agent" });
    expect(JSON.parse(await agent.call("whoami"))).toEqual({
      sub: expect.stringMatching(/^user:/),
      client_id: agent.clientId(),
      scope: "mcp:tools",
      aud: `${server.url}/mcp`,
      act: null,
    });
    await refreshes(agent);
    await stop(page, server.url, "Desk agent");
    await isRefused(agent, `${server.url}/mcp`, STOPPED_HERE);
  });

  test(`live example: a ${way.registration} client of ${way.protocol} connects, refreshes and is stopped at once`, async ({
    page,
  }) => {
    const agent = await connect(page, { ...way, url: live.url, app: "Note taker" });
    expect(JSON.parse(await agent.call("whoami"))).toEqual({
      sub: expect.stringMatching(/^user:/),
      client_id: agent.clientId(),
      scope: "notes:read",
      aud: live.url,
    });
    await refreshes(agent);
    await stop(page, server.url, "Note taker");
    await isRefused(agent, live.url, STOPPED_LIVE);
  });
}

for (const [registration, protocol] of [
  ["cimd", "2026-07-28"],
  ["dcr", "2025"],
] as const) {
  test(`a tool that needs more asks the person for more, and what was allowed before stays (${registration})`, async ({
    page,
  }) => {
    const app = `Growing agent ${registration}`;
    const agent = await connect(page, { registration, protocol, url: live.url, app });
    expect(agent.tokens().scope).toBe("notes:read");
    const before = JSON.parse(await agent.call("read_notes"));
    expect(await agent.call("add_note", { note: `buy milk ${registration}` })).toBe(
      `Noted: buy milk ${registration}`,
    );
    expect(agent.tokens().scope).toBe("notes:read notes:write");
    expect(JSON.parse(await agent.call("read_notes"))).toEqual([...before, `buy milk ${registration}`]);
    await agent.close();
  });
}

test("offline example: a stopped app is refused by the signed list, long before its token expires", async ({
  page,
}) => {
  const own = await startServer({ env: ADMIN_ENV });
  const notes = await startNotes("offline", own.url);
  try {
    const agent = await connect(page, {
      registration: "cimd",
      protocol: "2026-07-28",
      url: notes.url,
      app: "Offline agent",
    });
    expect(JSON.parse(await agent.call("read_notes"))).toEqual([]);
    await refreshes(agent);
    await stop(page, own.url, "Offline agent");
    const token = agent.tokens().access_token;
    const status = () => refusalOf(notes.url, token).then((refusal) => refusal.status);
    await expect.poll(status, { timeout: 20_000 }).toBe(401);
    await isRefused(agent, notes.url, STOPPED_OFFLINE);
  } finally {
    await notes.stop();
    await own.stop();
  }
});

test("npm run demo: three agents hand on less and less, one wants more, and the person stops them all", async () => {
  test.setTimeout(120_000);
  const port = await freePort();
  const person = ["--email", ADMIN.email, "--password", ADMIN.password];
  const demo = spawn(process.execPath, ["scripts/demo.mjs", "--auto", "--port", `${port}`, ...person], {
    env: { ...process.env, AUTHGENT_SERVER_URL: server.url },
  });
  let printed = "";
  for (const stream of [demo.stdout, demo.stderr])
    stream.setEncoding("utf8").on("data", (chunk: string) => {
      printed += chunk;
    });
  const [code] = await once(demo, "close");
  expect(code, printed).toBe(0);
  const lines = printed.split("\n").map((line) => line.trim().replaceAll(/ {2,}/g, " | "));

  const chain = lines.filter((line) => line.startsWith("person →")).slice(-4);
  expect(chain.map((line) => line.replace(/\d+ s$/, "N s"))).toEqual([
    "person → Orchestrator → Notes | notes:read notes:search notes:write | N s",
    "person → Orchestrator → Search | notes:read notes:search | N s",
    "person → Orchestrator → Search → Database | notes:read | N s",
    "person → Orchestrator → Search → Database → Notes | notes:read | N s",
  ]);
  expect(lines).toContain('read_notes → ["The passport ends in May."]');

  const beyond = "The request asks for scope that the subject token does not have: notes:write.";
  const offer = "Ask for some of: notes:read notes:search.";
  expect(lines).toContain("allowed: false");
  expect(lines).toContain(`${beyond} ${offer}`);
  expect(lines).toContain(`invalid_scope, scope_escalation: ${beyond} ${offer}`);

  const proofs = lines.filter((line) => /^(\$ npx authgent|Proven:|Not proven:)/.test(line));
  expect(proofs).toEqual([
    "$ npx authgent verify-chain TOKEN --bundle chain.json --jwks keys.json → 0",
    "Proven: 3 hops, and none gave more than there was before it. This proves how the token came about, not that it still counts: ask /introspect.",
    "$ npx authgent verify-chain TOKEN --bundle changed.json --jwks keys.json → 1",
    "Not proven:",
  ]);

  const refused = lines.filter((line) => line.includes("refused after"));
  expect(refused.map((line) => line.replace(/\d+ ms$/, "N ms"))).toEqual([
    "Orchestrator's token for Notes | refused after N ms",
    "Orchestrator's token for Search | refused after N ms",
    "Search's token for Database | refused after N ms",
    "Database's token for Notes | refused after N ms",
    "Database at the MCP server | refused after N ms",
  ]);
  expect(printed).toContain(STOPPED_LIVE);
  expect(lines).toContain("4 of 4 tokens are listed.");
});

/** Connects an agent whose person is the administrator, in this browser. */
const connect = (page: Page, options: Omit<ConnectOptions, "person">): Promise<Agent> =>
  connectAgent({ ...options, person: (url) => allow(page, url, options.app) });

/** A refresh gives new tokens, and the new access token works. */
async function refreshes(agent: Agent): Promise<void> {
  const before = agent.tokens();
  await agent.refresh();
  expect(agent.tokens().access_token).not.toBe(before.access_token);
  expect(agent.tokens().refresh_token).not.toBe(before.refresh_token);
  expect(JSON.parse(await agent.call("whoami"))).toMatchObject({ client_id: agent.clientId() });
}

/** The access token is refused with the reason, and the refresh token is worth nothing either. */
async function isRefused(agent: Agent, url: string, reason: string): Promise<void> {
  const { access_token: accessToken, refresh_token: refreshToken = "" } = agent.tokens();
  const { status, challenge } = await refusalOf(url, accessToken);
  expect(status).toBe(401);
  expect(challenge).toContain('error="invalid_token"');
  expect(challenge).toContain(`error_description="${reason}"`);
  await agent.close();
  const token = await fetch(`${await issuerOf(url)}/token`, {
    method: "POST",
    body: new URLSearchParams({
      grant_type: "refresh_token",
      refresh_token: refreshToken,
      client_id: agent.clientId(),
    }),
  });
  expect(token.status).toBe(400);
  expect(await token.json()).toMatchObject({ error: "invalid_grant" });
}

async function refusalOf(url: string, token: string): Promise<{ status: number; challenge: string }> {
  const response = await fetch(url, {
    method: "POST",
    headers: {
      authorization: `Bearer ${token}`,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" }),
  });
  await response.body?.cancel();
  return { status: response.status, challenge: response.headers.get("www-authenticate") ?? "" };
}

/** The authorization server that a resource names (RFC 9728 §2). */
async function issuerOf(url: string): Promise<string> {
  const { origin, pathname } = new URL(url);
  const response = await fetch(`${origin}/.well-known/oauth-protected-resource${pathname}`);
  const { authorization_servers: servers }: { authorization_servers: [string] } = await response.json();
  return servers[0];
}

type Notes = { url: string; stop(): Promise<void> };

/** Starts examples/mcp-server as its README says. */
async function startNotes(mode: "live" | "offline", issuer: string): Promise<Notes> {
  const port = await freePort();
  const url = `http://localhost:${port}/mcp`;
  const child = spawn(process.execPath, ["examples/mcp-server/main.mjs"], {
    env: { ...process.env, ISSUER: issuer, PORT: `${port}`, MODE: mode },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const killNow = () => child.kill();
  process.once("exit", killNow);
  const [line] = await once(child.stdout.setEncoding("utf8"), "data");
  expect(line).toBe(`Notes is at ${url}, protected by ${issuer} (${mode}).\n`);
  return {
    url,
    stop: async () => {
      process.off("exit", killNow);
      child.kill();
      await once(child, "exit");
    },
  };
}
