import {
  createLocalJWKSet,
  decodeProtectedHeader,
  type JSONWebKeySet,
  type JWTPayload,
  jwtVerify,
} from "jose";
import { beforeAll, describe, expect, it } from "vitest";
import { GRANT_TYPES, TOKEN_TYPES } from "@/lib/oauth/token-types";
import { type Connection, connect, newBrowser } from "@/test/support/client";
import { type TestContext, testContext, unique } from "@/test/support/context";

/** The issuer of local mode: the one setting that such a client has is this address. */
const SERVER = "http://localhost:8000";

/** What that client's HTTP library adds to every request. */
const headers = { accept: "*/*", "accept-encoding": "gzip, deflate", "user-agent": "python-httpx/0.23.3" };
const formHeaders = { ...headers, "content-type": "application/x-www-form-urlencoded" };

type Agent = { id: string; client_id: string; client_secret: string; name: string };
type Fields = Record<string, string | undefined>;

let t: TestContext;
let c: Connection;

beforeAll(async () => {
  t = await testContext({ env: { AUTHGENT_DELEGATION_ROOT_IN_ACT: "true" } });
  c = connect(t);
});

const post = (path: string, fields: Fields) => c.form(path, fields, formHeaders);
const jsonBody = async (response: Response) => (await response.json()) as Record<string, unknown>;

/** The client reads an answer only when the status is the one it waits for; else it raises the body as text. */
async function answer(response: Response, status = 200): Promise<Record<string, unknown>> {
  if (response.status !== status) throw new Error(`${response.status}: ${await response.text()}`);
  return jsonBody(response);
}

async function registerAgent(scopes: readonly string[]): Promise<Agent> {
  const body = { name: unique("agent "), allowed_scopes: scopes };
  const { id, client_id, client_secret, name } = await answer(await c.json("/agents", body, headers), 201);
  return {
    id: String(id),
    client_id: String(client_id),
    client_secret: String(client_secret),
    name: `${name}`,
  };
}

const credentials = ({ client_id, client_secret }: Agent) => ({ client_id, client_secret });

/** Secrets are always form fields; members without a value are not sent. */
const getToken = (agent: Agent, more: Fields = {}) =>
  post("/token", { grant_type: "client_credentials", ...credentials(agent), ...more });

const exchangeToken = (agent: Agent, subjectToken: string, audience: string, scope?: string) =>
  post("/token", {
    grant_type: GRANT_TYPES.tokenExchange,
    subject_token: subjectToken,
    subject_token_type: TOKEN_TYPES.accessToken,
    audience,
    scope,
    ...credentials(agent),
  });

const checkExchange = async (subjectToken: string, audience: string, agent: Agent, scope = "") =>
  answer(
    await c.json(
      "/token/check",
      { subject_token: subjectToken, audience, client_id: agent.client_id, scope },
      headers,
    ),
  );

const introspect = async (token: string, by?: Agent) =>
  answer(await post("/introspect", { token, ...(by && credentials(by)) }));

const revoke = (token: string, by: Agent) => post("/revoke", { token, ...credentials(by) });

const accessToken = async (response: Response) => String((await answer(response)).access_token);

/** Verifies as the client does: the key set is read once, and only P-256 keys with an id are understood. */
async function verified(token: string, audience: string): Promise<JWTPayload> {
  const response = await c.call("/.well-known/jwks.json", { headers });
  const keys: JSONWebKeySet = await response.json();
  const options = { algorithms: ["ES256"], issuer: SERVER, audience };
  return (await jwtVerify(token, createLocalJWKSet(keys), options)).payload;
}

/** The chain as the client flattens it: the newest actor first. */
function actorsOf(claims: JWTPayload): unknown[] {
  const actors: unknown[] = [];
  for (let act: unknown = claims.act; isActor(act); act = act.act) actors.push(act.sub);
  return actors;
}
const isActor = (value: unknown): value is { sub: string; act?: unknown } =>
  typeof value === "object" && value !== null && "sub" in value;

/** A refusal as text: the client shows it and reads nothing in it. */
const refusal = async (response: Response) => {
  const { error, error_code } = await jsonBody(response);
  return { status: response.status, error, error_code };
};

