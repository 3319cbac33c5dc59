import { say, strong, title } from "./narrate.mjs";
import { callNotes } from "./notes.mjs";
import { adminKey, Hint, notes } from "./options.mjs";
import { claimsOf, post, toldPost } from "./server.mjs";

const ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token";
const HEAD = { path: "each token, and whom it is for", scope: "scope", left: "time" };

/** One exchange of a token, by an agent (RFC 8693 §2.1); what it comes to is the caller's to judge. */
export const exchange = (agent, token, fields, send = post) =>
  send("/token", {
    as: agent,
    form: {
      grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
      subject_token: token,
      subject_token_type: ACCESS_TOKEN,
      ...fields,
    },
  });

/**
 * Two more agents, and a token that goes from one to the next with less power each time.
 * Resolves to the agents and to every token on the way, each with the agent it was issued to and whom it is for.
 */
export async function delegate({ token, ...orchestrator }) {
  title("Two more agents register; each says the most it may ever have (POST /agents)");
  const search = await registerAgent("Search", ["notes:read", "notes:search"]);
  const database = await registerAgent("Database", ["notes:read"]);
  const agents = [orchestrator, search, database];
  const names = new Map([[notes, "Notes"], ...agents.map(({ clientId, name }) => [clientId, name])]);
  const chain = [{ token, by: orchestrator, audience: "Notes" }];

  async function handOn(words, by, audience, scope) {
    title(words);
    const last = chain.at(-1).token;
    const { status, body } = await exchange(by, last, { audience, scope }, toldPost);
    if (status !== 200) throw new Hint(`${by.name} got no token: ${body.error_description}`);
    chain.push({ token: body.access_token, by, audience: names.get(audience) });
    say(table(chain.map((link) => rowOf(link.token, names))));
  }
  await handOn(
    "The orchestrator hands on what search needs, and no more (RFC 8693)",
    orchestrator,
    search.clientId,
    "notes:read notes:search",
  );
  await handOn("Search hands on less, to database", search, database.clientId, "notes:read");
  await handOn("Database gets a token for the MCP server", database, notes, "notes:read");

  title("Database works, and the MCP server sees for whom and through whom (RFC 8693 §4.1)");
  await callNotes(chain.at(-1).token, "whoami", "read_notes");
  say("The MCP server asks the server about the token at every call (RFC 7662).");
  return { orchestrator, search, database, chain };
}

async function registerAgent(name, scopes) {
  const { status, body } = await toldPost("/agents", {
    headers: adminKey ? { "x-admin-key": adminKey } : {},
    json: { name, allowed_scopes: scopes, agent_type: "demo" },
  });
  if (status !== 201) {
    throw new Hint(
      `The server did not register ${name}: ${body.error_description}\n` +
        "In local mode anybody may; elsewhere set AUTHGENT_ADMIN_API_KEY.",
    );
  }
  say(`${name} is ${body.client_id}: ${scopes.join(" ")}`);
  return { name, clientId: body.client_id, secret: body.client_secret };
}

/** A token as a line: the person, who acts (the first of them first), whom it is for; its scope; its seconds. */
function rowOf(token, names) {
  const { act, client_id: clientId, aud, scope, exp } = claimsOf(token);
  const actors = act ? actorsOf(act) : [clientId];
  const path = ["person", ...[...actors, aud].map((id) => names.get(id) ?? id)].join(" → ");
  return { path, scope, left: `${Math.round(exp - Date.now() / 1000)} s` };
}

const actorsOf = ({ sub, act }) => [...(act ? actorsOf(act) : []), sub.replace(/^client:/, "")];

function table(rows) {
  const width = (column) => Math.max(...[HEAD, ...rows].map((row) => row[column].length));
  const [path, scope] = [width("path"), width("scope")];
  const lines = rows.map((row) => `${row.path.padEnd(path)}  ${row.scope.padEnd(scope)}  ${row.left}`);
  return [...lines.slice(0, -1), strong(lines.at(-1))];
}
