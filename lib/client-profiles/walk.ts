import { createHash } from "node:crypto";
import { JWT_BEARER_ASSERTION } from "@/lib/oauth/client-assertion";
import {
  Registered,
  ResourceMetadata,
  read,
  ServerMetadata,
  TokenResponse,
  type WalkAnswer,
  type WalkRequest,
  WalkStopped,
} from "./answers";
import type { ClientProfile, DiscoveryUrl, ResourceForm, ScopeSource } from "./profile";

/** What a client holds when everything went well. */
export type Walked = { clientId: string; accessToken: string; refreshToken: string; scope: string };

type Walk<T> = Generator<WalkRequest, T, WalkAnswer>;

/** The MCP server to connect to, where to be sent back to, and the secrets, which are not a profile's to choose. */
type Trip = {
  mcpServer: string;
  redirectUri: string;
  /** Of PKCE. */
  verifier: string;
  /** Signs what the client says of itself with its key (RFC 7523 §3). */
  sign: (assertion: { iss: string; sub: string; aud: string }) => string;
};

/** What a client has learnt before it sends the person off. */
type Known = { profile: ClientProfile; trip: Trip; server: ServerMetadata; challenged: readonly string[] };
type Credentials = { clientId: string; secret: string | undefined };

/**
 * The calls of a client from its first contact to a refreshed token, in its order and in its words. It does no I/O:
 * it yields requests and is given answers, by a test or over the network. Throws WalkStopped where the client would
 * give up; this is what it needs, not what a standard asks for.
 */
export function* walk(profile: ClientProfile, trip: Trip): Walk<Walked> {
  const challenged = yield* challenge(profile, trip);
  const server = yield* discover(profile, trip);
  const known = { profile, trip, server, challenged };
  const credentials = yield* register(known);
  const code = yield* authorize(known, credentials);
  const { redirectUri, verifier } = trip;
  const first = yield* token(known, credentials, "code", profile.token.resource, {
    grant_type: "authorization_code",
    code,
    code_verifier: verifier,
    ...(profile.token.redirectUri ? { redirect_uri: redirectUri } : {}),
  });
  yield* call(profile, trip, first.access_token);
  const next = yield* token(known, credentials, "refresh", profile.refresh.resource, {
    grant_type: "refresh_token",
    refresh_token: first.refresh_token,
    ...(profile.refresh.scope === "granted" ? { scope: first.scope } : {}),
  });
  yield* call(profile, trip, next.access_token);
  return {
    clientId: credentials.clientId,
    accessToken: next.access_token,
    refreshToken: next.refresh_token,
    scope: next.scope,
  };
}

/** The call without a token, which tells where to look and what to ask for (RFC 9728 §5.1). */
function* challenge(profile: ClientProfile, trip: Trip): Walk<readonly string[]> {
  const answer = yield { step: "challenge", ...mcpCall(profile, trip) };
  const header = answer.headers.get("www-authenticate") ?? "";
  if (answer.status !== 401)
    throw new WalkStopped("challenge", `A call without a token answered ${answer.status}, not 401.`);
  if (!/^Bearer .*resource_metadata="[^"]+"/.test(header))
    throw new WalkStopped("challenge", "The 401 names no resource_metadata in WWW-Authenticate.");
  return /\bscope="([^"]*)"/.exec(header)?.[1]?.split(" ") ?? [];
}

function* discover(profile: ClientProfile, trip: Trip): Walk<ServerMetadata> {
  const { origin } = new URL(trip.mcpServer);
  let issuer = origin;
  let server: ServerMetadata | undefined;
  for (const asked of profile.discovery) {
    const answer = yield {
      step: "discovery",
      method: "GET",
      url: discoveryUrl(asked, trip, asked.at === "mcp" ? origin : issuer),
      headers: { ...agent(profile.userAgent.oauth), "mcp-protocol-version": profile.protocolVersion },
    };
    if (answer.status === 404) continue;
    if (asked.document === "resource") issuer = readResource(asked, trip, answer) ?? issuer;
    else server ??= readServer(issuer, answer);
  }
  if (server) return server;
  throw new WalkStopped("discovery", "No authorization server metadata were found.");
}