/** Four agents and a token handed on three times: orchestrator, search, database, reader. */
async function threeHops() {
  const orchestrator = await registerAgent(["search:run", "db:read", "db:write"]);
  const search = await registerAgent(["search:run", "db:read"]);
  const database = await registerAgent(["db:read"]);
  const reader = await registerAgent(["db:read"]);
  const root = await accessToken(await getToken(orchestrator, { scope: "search:run db:read" }));
  const one = await accessToken(await exchangeToken(search, root, "agent:search", "search:run db:read"));
  const two = await accessToken(await exchangeToken(database, one, "agent:database", "db:read"));
  const three = await accessToken(await exchangeToken(reader, two, "https://records.example.com", "db:read"));
  return { orchestrator, search, database, reader, tokens: [root, one, two, three] as const };
}

/** A person's refresh token of a confidential client, from the code flow. */
async function refreshTokenOfPerson() {
  const app = await c.registerConfidential({
    token_endpoint_auth_method: "client_secret_post",
    scope: "db:read",
  });
  const person = await c.signIn();
  const { refresh_token } = await c.tokensFor(app, { scope: "db:read" }, { person });
  const client = { client_id: app.clientId, client_secret: app.secret ?? "", id: "", name: "" };
  return { client, refreshToken: refresh_token, subject: `user:${person.user.id}` };
}

describe("register_agent: POST /agents", () => {
  it("sends name, allowed_scopes, owner, capabilities; reads id, client_id, client_secret, name of a 201", async () => {
    const body = {
      name: "Search",
      allowed_scopes: ["search:run"],
      owner: "research",
      capabilities: ["search"],
    };
    const agent = await answer(await c.json("/agents", body, headers), 201);
    expect(agent).toMatchObject(body);
    expect(agent.id).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}$/);
    expect(agent.client_id).toMatch(/^agnt_[\w-]{22}$/);
    expect(agent.client_secret).toMatch(/^sec_[\w-]{43}$/);
  });

  it("a name alone is sent when there is nothing else", async () => {
    const agent = await answer(await c.json("/agents", { name: "Bare" }, headers), 201);
    expect(agent).toMatchObject({ name: "Bare", allowed_scopes: [], owner: null, capabilities: [] });
  });

  it("an empty name is 422", async () => {
    const response = await c.json("/agents", { name: "" }, headers);
    expect(await refusal(response)).toEqual({
      status: 422,
      error: "validation_failed",
      error_code: undefined,
    });
  });
});

describe("get_token: POST /token, client_credentials", () => {
  it("reads access_token, token_type, expires_in, scope; a refresh_token is not there", async () => {
    const agent = await registerAgent(["db:read", "db:write"]);
    const { access_token, ...rest } = await answer(await getToken(agent, { scope: "db:read" }));
    expect(rest).toEqual({ token_type: "Bearer", expires_in: 900, scope: "db:read" });
    const claims = await verified(String(access_token), SERVER);
    expect(claims).toMatchObject({
      sub: `client:${agent.client_id}`,
      client_id: agent.client_id,
      aud: SERVER,
      scope: "db:read",
      exp: Number(claims.iat) + 900,
    });
    expect(claims.jti).toMatch(/^[0-9a-f-]{36}$/);
    expect(claims.act).toBeUndefined();
  });

  it("without scope it is all that is registered", async () => {
    const agent = await registerAgent(["db:read", "db:write"]);
    expect((await answer(await getToken(agent))).scope).toBe("db:read db:write");
  });

  it("resource becomes aud, byte for byte", async () => {
    const agent = await registerAgent(["db:read"]);
    const token = await accessToken(await getToken(agent, { resource: "https://api.example.com/" }));
    expect((await verified(token, "https://api.example.com/")).aud).toBe("https://api.example.com/");
  });

  it.each([
    ["a wrong secret", { client_secret: "wrong" }, { status: 401, error: "invalid_client" }],
    ["an empty secret", { client_secret: "" }, { status: 401, error: "invalid_client" }],
    [
      "scope beyond the registration",
      { scope: "db:drop" },
      { status: 400, error: "invalid_scope", error_code: "scope_escalation" },
    ],
  ])("%s is refused", async (_, fields, expected) => {
    const agent = await registerAgent(["db:read"]);
    expect(await refusal(await getToken(agent, fields))).toEqual({ error_code: undefined, ...expected });
  });
});

