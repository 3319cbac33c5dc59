import { start } from "../progress.mjs";
import { say, short } from "./narrate.mjs";
import { adminKey, Hint, notes, options, server } from "./options.mjs";
import { toldPost } from "./server.mjs";

/** Starts examples/mcp-server beside this process; it ends with it. */
export function startNotes() {
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
export async function registerNotes() {
  if (!adminKey) return say("Nobody has registered it. In local mode that is fine.");
  const { status, body } = await toldPost("/resources", {
    headers: { "x-admin-key": adminKey },
    json: {
      resource: notes,
      name: "Notes",
      scopes: [
        { name: "notes:read", description: "Read your notes", risk: "low" },
        { name: "notes:search", description: "Search in your notes", risk: "low" },
        { name: "notes:write", description: "Add notes in your name", risk: "medium" },
      ],
    },
  });
  if (status === 201) return say("It is registered, with words for its scopes.");
  if (status === 409) return say("It was registered before.");
  throw new Hint(`The server did not register ${notes}: ${body.error_description}`);
}

/** Calls tools of the MCP server with a token and tells what they answer. */
export async function callNotes(token, ...tools) {
  const { Client, StreamableHTTPClientTransport } = await import("@modelcontextprotocol/client");
  const client = new Client(
    { name: "demo", version: "1.0.0" },
    { versionNegotiation: { mode: { pin: "2026-07-28" } } },
  );
  await client.connect(
    new StreamableHTTPClientTransport(new URL(notes), { authProvider: { token: async () => token } }),
  );
  for (const name of tools) {
    const { content } = await client.callTool({ name, arguments: {} });
    say(`${name} → ${short(content[0].text)}`);
  }
  await client.close();
}

/** What the MCP server answers to a token, or to none: its status and its challenge. */
export async function knock(token) {
  const response = await fetch(notes, {
    method: "POST",
    headers: {
      ...(token && { authorization: `Bearer ${token}` }),
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" }),
  });
  await response.text();
  return { status: response.status, challenge: response.headers.get("www-authenticate") };
}
