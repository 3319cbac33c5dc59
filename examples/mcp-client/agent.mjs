import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { auth, Client, StreamableHTTPClientTransport, UnauthorizedError } from "@modelcontextprotocol/client";

/**
 * An MCP client as a desktop app is one: it discovers, registers itself, sends its person to a browser,
 * listens on loopback for the answer (RFC 8252 §7.3) and refreshes its tokens.
 *
 * @param {object} options
 * @param {string} options.url The MCP server.
 * @param {string} options.name The name people read.
 * @param {string} [options.scope] What it asks for at once; without it, what the MCP server's challenge names.
 * @param {object} [options.metadata] What it registers as, beyond a client that keeps no secret (RFC 7591 §2).
 * @param {typeof fetch} [options.fetch]
 */
export async function createAgent({ url, name, scope, metadata, fetch }) {
  const callback = await listenForCallback();
  const { memory, provider } = remember({ name, redirectUri: callback.redirectUri, metadata });
  const newTransport = () =>
    new StreamableHTTPClientTransport(new URL(url), { authProvider: provider, ...(fetch && { fetch }) });
  const newClient = () =>
    new Client({ name, version: "1.0.0" }, { versionNegotiation: { mode: { pin: "2026-07-28" } } });
  const transport = newTransport();
  const client = newClient();

  return {
    /** Tries to get in, and returns the address where the person has to allow it. @returns {Promise<string>} */
    async ask() {
      if (scope) await auth(provider, { serverUrl: url, scope, fetchFn: fetch });
      else await newClient().connect(transport).catch(unauthorized);
      return memory.authorizationUrl;
    },

    /** Waits for the person's answer and connects with the tokens it brings; throws the error they answered with. */
    async connect() {
      const answer = await callback.answer;
      // Not our question: somebody else sent this browser here (RFC 6749 §10.12).
      if (answer.get("state") !== memory.state) throw new Error("The callback answers another request.");
      // The client checks `iss` before it believes anything else (RFC 9207 §2.4).
      await transport.finishAuth(answer);
      await client.connect(newTransport());
    },

    /** Calls a tool and returns its text. @param {string} tool */
    async call(tool, args = {}) {
      const { content } = await client.callTool({ name: tool, arguments: args });
      return content[0].text;
    },

    /** Redeems the refresh token; on a 401 the client does it by itself. */
    refresh: () => auth(provider, { serverUrl: url, fetchFn: fetch }),

    memory,

    async close() {
      callback.close();
      await client.close();
    },
  };
}

/** The answer that was to be expected: by now the person's address is known. */
function unauthorized(error) {
  if (!(error instanceof UnauthorizedError)) throw error;
}

/** What a client has to remember between requests. A real one keeps it for the next start, with the tokens encrypted. */
function remember({ name, redirectUri, metadata }) {
  const memory = {};
  const save = (key) => (value) => {
    memory[key] = value;
  };
  const provider = {
    redirectUrl: redirectUri,
    clientMetadata: {
      client_name: name,
      redirect_uris: [redirectUri],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
      ...metadata,
    },
    state: () => {
      memory.state = randomBytes(32).toString("base64url");
      return memory.state;
    },
    clientInformation: () => memory.client,
    saveClientInformation: save("client"),
    tokens: () => memory.tokens,
    saveTokens: save("tokens"),
    codeVerifier: () => memory.codeVerifier,
    saveCodeVerifier: save("codeVerifier"),
    discoveryState: () => memory.discovery,
    saveDiscoveryState: save("discovery"),
    redirectToAuthorization: ({ href }) => {
      memory.authorizationUrl = href;
    },
  };
  return { memory, provider };
}

async function listenForCallback() {
  const listener = createServer();
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const origin = `http://127.0.0.1:${listener.address().port}`;
  const answer = new Promise((resolve) => {
    listener.on("request", (request, response) => {
      const { pathname, searchParams } = new URL(origin + request.url);
      if (pathname !== "/callback") return response.writeHead(404).end();
      response.writeHead(200, { "content-type": "text/plain; charset=utf-8", connection: "close" });
      response.end("The agent has your answer. Go back to the terminal.\n");
      resolve(searchParams);
    });
  });
  return { redirectUri: `${origin}/callback`, answer, close: () => listener.close() };
}
