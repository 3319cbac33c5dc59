import { existsSync } from "node:fs";
import { parseArgs, styleText } from "node:util";
import { requireNode } from "./packages.mjs";
import { start } from "./progress.mjs";

const APP = "Demo agent";
const USAGE = `npm run demo -- [options]

Plays an MCP client against the running server, tells every step, and waits for you in your browser.

  --port N      port of the example MCP server (8100)
  --auto        a headless browser plays the person, who signs in with
                --email E --password P, or --link URL (the sign-in link that npm start printed)

  AUTHGENT_SERVER_URL      the server (http://localhost:8000)
  AUTHGENT_ADMIN_API_KEY   lets the demo register its MCP server, with words for its scopes`;

/** Something that the reader can put right: printed as it is, without a stack. */
class Hint extends Error {}

// The same settings as `npm start`; what stands in the environment wins.
if (existsSync(".env")) process.loadEnvFile(".env");

const options = readOptions();
const server = process.env.AUTHGENT_SERVER_URL ?? `http://localhost:${process.env.AUTHGENT_PORT ?? 8000}`;
const notes = `http://localhost:${options.port}/mcp`;

/** `npm run demo`: an agent asks, a person allows, the agent works, the person stops it, the agent is refused. */
async function demo() {
  await requireServer();
  await startNotes();
  title("An MCP server wants to be protected");
  say(`examples/mcp-server is at ${notes} and trusts ${server}.`);
  await registerNotes();

  // Imported late, so that a missing package is told like any other mistake.
  const { createAgent } = await import("../examples/mcp-client/agent.mjs");
  const agent = await createAgent({ url: notes, name: APP, fetch: toldFetch });
  const person = options.auto ? await headlessPerson() : personAtTheTerminal;
  try {
    const question = await agent.ask();
    title("The agent sends its person to the server (OAuth 2.1, PKCE)");
    say(`${server}/authorize?…`, parameters(new URL(question).searchParams));
    await person.allow(question);
    await agent.connect().catch(refused);

    title("The agent works");
    say(`whoami → ${short(await agent.call("whoami"))}`);
    say("The MCP server asks the server about the token at every call (RFC 7662).");
    await agent.refresh();

    title("The person stops the agent");
    await Promise.all([person.stop(), agent.close()]);
    await showRefusal(agent.memory);
  } finally {
    await person.leave();
  }
  say("", `That is the whole job. Your agents are at ${server}/me; the code is in examples/.`);
}

async function requireServer() {
  if (!existsSync("node_modules"))
    throw new Hint("The packages are not installed yet. Run `npm start` first.");
  const ready = await fetch(`${server}/ready`).catch(() => undefined);
  if (ready?.ok) return;
  throw new Hint(
    `The server at ${server} ${ready ? "is not ready" : "does not answer"}. ` +
      "Start it in another terminal with `npm start`, or say where it is with AUTHGENT_SERVER_URL.",
  );
}

/** Starts examples/mcp-server beside this process; it ends with it. */
function startNotes() {
  const env = { ...process.env, ISSUER: server, PORT: options.port, RESOURCE: notes, MODE: "live" };
  const child = start(process.execPath, ["examples/mcp-server/main.mjs"], { env });
  return new Promise((resolve, reject) => {
    child.stdout.once("data", resolve);
    child.stderr
      .setEncoding("utf8")
      .once("data", (text) => reject(new Hint(`${text.trim()}\nTry: npm run demo -- --port 8101`)));
  });
}

/** With words for its scopes a person reads “Read your notes”; without, in local mode, the scope's name. */
async function registerNotes() {
  const key = process.env.AUTHGENT_ADMIN_API_KEY;
  if (!key) return say("Nobody has registered it. In local mode that is fine.");
  const response = await fetch(`${server}/resources`, {
    method: "POST",
    headers: { "x-admin-key": key, "content-type": "application/json" },
    body: JSON.stringify({
      resource: notes,
      name: "Notes",
      scopes: [
        { name: "notes:read", description: "Read your notes", risk: "low" },
        { name: "notes:write", description: "Add notes in your name", risk: "medium" },
      ],
    }),
  });
  wire("POST", `${server}/resources`, response.status);
  if (response.ok) return say("It is registered, with words for its scopes.");
  if (response.status === 409) return say("It was registered before.");
  const { error_description: why } = await response.json();
  throw new Hint(`The server did not register ${notes}: ${why}`);
}

