import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import {
  auth,
  type CallToolResult,
  Client,
  type OAuthClientMetadata,
  type OAuthClientProvider,
  type OAuthDiscoveryState,
  type StoredOAuthClientInformation,
  type StoredOAuthTokens,
  StreamableHTTPClientTransport,
  UnauthorizedError,
} from "@modelcontextprotocol/client";

export type ConnectOptions = {
  /** The MCP server's address. */
  url: string;
  /** The name a person reads on the consent page. */
  app: string;
  /** A client ID metadata document that we serve, or dynamic registration (RFC 7591). */
  registration: "cimd" | "dcr";
  /** 2026-07-28, or the `initialize` handshake of the revisions before. */
  protocol: "2026-07-28" | "2025";
  /** Takes the authorization request through a browser, to our callback. */
  person: (authorizationUrl: string) => Promise<void>;
};

export type Agent = {
  client: Client;
  /** How the authorization server knows this client. */
  clientId(): string;
  tokens(): StoredOAuthTokens;
  /** Calls a tool; when the server wants more permission, asks the person and calls again. */
  call(name: string, args?: Record<string, unknown>): Promise<string>;
  /** Redeems the refresh token now, without waiting for a 401. */
  refresh(): Promise<void>;
  close(): Promise<void>;
};

/** Connects the official MCP client to a protected server, as a desktop app with a loopback callback does. */
export async function connectAgent(options: ConnectOptions): Promise<Agent> {
  const callback = await listenForCallback(options.app);
  const memory = clientMemory(options, callback);
  const { provider } = memory;
  const open = () => new StreamableHTTPClientTransport(new URL(options.url), { authProvider: provider });

  /** Tries, lets the person decide when the server asks for it, and tries again on what they allowed. */
  const authorized = async <Result>(
    transport: StreamableHTTPClientTransport,
    attempt: () => Promise<Result>,
    again: () => Promise<Result>,
  ): Promise<Result> => {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof UnauthorizedError)) throw error;
      const [parameters] = await Promise.all([callback.next(), options.person(memory.authorizationUrl())]);
      if (parameters.get("state") !== memory.state())
        throw new Error("The callback is not for this request.");
      await transport.finishAuth(parameters);
      return again();
    }
  };

  const connect = async (transport: StreamableHTTPClientTransport) => {
    const client = newClient(options);
    await client.connect(transport);
    return { client, transport };
  };
  try {
    const first = open();
    const { client, transport } = await authorized(
      first,
      () => connect(first),
      () => connect(open()),
    );
    return {
      client,
      clientId: memory.clientId,
      tokens: memory.tokens,
      call: async (name, args = {}) => {
        const attempt = () => client.callTool({ name, arguments: args });
        return textOf(await authorized(transport, attempt, attempt));
      },
      refresh: async () => {
        const result = await auth(provider, { serverUrl: options.url });
        if (result !== "AUTHORIZED") throw new Error("The refresh token was not enough.");
      },
      close: async () => {
        await client.close();
        callback.close();
      },
    };
  } catch (error) {
    callback.close();
    throw error;
  }
}

function newClient({ app, protocol }: ConnectOptions): Client {
  const mode = protocol === "2025" ? "legacy" : { pin: protocol };
  return new Client({ name: app, version: "1.0.0" }, { versionNegotiation: { mode } });
}

function textOf({ content }: CallToolResult): string {
  const [block] = content;
  if (block?.type !== "text") throw new Error(`The tool answered with ${block?.type ?? "nothing"}.`);
  return block.text;
}

/** Everything the client has to remember between requests; this one forgets it when the test ends. */
function clientMemory({ app, registration }: ConnectOptions, callback: Callback) {
  let client: StoredOAuthClientInformation | undefined;
  let tokens: StoredOAuthTokens | undefined;
  let discovery: OAuthDiscoveryState | undefined;
  let verifier = "";
  let state = "";
  let authorizationUrl = "";

  const provider: OAuthClientProvider = {
    redirectUrl: callback.redirectUri,
    clientMetadata: clientMetadata(app, callback.redirectUri),
    state: () => {
      state = randomBytes(32).toString("base64url");
      return state;
    },
    // The client itself takes https documents only; on loopback it is handed the address as if it were registered.
    clientInformation: (server) =>
      registration === "cimd" && server ? { client_id: callback.documentUrl, issuer: server.issuer } : client,
    saveClientInformation: (saved) => {
      client = saved;
    },
    tokens: () => tokens,
    saveTokens: (saved) => {
      tokens = saved;
    },
    codeVerifier: () => verifier,
    saveCodeVerifier: (saved) => {
      verifier = saved;
    },
    discoveryState: () => discovery,
    saveDiscoveryState: (saved) => {
      discovery = saved;
    },
    redirectToAuthorization: (url) => {
      authorizationUrl = url.href;
    },
    invalidateCredentials: (what) => {
      if (what === "tokens" || what === "all") tokens = undefined;
    },
  };
  return {
    provider,
    state: () => state,
    authorizationUrl: () => authorizationUrl,
    clientId: () => (registration === "cimd" ? callback.documentUrl : present(client).client_id),
    tokens: () => present(tokens),
  };
}

function present<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new Error("The client has not got that far.");
  return value;
}

const clientMetadata = (app: string, redirectUri: string): OAuthClientMetadata => ({
  client_name: app,
  redirect_uris: [redirectUri],
  grant_types: ["authorization_code", "refresh_token"],
  response_types: ["code"],
  token_endpoint_auth_method: "none",
});

type Callback = {
  redirectUri: string;
  /** Where the client's metadata document is; its address is the client's id. */
  documentUrl: string;
  next(): Promise<URLSearchParams>;
  close(): void;
};

/** Listens where the browser comes back to, and serves the client's metadata document beside it. */
async function listenForCallback(app: string): Promise<Callback> {
  const server: Server = createServer((request, response) => {
    const url = new URL(request.url ?? "", origin);
    if (url.pathname === "/client.json") {
      const document = { client_id: documentUrl, ...clientMetadata(app, redirectUri) };
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(document));
    } else if (url.pathname === "/callback") {
      response.writeHead(200, { "content-type": "text/plain" }).end("You can close this page.");
      server.emit("callback", url.searchParams);
    } else {
      response.writeHead(404).end();
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The system gave no port.");
  const origin = `http://127.0.0.1:${address.port}`;
  const [documentUrl, redirectUri] = [`${origin}/client.json`, `${origin}/callback`];
  return {
    redirectUri,
    documentUrl,
    next: async () => {
      const [parameters] = await once(server, "callback");
      return parameters;
    },
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