describe("JWKSFetcher: GET /.well-known/jwks.json", () => {
  it("every key has the members that the client builds a P-256 key from, and no private one", async () => {
    const { keys } = await answer(await c.call("/.well-known/jwks.json", { headers }));
    const shapes = (keys as Record<string, unknown>[]).map((key) => ({
      ...{ kty: key.kty, crv: key.crv, alg: key.alg, use: key.use },
      members: Object.keys(key).sort(),
    }));
    const members = ["alg", "crv", "kid", "kty", "use", "x", "y"];
    expect(shapes.length).toBeGreaterThan(0);
    expect(shapes).toEqual(
      shapes.map(() => ({ kty: "EC", crv: "P-256", alg: "ES256", use: "sig", members })),
    );
  });
});

describe("exchange_token and check_exchange: three hops", () => {
  it("each answer has access_token, token_type, expires_in, scope; each token names every actor", async () => {
    const { orchestrator, search, database, reader, tokens } = await threeHops();
    const claims = await verified(tokens[3], "https://records.example.com");
    expect(claims.sub).toBe(`client:${orchestrator.client_id}`);
    expect(claims.scope).toBe("db:read");
    expect(actorsOf(claims)).toEqual([reader, database, search].map((agent) => `client:${agent.client_id}`));

    const response = await exchangeToken(search, tokens[0], "agent:search", "db:read");
    const { access_token, ...rest } = await answer(response);
    expect(rest).toEqual({
      token_type: "Bearer",
      expires_in: 300,
      scope: "db:read",
      issued_token_type: TOKEN_TYPES.accessToken,
    });
    expect((await verified(String(access_token), "agent:search")).aud).toBe("agent:search");
  });

  it("without scope it is what the subject token and the agent share", async () => {
    const { reader, tokens } = await threeHops();
    expect((await answer(await exchangeToken(reader, tokens[0], "agent:reader"))).scope).toBe("db:read");
  });

  it("the pre-check says what the exchange would come to, and issues nothing", async () => {
    const { search, tokens } = await threeHops();
    expect(await checkExchange(tokens[0], "agent:search", search, "search:run")).toEqual({
      allowed: true,
      effective_scopes: ["search:run"],
      delegation_depth: 0,
      max_delegation_depth: 5,
      reasons: [],
    });
    expect((await checkExchange(tokens[2], "agent:search", search)).delegation_depth).toBe(2);
  });

  it("more scope is 400 here and allowed: false there, with the reason", async () => {
    const { database, tokens } = await threeHops();
    const response = await exchangeToken(database, tokens[1], "agent:database", "db:write");
    expect(await refusal(response)).toEqual({
      status: 400,
      error: "invalid_scope",
      error_code: "scope_escalation",
    });
    const { allowed, effective_scopes, reasons } = await checkExchange(
      tokens[1],
      "agent:database",
      database,
      "db:write",
    );
    expect({ allowed, effective_scopes }).toEqual({ allowed: false, effective_scopes: [] });
    expect(String(reasons)).toContain("db:write");
  });

  it("the sixth hop is refused by name", async () => {
    const { search, database, tokens } = await threeHops();
    const four = await accessToken(await exchangeToken(search, tokens[3], "agent:next"));
    const five = await accessToken(await exchangeToken(database, four, "agent:next"));
    expect(await refusal(await exchangeToken(search, five, "agent:next"))).toEqual({
      status: 400,
      error: "invalid_request",
      error_code: "delegation_depth_exceeded",
    });
  });

  it("a subject token that does not count is 400 invalid_request", async () => {
    const search = await registerAgent(["db:read"]);
    expect(await refusal(await exchangeToken(search, "not.a.token", "agent:search", "db:read"))).toEqual({
      status: 400,
      error: "invalid_request",
      error_code: undefined,
    });
  });
});

describe("introspect_token: POST /introspect", () => {
  it("in local mode answers the same to a client and to nobody", async () => {
    const { orchestrator, search, database, reader, tokens } = await threeHops();
    const anonymous = await introspect(tokens[3]);
    expect(anonymous).toMatchObject({
      active: true,
      sub: `client:${orchestrator.client_id}`,
      client_id: reader.client_id,
      scope: "db:read",
      token_type: "Bearer",
      iss: SERVER,
      aud: "https://records.example.com",
      act: {
        sub: `client:${reader.client_id}`,
        act: { sub: `client:${database.client_id}`, act: { sub: `client:${search.client_id}` } },
      },
    });
    expect(await introspect(tokens[3], search)).toEqual(anonymous);
  });

  it("what does not count is inactive, and nothing more is said", async () => {
    expect(await introspect("no token")).toEqual({ active: false });
  });
});