function refused(error) {
  if (error.code !== "access_denied") throw error;
  throw new Hint("You refused, and access_denied is all that the agent got. Run the demo again to allow it.");
}

/** The same token, the same call: refused, with the reason in the challenge. */
async function showRefusal({ tokens, client }) {
  const response = await untilRefused(tokens.access_token);
  title("The agent is refused, and told why");
  wire("POST", notes, response.status);
  say(response.headers.get("www-authenticate"));
  const form = { grant_type: "refresh_token", client_id: client.client_id };
  const refresh = await fetch(`${server}/token`, {
    method: "POST",
    body: new URLSearchParams({ ...form, refresh_token: tokens.refresh_token }),
  });
  wire("POST", `${server}/token`, refresh.status);
  say(`A refresh does not help either: ${(await refresh.json()).error_description}`);
}

async function untilRefused(token) {
  for (;;) {
    const response = await fetch(notes, {
      method: "POST",
      headers: {
        authorization: `Bearer ${token}`,
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
      },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" }),
    });
    await response.text();
    if (response.status === 401) return response;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** The requests that an agent makes on its own, each told once, with what the answer says. */
const STORIES = [
  {
    is: ({ url, status }) => url === notes && status === 401,
    title: "The agent knocks without a token (RFC 9728 §5.1)",
    tell: ({ headers }) => [headers.get("www-authenticate")],
  },
  {
    is: ({ url }) => url.includes("/.well-known/oauth-protected-resource"),
    title: "It reads who protects the MCP server (RFC 9728 §3)",
    tell: ({ body }) => [`authorization_servers: ${body.authorization_servers}`],
  },
  {
    is: ({ url }) => url === `${server}/.well-known/oauth-authorization-server`,
    title: "It reads what that server offers (RFC 8414)",
    tell: ({ body }) => [
      `token_endpoint: ${body.token_endpoint}`,
      `grants: ${body.grant_types_supported.join(", ")}`,
    ],
  },
  {
    is: ({ url }) => url === `${server}/register`,
    title: "It registers itself: nobody had to prepare anything (RFC 7591)",
    tell: ({ body }) => [
      `client_id: ${body.client_id}`,
      `client_name: ${body.client_name}, a name that nobody has verified`,
    ],
  },
  {
    is: ({ url, form }) => url === `${server}/token` && form.get("grant_type") === "authorization_code",
    title: "It gets its tokens (RFC 6749 §4.1.3, RFC 9068)",
    tell: ({ body }) => [
      `access_token, ${body.expires_in} seconds, scope ${body.scope}:`,
      short(JSON.stringify(claimsOf(body))),
    ],
  },
  {
    is: ({ url, form }) => url === `${server}/token` && form.get("grant_type") === "refresh_token",
    title: "It refreshes: a new access token, and a new refresh token for the old one (OAuth 2.1 §4.3)",
    tell: ({ form, body }) => [`${clip(form.get("refresh_token"))} → ${clip(body.refresh_token)}`],
  },
];

/** `fetch` for the agent, which tells what matters of what went over the wire. */
async function toldFetch(input, init = {}) {
  const response = await fetch(input, init);
  const url = String(input);
  const form = new URLSearchParams(init.body instanceof URLSearchParams ? init.body : undefined);
  const { status, headers } = response;
  const index = STORIES.findIndex((story) => story.is({ url, status, form }));
  const [story] = index < 0 ? [] : STORIES.splice(index, 1);
  if (!story) return response;
  title(story.title);
  wire(init.method ?? "GET", url, status);
  const body = response.ok ? await response.clone().json() : undefined;
  if (body || status === 401) say(...story.tell({ form, headers, body }));
  return response;
}

const personAtTheTerminal = {
  async allow(url) {
    say("", "Open this address in your browser, sign in, and answer:", "", `  ${strong(url)}`, "");
  },
  async stop() {
    say(`Open ${strong(`${server}/me`)} and press “Stop ${APP}”. Until then it is let in.`);
  },
  async leave() {},
};

async function signIn(page, press) {
  if (!options.email) {
    throw new Hint(
      "The sign-in link was used before, or has expired. Restart the server: it prints a new one.",
    );
  }
  await page.getByLabel("Email").fill(options.email);
  await page.getByLabel("Password").fill(options.password);
  await Promise.all([page.waitForNavigation(), press("Sign in")]);
  if (new URL(page.url()).pathname !== "/login") return;
  throw new Hint(
    `The server did not sign ${options.email} in: ${await page.getByRole("alert").first().innerText()}`,
  );
}

/** A person for tests: signs in, allows and stops in a headless browser. */
async function headlessPerson() {
  const [{ chromium }, { findBrowser }] = await Promise.all([
    import("@playwright/test"),
    import("./browser.mjs"),
  ]);
  const executablePath = findBrowser();
  if (!executablePath) throw new Hint("--auto needs Chromium or Chrome: install one, or set CHROMIUM_PATH.");
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  const page = await browser.newPage();
  page.setDefaultTimeout(15_000);
  const press = (name) => page.getByRole("button", { name }).first().click();

  return {
    async allow(url) {
      if (options.link) await page.goto(options.link);
      await page.goto(url);
      if (new URL(page.url()).pathname === "/login") {
        await signIn(page, press);
      }
      say(`The person reads: “${await page.getByRole("heading", { level: 1 }).innerText()}” and allows it.`);
      await press(`Allow ${APP}`);
      await page.waitForURL(/\/callback\?/);
    },
    async stop() {
      await page.goto(`${server}/me`);
      say(`At ${server}/me they press “Stop ${APP}”.`);
      await press(`Stop ${APP}`);
    },
    leave: () => browser.close(),
  };
}

let steps = 0;

function title(text) {
  steps += 1;
  console.log(`\n${strong(`${String(steps).padStart(2)}  ${text}`)}`);
}

function say(...lines) {
  for (const line of lines.flat()) console.log(line === "" ? "" : `    ${line}`);
}

/** One exchange over the wire: quiet, so that the eye finds the sentence. */
function wire(method, url, status) {
  const line = `    ${method} ${url} → ${status}`;
  console.log(process.stdout.isTTY ? styleText("dim", line) : line);
}

function strong(text) {
  return process.stdout.isTTY ? styleText("bold", text) : text;
}

const parameters = (search) =>
  ["client_id", "redirect_uri", "resource", "scope", "code_challenge_method"].map(
    (name) => `  ${name}=${search.get(name)}`,
  );

/** What the token says, read and not verified: verifying is the MCP server's part. */
const claimsOf = ({ access_token: token }) =>
  JSON.parse(Buffer.from(token.split(".")[1], "base64url").toString());

const clip = (text) => (text.length > 12 ? `${text.slice(0, 12)}…` : text);

const short = (json) => json.replaceAll(/[\w-]{20,}/g, clip);

function readOptions() {
  const { values } = parseArgs({
    options: {
      port: { type: "string", default: "8100" },
      auto: { type: "boolean", default: false },
      email: { type: "string" },
      password: { type: "string" },
      link: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    process.exit(0);
  }
  return values;
}

requireNode();
try {
  if (options.auto && !options.link && !(options.email && options.password)) {
    throw new Hint(
      "--auto signs in: add --email and --password, or --link with the sign-in link of `npm start`.",
    );
  }
  await demo();
  process.exit(0);
} catch (error) {
  console.error(error instanceof Hint ? `\n${error.message}` : error);
  process.exit(1);
}