const discoveryUrl = ({ path }: DiscoveryUrl, { mcpServer }: Trip, origin: string): string =>
  `${origin}${path.replace("{path}", new URL(mcpServer).pathname)}`;

/** Only the document of this very resource counts (RFC 9728 §3.3); the one at the root is another's. */
function readResource({ path }: DiscoveryUrl, { mcpServer }: Trip, answer: WalkAnswer): string | undefined {
  const { resource, authorization_servers: servers } = read(ResourceMetadata, "discovery", answer, 200);
  if (resource === mcpServer) return servers[0];
  if (!path.includes("{path}")) return undefined;
  throw new WalkStopped("discovery", `The metadata of ${mcpServer} say they are for ${resource}.`);
}

function readServer(issuer: string, answer: WalkAnswer): ServerMetadata {
  const metadata = read(ServerMetadata, "discovery", answer, 200);
  if (metadata.issuer !== issuer)
    throw new WalkStopped("discovery", `The metadata of ${issuer} name another issuer, ${metadata.issuer}.`);
  if (!metadata.code_challenge_methods_supported.includes("S256"))
    throw new WalkStopped("discovery", "The metadata do not list S256 in code_challenge_methods_supported.");
  return metadata;
}

function* register(known: Known): Walk<Credentials> {
  const { profile, server } = known;
  const { registration } = profile;
  if (registration.kind === "document") {
    const methods = server.token_endpoint_auth_methods_supported;
    const { auth } = profile.token;
    if (server.client_id_metadata_document_supported && methods.includes(auth))
      return { clientId: registration.clientId, secret: undefined };
    throw new WalkStopped(
      "registration",
      `The server does not offer client metadata documents with ${auth}.`,
    );
  }
  const endpoint = endpointOf(known, "register", server.registration_endpoint);
  if (!endpoint) throw new WalkStopped("registration", "The server has no registration endpoint.");
  const scope = scopeFrom(known, registration.scope);
  const answer = yield {
    step: "registration",
    method: "POST",
    url: endpoint,
    headers: { ...agent(profile.userAgent.oauth), "content-type": "application/json" },
    body: JSON.stringify({
      ...registration.metadata,
      ...(scope.length > 0 ? { scope: scope.join(" ") } : {}),
    }),
  };
  const registered = read(Registered, "registration", answer, 201);
  const { client_id: clientId, client_secret: secret, token_endpoint_auth_method: method } = registered;
  // A secret with none, or none without a secret, is a registration no client can use.
  if ((method === "none") !== (secret === undefined))
    throw new WalkStopped("registration", `The client was registered for ${method}, which does not fit.`);
  return { clientId, secret };
}

function* authorize(known: Known, { clientId }: Credentials): Walk<string> {
  const { profile, trip, server } = known;
  const { authorize: asked } = profile;
  const scope = new Set(scopeFrom(known, asked.scope));
  if (asked.offlineAccess && server.scopes_supported.includes("offline_access")) scope.add("offline_access");
  const params = new URLSearchParams({
    response_type: "code",
    client_id: clientId,
    redirect_uri: trip.redirectUri,
    code_challenge: createHash("sha256").update(trip.verifier).digest("base64url"),
    code_challenge_method: "S256",
    state: asked.state,
    ...(asked.prompt ? { prompt: asked.prompt } : {}),
    ...(scope.size > 0 ? { scope: [...scope].join(" ") } : {}),
  });
  addResources(params, asked.resource, trip);
  const endpoint = endpointOf(known, "authorize", server.authorization_endpoint);
  const answer = yield { step: "authorization", method: "GET", url: `${endpoint}?${params}`, headers: {} };
  return readCode(known, answer);
}