describe("revoke_token: POST /revoke", () => {
  it("200 without a body; all that descends from the token ends with it", async () => {
    const { orchestrator, search, tokens } = await threeHops();
    const response = await revoke(tokens[0], orchestrator);
    expect({ status: response.status, body: await response.text() }).toEqual({ status: 200, body: "" });
    const states = await Promise.all(tokens.map((token) => introspect(token)));
    expect(states).toEqual(tokens.map(() => ({ active: false })));
    expect((await checkExchange(tokens[0], "agent:search", search, "db:read")).allowed).toBe(false);
    expect((await exchangeToken(search, tokens[0], "agent:search", "db:read")).status).toBe(400);
    expect((await revoke(tokens[0], orchestrator)).status).toBe(200);
  });

  it("in the middle: what is below ends, what is above stays", async () => {
    const { database, tokens } = await threeHops();
    expect((await revoke(tokens[2], database)).status).toBe(200);
    const states = await Promise.all(tokens.map(async (token) => (await introspect(token)).active));
    expect(states).toEqual([true, true, false, false]);
  });

  it("a wrong secret is 401, and ends nothing", async () => {
    const { orchestrator, tokens } = await threeHops();
    const response = await revoke(tokens[0], { ...orchestrator, client_secret: "wrong" });
    expect(await refusal(response)).toMatchObject({ status: 401, error: "invalid_client" });
    expect((await introspect(tokens[0])).active).toBe(true);
  });
});

describe("refresh_token: POST /token, refresh_token", () => {
  const refresh = (client: Agent, refreshToken: string) =>
    post("/token", { grant_type: "refresh_token", refresh_token: refreshToken, ...credentials(client) });

  it("reads access_token, token_type, expires_in, scope and the next refresh_token", async () => {
    const { client, refreshToken, subject } = await refreshTokenOfPerson();
    const { access_token, refresh_token, ...rest } = await answer(await refresh(client, refreshToken));
    // The client reads these; what a draft adds beside them it leaves alone.
    expect(rest).toMatchObject({ token_type: "Bearer", expires_in: 3600, scope: "db:read" });
    expect(refresh_token).toMatch(/^rt_/);
    expect(refresh_token).not.toBe(refreshToken);
    expect((await verified(String(access_token), SERVER)).sub).toBe(subject);
  });

  it("what an agent makes of it starts at the person, for verifiers that require one", async () => {
    const { client, refreshToken, subject } = await refreshTokenOfPerson();
    const held = await accessToken(await refresh(client, refreshToken));
    const agent = await registerAgent(["db:read"]);
    const delegated = await accessToken(await exchangeToken(agent, held, "agent:reader"));
    const claims = await verified(delegated, "agent:reader");
    expect(claims.sub).toBe(subject);
    expect(actorsOf(claims)).toEqual([`client:${agent.client_id}`, subject]);
  });

  it("revoking it ends what came of it", async () => {
    const { client, refreshToken } = await refreshTokenOfPerson();
    const held = await answer(await refresh(client, refreshToken));
    expect((await revoke(String(held.refresh_token), client)).status).toBe(200);
    expect(await introspect(String(held.access_token))).toEqual({ active: false });
    expect(await refusal(await refresh(client, String(held.refresh_token)))).toMatchObject({
      status: 400,
      error: "invalid_grant",
    });
  });

  it("one that nobody issued is 400 invalid_grant", async () => {
    const { client } = await refreshTokenOfPerson();
    expect(await refusal(await refresh(client, "rt_wrong"))).toMatchObject({
      status: 400,
      error: "invalid_grant",
    });
  });
});

