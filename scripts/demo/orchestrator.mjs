import { say, short, title, wire } from "./narrate.mjs";
import { knock } from "./notes.mjs";
import { Hint, notes, SCOPE, server } from "./options.mjs";
import { claimsOf } from "./server.mjs";

const TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange";

/** The first agent: an MCP client with a secret, because only who proves who it is may hand a token on. */
export async function createOrchestrator(name) {
  // Imported late, so that a missing package is told like any other mistake.
  const { createAgent } = await import("../../examples/mcp-client/agent.mjs");
  return createAgent({
    url: notes,
    name,
    scope: SCOPE,
    metadata: {
      grant_types: ["authorization_code", "refresh_token", TOKEN_EXCHANGE],
      token_endpoint_auth_method: "client_secret_basic",
    },
    fetch: toldFetch,
  });
}

/** Finds the server, registers, and gets from the person what it will hand on. */
export async function beAllowed(orchestrator, person) {
  title("The orchestrator knocks without a token (RFC 9728 §5.1)");
  const { status, challenge } = await knock();
  wire("POST", notes, status);
  say(challenge);

  const question = await orchestrator.ask().catch(notRegistered);
  title("The orchestrator sends its person to the server (OAuth 2.1, PKCE)");
  say(`${server}/authorize?…`, parameters(new URL(question).searchParams));
  await person.allow(question);
  await orchestrator.connect().catch(refused);
  const { client, tokens } = orchestrator.memory;
  say(`add_note → ${await orchestrator.call("add_note", { note: "The passport ends in May." })}`);
  await orchestrator.close();
  return {
    clientId: client.client_id,
    secret: client.client_secret,
    token: tokens.access_token,
    refreshToken: tokens.refresh_token,
  };
}

function notRegistered(error) {
  if (!("submittedMetadata" in error)) throw error;
  throw new Hint(
    `The server did not register the orchestrator: ${error.message}\n` +
      "The demo needs a server of this machine that lets anybody register: one in local mode.",
  );
}

function refused(error) {
  if (error.code !== "access_denied") throw error;
  throw new Hint("You refused, and access_denied is all that the agent got. Run the demo again to allow it.");
}

/** The requests that an MCP client makes on its own, each told once, with what the answer says. */
const STORIES = [
  {
    is: ({ url }) => url.includes("/.well-known/oauth-protected-resource"),
    title: "It reads who protects the MCP server (RFC 9728 §3)",
    tell: (body) => [`authorization_servers: ${body.authorization_servers}`],
  },
  {
    is: ({ url }) => url === `${server}/.well-known/oauth-authorization-server`,
    title: "It reads what that server offers (RFC 8414)",
    tell: (body) => [
      `token_endpoint: ${body.token_endpoint}`,
      `grants: ${body.grant_types_supported.map(lastWord).join(", ")}`,
    ],
  },
  {
    is: ({ url }) => url === `${server}/register`,
    title: "It registers itself: nobody had to prepare anything (RFC 7591)",
    tell: (body) => [
      `client_id: ${body.client_id}, with a secret`,
      `client_name: ${body.client_name}, a name that nobody has verified`,
      `grants: ${body.grant_types.map(lastWord).join(", ")}`,
    ],
  },
  {
    is: ({ url, form }) => url === `${server}/token` && form.get("grant_type") === "authorization_code",
    title: "It gets its tokens, and works (RFC 6749 §4.1.3, RFC 9068)",
    tell: (body) => [
      `access_token, ${body.expires_in} seconds, scope ${body.scope}:`,
      short(JSON.stringify(claimsOf(body.access_token))),
    ],
  },
];

/** `fetch` for the orchestrator, which tells what matters of what went over the wire. */
async function toldFetch(input, init = {}) {
  const response = await fetch(input, init);
  const url = String(input);
  const form = new URLSearchParams(init.body instanceof URLSearchParams ? init.body : undefined);
  const index = STORIES.findIndex((story) => story.is({ url, form }));
  const [story] = index < 0 ? [] : STORIES.splice(index, 1);
  if (!story) return response;
  title(story.title);
  wire(init.method ?? "GET", url, response.status);
  if (response.ok) say(...story.tell(await response.clone().json()));
  return response;
}

/** `token-exchange` for `urn:ietf:params:oauth:grant-type:token-exchange`. */
const lastWord = (urn) => urn.split(":").at(-1);

const parameters = (search) =>
  ["client_id", "redirect_uri", "resource", "scope", "code_challenge_method"].map(
    (name) => `  ${name}=${search.get(name)}`,
  );