function readCode({ profile, trip, server }: Known, { status, headers }: WalkAnswer): string {
  const location = headers.get("location") ?? "";
  if (!location.startsWith(trip.redirectUri))
    throw new WalkStopped("authorization", `The person was not sent back to the app (status ${status}).`);
  const answer = new URL(location).searchParams;
  const code = answer.get("code");
  if (!code) throw new WalkStopped("authorization", `The app was sent ${answer.get("error")} for a code.`);
  if (answer.get("state") !== profile.authorize.state)
    throw new WalkStopped("authorization", "The state came back changed.");
  // "If the value does not match … clients MUST reject the authorization response" (RFC 9207 §2.4)
  if (server.authorization_response_iss_parameter_supported && answer.get("iss") !== server.issuer)
    throw new WalkStopped("authorization", `iss is ${answer.get("iss")} and not ${server.issuer}.`);
  return code;
}

function* token(
  known: Known,
  { clientId, secret }: Credentials,
  step: "code" | "refresh",
  resources: readonly ResourceForm[],
  fields: Record<string, string>,
): Walk<TokenResponse> {
  const { profile, trip, server } = known;
  const body = new URLSearchParams(fields);
  const url = endpointOf(known, "token", server.token_endpoint);
  const headers: Record<string, string> = {
    ...agent(profile.userAgent.oauth),
    accept: "application/json",
    "content-type": "application/x-www-form-urlencoded",
  };
  if (profile.token.auth === "client_secret_basic" && secret !== undefined) {
    headers.authorization = `Basic ${btoa(`${encodeURIComponent(clientId)}:${encodeURIComponent(secret)}`)}`;
  } else {
    body.set("client_id", clientId);
    if (profile.token.auth === "private_key_jwt") {
      body.set("client_assertion_type", JWT_BEARER_ASSERTION);
      body.set("client_assertion", trip.sign({ iss: clientId, sub: clientId, aud: url }));
    }
    if (secret !== undefined) body.set("client_secret", secret);
  }
  addResources(body, resources, trip);
  const answer = yield { step, method: "POST", url, headers, body: body.toString() };
  return read(TokenResponse, step, answer, 200);
}

function* call(profile: ClientProfile, trip: Trip, accessToken: string): Walk<void> {
  const { status } = yield { step: "call", ...mcpCall(profile, trip, accessToken) };
  if (status !== 200) throw new WalkStopped("call", `The MCP server answered the token with ${status}.`);
}

/** The first message of MCP (Streamable HTTP, revisions of 2025). */
function mcpCall(profile: ClientProfile, { mcpServer }: Trip, accessToken?: string) {
  const { protocolVersion, name, userAgent } = profile;
  return {
    method: "POST",
    url: mcpServer,
    headers: {
      ...agent(userAgent.mcp),
      ...(accessToken ? { authorization: `Bearer ${accessToken}` } : {}),
      accept: "application/json, text/event-stream",
      "content-type": "application/json",
    },
    body: JSON.stringify({
      jsonrpc: "2.0",
      id: 0,
      method: "initialize",
      params: { protocolVersion, capabilities: {}, clientInfo: { name, version: "1.0.0" } },
    }),
  } as const;
}

const agent = (userAgent: string | null | undefined): Record<string, string> =>
  userAgent ? { "user-agent": userAgent } : {};

function endpointOf<T extends string | undefined>(
  { profile, server }: Known,
  name: "authorize" | "token" | "register",
  advertised: T,
): string | T {
  return profile.endpoints === "root" ? `${new URL(server.issuer).origin}/${name}` : advertised;
}

function scopeFrom({ server, challenged }: Known, source: ScopeSource): readonly string[] {
  switch (source) {
    case "challenge":
      return challenged;
    case "catalog":
      return server.scopes_supported;
    case "none":
      return [];
  }
}

function addResources(params: URLSearchParams, forms: readonly ResourceForm[], { mcpServer }: Trip): void {
  for (const form of forms) {
    params.append("resource", form === "url" ? mcpServer : new URL("/", mcpServer).href);
  }
}