describe("request_stepup, check_stepup and the challenge handler", () => {
  it("ask without credentials and look without them; the token is there, once, for whoever proves to be the agent", async () => {
    const agent = await registerAgent(["db:read"]);
    const { client_id } = agent;
    const body = { agent_id: client_id, action: "delete_rows", scope: "db:delete" };
    const asked = await answer(await c.json("/stepup", body, headers), 202);
    expect(asked).toMatchObject({ ...body, resource: null, status: "pending" });
    const path = `/stepup/${asked.id}`;
    expect((await answer(await c.call(path, { headers }))).status).toBe("pending");
    const person = await c.signIn("approver");
    const session = { ...c.cookies({ person, browser: newBrowser() }), origin: SERVER };
    await answer(await c.json(`${path}/approve`, { approved_by: "unknown" }, session));
    const seen = await answer(await c.call(path, { headers }));
    expect(seen.status).toBe("approved");
    expect(seen).not.toHaveProperty("step_up_token");
    // Whoever knows the id is not the agent yet (product decision D9).
    const token = await accessToken(await getToken(agent));
    const authorized = { ...headers, authorization: `Bearer ${token}` };
    const handed = await answer(await c.call(path, { headers: authorized }));
    expect(await verified(String(handed.step_up_token), SERVER)).toMatchObject({
      sub: `client:${client_id}`,
      scope: "db:delete",
    });
    expect(await answer(await c.call(path, { headers: authorized }))).not.toHaveProperty("step_up_token");
  });

  it("the handler sends its token, an empty resource and a list: it asks as the client of that token", async () => {
    const agent = await registerAgent(["db:read"]);
    const token = await accessToken(await getToken(agent));
    const body = {
      agent_id: agent.client_id,
      action: "scope_escalation",
      scope: "db:delete",
      resource: "",
      delegation_chain_snapshot: [{ sub: `client:${agent.client_id}` }],
    };
    const authorized = { ...headers, authorization: `Bearer ${token}` };
    const asked = await answer(await c.json("/stepup", body, authorized), 202);
    expect(asked).toMatchObject({ agent_id: agent.client_id, resource: null, status: "pending" });
  });
});

describe("adapters: the addresses they are built from", () => {
  it("metadata is at the issuer, and names the key set that they use", async () => {
    const metadata = await answer(await c.call("/.well-known/oauth-authorization-server", { headers }));
    expect({ issuer: metadata.issuer, jwks_uri: metadata.jwks_uri }).toEqual({
      issuer: SERVER,
      jwks_uri: `${SERVER}/.well-known/jwks.json`,
    });
  });

  it("a resource's metadata is as they make it", async () => {
    const served = await answer(await c.call("/.well-known/oauth-protected-resource", { headers }));
    expect(served).toMatchObject({
      resource: SERVER,
      authorization_servers: [SERVER],
      bearer_methods_supported: ["header"],
    });
  });
});

describe("where this server decides otherwise (docs/compatibility.md)", () => {
  it("a known client_id without its secret neither gets nor revokes a token", async () => {
    const agent = await registerAgent(["db:read"]);
    const { client_id } = agent;
    const token = await accessToken(await getToken(agent));
    const asked = await post("/token", { grant_type: "client_credentials", client_id });
    const revoked = await post("/revoke", { token, client_id });
    expect([asked.status, revoked.status]).toEqual([401, 401]);
    expect((await introspect(token)).active).toBe(true);
  });

  it("registering is open here; reading, changing and stopping agents is not", async () => {
    const { id } = await registerAgent(["db:read"]);
    const answers = [
      await c.call("/agents", { headers }),
      await c.call(`/agents/${id}`, { headers }),
      await c.json(`/agents/${id}`, { status: "inactive" }, headers, "PATCH"),
      await c.call(`/agents/${id}`, { method: "DELETE", headers }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([401, 401, 401, 401]);
  });

  it("an agent that exchanges its own token is no hop", async () => {
    const agent = await registerAgent(["db:read"]);
    const own = await accessToken(await getToken(agent));
    const narrowed = await accessToken(await exchangeToken(agent, own, "https://tool.example.com"));
    expect((await verified(narrowed, "https://tool.example.com")).act).toBeUndefined();
  });

  it("access tokens say that they are: typ is at+jwt", async () => {
    const token = await accessToken(await getToken(await registerAgent(["db:read"])));
    expect(decodeProtectedHeader(token).typ).toBe("at+jwt");
  });

  it("tokens/inspect: valid means that the token counts here, not that it can be read", async () => {
    const { orchestrator, search, tokens } = await threeHops();
    const inspect = async (token: string) =>
      answer(await c.call(`/tokens/inspect?token=${token}`, { headers }));
    expect(await inspect(tokens[1])).toMatchObject({
      valid: true,
      delegation_chain: { depth: 1, actors: [`client:${search.client_id}`], human_root: false },
      dpop_bound: false,
      dpop_jkt: null,
      expired: false,
      error: null,
    });
    await revoke(tokens[0], orchestrator);
    expect(await inspect(tokens[1])).toMatchObject({ valid: false, expired: false });
  });
});
