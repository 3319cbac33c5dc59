import { sql } from "drizzle-orm";
import * as oauth from "oauth4webapi";
import { beforeAll, describe, expect, it } from "vitest";
import { rowsOf } from "@/db/client";
import { saveDocumentClient } from "@/lib/services/clients";
import { type App, connect, type Person, refusalOf } from "@/test/support/client";
import { assertionOf, type ClientKey, newClientKey, presenting } from "@/test/support/client-assertion";
import { testContext, unique } from "@/test/support/context";
import { unchanged } from "@/test/support/digest";
import { type PublicServer, publicServer } from "@/test/support/public-server";

type Json = Record<string, unknown>;
type Headers = Record<string, string>;

const ORIGIN = "https://auth.example.com";
const GRANT = { grant_type: "client_credentials" };

let s: PublicServer;
let ada: Headers;
let key: ClientKey;
let next: ClientKey;

beforeAll(async () => {
  s = await publicServer();
  ada = sessionOf(await s.c.signIn());
  [key, next] = [await newClientKey(), await newClientKey()];
});

const sessionOf = (person: Person): Headers => ({ ...s.c.cookies({ person }), origin: ORIGIN });
const jwksOf = (...keys: ClientKey[]) => ({ keys: keys.map(({ publicJwk }) => publicJwk) });

const createClient = (more: Json) =>
  s.c.json("/clients", { client_name: "Job", grant_types: ["client_credentials"], ...more }, s.operator);
const shown = async (clientId: string) =>
  (await s.c.call(`/clients/one?client_id=${encodeURIComponent(clientId)}`, { headers: s.operator })).json();
const patchClient = (clientId: string, changes: unknown) =>
  s.c.json(`/clients/one?client_id=${encodeURIComponent(clientId)}`, changes, s.operator, "PATCH");
const createAgent = (more: Json, headers: Headers = s.operator) =>
  s.c.json("/agents", { name: unique("agent-"), ...more }, headers);
const patchAgent = (id: string, changes: unknown, headers: Headers = s.operator) =>
  s.c.json(`/agents/${id}`, changes, headers, "PATCH");

const statusWith = async (clientId: string, by: ClientKey) =>
  (await s.c.form("/token", { ...GRANT, ...presenting(await assertionOf(s.t, clientId, by)) })).status;

/** What is wrong with a body, field by field; a refusal changes nothing. */
async function refused(act: () => Promise<Response>) {
  const response = await unchanged(s.t, act);
  const { error, errors } = await response.json();
  return {
    status: response.status,
    error,
    ...(errors && { fields: errors.map(({ field }: { field: string }) => field) }),
  };
}
const invalid = (...fields: string[]) => ({ status: 422, error: "validation_failed", fields });

const SIGNS = { token_endpoint_auth_method: "private_key_jwt" };

describe("POST /clients: what an operator says of how a client proves itself", () => {
  it("every member is registered and shown", async () => {
    const said = {
      ...SIGNS,
      jwks: jwksOf(key),
      token_endpoint_auth_signing_alg: "ES256",
      dpop_bound_access_tokens: true,
      require_pushed_authorization_requests: true,
      authorization_details_types: ["payment"],
      legacy_assertion_audience: true,
    };
    const response = await createClient(said);
    expect(response.status).toBe(201);
    const created = await response.json();
    expect(created).toMatchObject(said);
    expect("client_secret" in created).toBe(false);
    expect(await shown(created.client_id)).toMatchObject(said);
  });

  it("what is not said is not shown", async () => {
    const { client_id } = await (await createClient({})).json();
    const names = Object.keys(await shown(client_id));
    expect(names.filter((name) => /jwk|spiffe|dpop|pushed|legacy|details|signing/.test(name))).toEqual([]);
  });

  it.each([
    ["no keys", SIGNS],
    ["keys that only encrypt", { ...SIGNS, jwks: { keys: [{ kty: "RSA", use: "enc" }] } }],
    ["keys and their address", { ...SIGNS, jwks: { keys: [] }, jwks_uri: "https://app.example/jwks" }],
    ["an address without TLS", { ...SIGNS, jwks_uri: "http://app.example/jwks" }],
    ["an address with a password", { ...SIGNS, jwks_uri: "https://a:b@app.example/jwks" }],
    ["HS256", { ...SIGNS, jwks_uri: "https://app.example/jwks", token_endpoint_auth_signing_alg: "HS256" }],
    ["none", { ...SIGNS, jwks_uri: "https://app.example/jwks", token_endpoint_auth_signing_alg: "none" }],
    ["a SPIFFE ID that is none", { spiffe_id: "https://td.example/job" }],
  ])("with %s it is invalid_client_metadata (RFC 7591 §3.2.2)", async (_what, more) => {
    const { status, error } = await refused(() => createClient(more));
    expect({ status, error }).toEqual({ status: 400, error: "invalid_client_metadata" });
  });

  it("a private key is refused, and nothing of it is kept", async () => {
    const jwks = { keys: [{ ...key.publicJwk, d: "AAAA" }] };
    const response = await createClient({ ...SIGNS, jwks });
    expect((await response.json()).error_description).toMatch(/^Remove the private keys from jwks/);
  });

  it.each([
    ["half a character", { keys: [{ kty: "EC", note: "\ud800" }] }],
    ["a name with half a character", { keys: [{ kty: "EC", "\udc00": 1 }] }],
    ["a key six levels deep", { keys: [{ kty: "EC", x: [[[[[[1]]]]]] }] }],
  ])("keys with %s are refused", async (_what, jwks) => {
    const { status, error } = await refused(() => createClient({ ...SIGNS, jwks }));
    expect({ status, error }).toEqual({ status: 400, error: "invalid_client_metadata" });
  });

  it("legacy_assertion_audience that is no boolean is 422", async () => {
    expect(await refused(() => createClient({ legacy_assertion_audience: "yes" }))).toEqual(
      invalid("legacy_assertion_audience"),
    );
  });
});

describe("PATCH /clients/one: what an operator changes", () => {
  const create = async (more: Json = { ...SIGNS, jwks: jwksOf(key) }): Promise<string> =>
    (await (await createClient(more)).json()).client_id;

  it("keys take the place of those before, here or at an address, and bite at once", async () => {
    const clientId = await create();
    expect(await statusWith(clientId, key)).toBe(200);
    const changed = await (await patchClient(clientId, { jwks: jwksOf(next) })).json();
    expect(changed.jwks).toEqual(jwksOf(next));
    expect([await statusWith(clientId, key), await statusWith(clientId, next)]).toEqual([401, 200]);
    const moved = await (await patchClient(clientId, { jwks_uri: "https://app.example/jwks" })).json();
    expect([moved.jwks, moved.jwks_uri]).toEqual([undefined, "https://app.example/jwks"]);
  });

  it("what it is held to is changed both ways, together with its status or without", async () => {
    const clientId = await create();
    const held = { dpop_bound_access_tokens: true, require_pushed_authorization_requests: true };
    expect(await (await patchClient(clientId, held)).json()).toMatchObject({ ...held, status: "active" });
    const back = { dpop_bound_access_tokens: false, status: "disabled" };
    const { dpop_bound_access_tokens, require_pushed_authorization_requests, status } = await (
      await patchClient(clientId, back)
    ).json();
    expect([dpop_bound_access_tokens, require_pushed_authorization_requests, status]).toEqual([
      undefined,
      true,
      "disabled",
    ]);
  });

  it("a client that is held to DPoP gets no bearer token from then on", async () => {
    const clientId = await create();
    await patchClient(clientId, { dpop_bound_access_tokens: true });
    const proof = presenting(await assertionOf(s.t, clientId, key));
    const response = await s.c.form("/token", { ...GRANT, ...proof });
    expect(await refusalOf(response)).toEqual({ status: 400, error: "invalid_dpop_proof" });
  });

  it("tells in the audit trail what was changed, and no value of it", async () => {
    const clientId = await create();
    await patchClient(clientId, { jwks: jwksOf(next), dpop_bound_access_tokens: true });
    const events = await rowsOf<{ actor: string; data: Json }>(
      s.t.ctx.db.execute(
        sql`select actor, data from events where type = 'client.updated' and subject = ${`client:${clientId}`}`,
      ),
    );
    expect(events).toEqual([{ actor: "operator", data: { changed: ["jwks", "dpopBoundAccessTokens"] } }]);
  });

  it.each([
    ["nothing", {}, ["body"]],
    ["a name", { client_name: "x" }, ["body"]],
    ["a secret", { client_secret: "x" }, ["body"]],
    ["a method", { token_endpoint_auth_method: "none" }, ["body"]],
    ["no keys", { jwks: { keys: [] } }, ["jwks"]],
    ["null for keys", { jwks: null }, ["jwks"]],
    ["a symmetric key", { jwks: { keys: [{ kty: "oct", k: "AAAA" }] } }, ["jwks"]],
    ["keys and their address", { jwks: { keys: [] }, jwks_uri: "https://a.example/jwks" }, ["jwks_uri"]],
    ["an address without TLS", { jwks_uri: "http://a.example/jwks" }, ["jwks_uri"]],
    ["an address that is none", { jwks_uri: "jwks" }, ["jwks_uri"]],
    ["a flag that is none", { dpop_bound_access_tokens: "yes" }, ["dpop_bound_access_tokens"]],
  ])("%s is 422 with the field named", async (_what, changes, fields) => {
    const clientId = await create();
    expect(await refused(() => patchClient(clientId, changes))).toEqual(invalid(...fields));
  });

  it("a client with a secret has no keys: 409", async () => {
    const clientId = await create({});
    expect(await refused(() => patchClient(clientId, { jwks: jwksOf(next) }))).toEqual({
      status: 409,
      error: "conflict",
    });
  });

  it("an app with a document says these itself; what it may name as aud is the operator's word", async () => {
    const clientId = `https://${unique("app-")}.example/client.json`;
    await saveDocumentClient(s.t.ctx, {
      clientId,
      metadata: {
        ...{
          name: "App",
          redirectUris: ["https://app.example/cb"],
          tokenEndpointAuthMethod: "private_key_jwt",
        },
        ...{
          grantTypes: ["authorization_code"],
          responseTypes: ["code"],
          applicationType: "web",
          display: {},
        },
        jwks: { keys: [key.publicJwk as Json] },
      },
      ...{ digest: "x", etag: null, expiresAt: s.t.ctx.now() },
    });
    for (const changes of [{ jwks: jwksOf(next) }, { dpop_bound_access_tokens: true }])
      expect(await refused(() => patchClient(clientId, changes))).toEqual({ status: 409, error: "conflict" });
    const told = await (await patchClient(clientId, { legacy_assertion_audience: true })).json();
    expect(told.legacy_assertion_audience).toBe(true);
  });

  it("of two mistakes neither half is done", async () => {
    const { clientId } = await s.createService();
    const changes = { status: "disabled", jwks: jwksOf(next) };
    expect(await refused(() => patchClient(clientId, changes))).toEqual({ status: 409, error: "conflict" });
  });
});

describe("POST /agents: an agent with a key of its own", () => {
  it("has no secret, and proves itself by its key alone", async () => {
    const response = await createAgent({ ...SIGNS, jwks: jwksOf(key), dpop_bound_access_tokens: false });
    expect(response.status).toBe(201);
    const agent = await response.json();
    expect("client_secret" in agent).toBe(false);
    expect([agent.token_endpoint_auth_method, agent.jwks]).toEqual(["private_key_jwt", jwksOf(key)]);
    expect(await statusWith(agent.client_id, key)).toBe(200);
    const named = await s.c.form("/token", { ...GRANT, client_id: agent.client_id });
    expect(await refusalOf(named)).toEqual({ status: 401, error: "invalid_client" });
  });

  it("a library signs for it (oauth4webapi)", async () => {
    const t = await testContext();
    const c = connect(t);
    const { privateKey, kid, publicJwk } = await newClientKey();
    const agent = await (
      await c.json("/agents", { name: "Agent", allowed_scopes: ["a"], ...SIGNS, jwks: { keys: [publicJwk] } })
    ).json();
    const as = { issuer: t.ctx.settings.serverUrl, token_endpoint: `${t.ctx.settings.serverUrl}/token` };
    const client = { client_id: agent.client_id };
    const response = await oauth.clientCredentialsGrantRequest(
      as,
      client,
      oauth.PrivateKeyJwt({ key: privateKey, kid }),
      new URLSearchParams({ scope: "a" }),
      {
        [oauth.allowInsecureRequests]: true,
        [oauth.customFetch]: (url, { method, body, headers }) =>
          c.call(new URL(url).pathname, { method, body, headers }),
      },
    );
    const tokens = await oauth.processClientCredentialsResponse(as, client, response);
    expect([tokens.scope, tokens.token_type]).toEqual(["a", "bearer"]);
  });

  it("or its keys at an address, which is not asked while it registers", async () => {
    const jwks_uri = `https://${unique("keys-")}.example/jwks.json`;
    const asked: string[] = [];
    const own = await publicServer({
      fetchPublic: async (url) => {
        asked.push(url.href);
        const headers = new Headers({ "content-type": "application/jwk-set+json" });
        return { status: 200, headers, body: JSON.stringify(jwksOf(key)) };
      },
    });
    const agent = await (
      await own.c.json("/agents", { name: "Agent", ...SIGNS, jwks_uri }, own.operator)
    ).json();
    expect([agent.jwks_uri, asked]).toEqual([jwks_uri, []]);
    const proof = presenting(await assertionOf(own.t, agent.client_id, key));
    expect((await own.c.form("/token", { ...GRANT, ...proof })).status).toBe(200);
    expect(asked).toEqual([jwks_uri]);
  });

  it("one that is held to DPoP gets no bearer token, with a secret or with a key", async () => {
    const held = { dpop_bound_access_tokens: true };
    const [secret, signs] = [
      await (await createAgent(held)).json(),
      await (await createAgent({ ...held, ...SIGNS, jwks: jwksOf(key) })).json(),
    ];
    expect([secret.dpop_bound_access_tokens, signs.dpop_bound_access_tokens]).toEqual([true, true]);
    const app: App = { clientId: secret.client_id, secret: secret.client_secret, redirectUri: "" };
    const proof = presenting(await assertionOf(s.t, signs.client_id, key));
    const answers = [await s.c.token(app, GRANT), await s.c.form("/token", { ...GRANT, ...proof })];
    expect(await Promise.all(answers.map(refusalOf))).toEqual(
      Array(2).fill({ status: 400, error: "invalid_dpop_proof" }),
    );
  });

  it("a member's agent may, as an operator's", async () => {
    const agent = await (await createAgent({ ...SIGNS, jwks: jwksOf(key) }, ada)).json();
    expect(await statusWith(agent.client_id, key)).toBe(200);
  });

  it.each([
    ["no keys", SIGNS, ["jwks"]],
    ["keys without the method", { jwks: { keys: [] } }, ["token_endpoint_auth_method"]],
    [
      "keys and their address",
      { ...SIGNS, jwks: { keys: [] }, jwks_uri: "https://a.example/jwks" },
      ["jwks_uri"],
    ],
    ["a private key", { ...SIGNS, jwks: { keys: [{ kty: "EC", d: "AAAA" }] } }, ["jwks"]],
    ["a weak key", { ...SIGNS, jwks: { keys: [{ kty: "RSA", n: "AAAA", e: "AQAB" }] } }, ["jwks"]],
    ["21 keys", { ...SIGNS, jwks: { keys: Array(21).fill({ kty: "EC" }) } }, ["jwks.keys"]],
    ["keys that are no set", { ...SIGNS, jwks: [] }, ["jwks"]],
    ["an address without TLS", { ...SIGNS, jwks_uri: "http://a.example/jwks" }, ["jwks_uri"]],
    ["no authentication", { token_endpoint_auth_method: "none" }, ["token_endpoint_auth_method"]],
    ["a method nobody has", { token_endpoint_auth_method: "x" }, ["token_endpoint_auth_method"]],
    ["a flag that is none", { dpop_bound_access_tokens: 1 }, ["dpop_bound_access_tokens"]],
  ])("%s is 422 with the field named", async (_what, more, fields) => {
    expect(await refused(() => createAgent(more))).toEqual(invalid(...fields));
  });
});

describe("PATCH /agents/{id}: an agent's keys", () => {
  const create = async (headers: Headers = s.operator) =>
    (await createAgent({ ...SIGNS, jwks: jwksOf(key) }, headers)).json();

  it("who owns the agent gives it others, which bite at once", async () => {
    const { id, client_id } = await create(ada);
    expect(await statusWith(client_id, key)).toBe(200);
    const changed = await (await patchAgent(id, { jwks: jwksOf(next) }, ada)).json();
    expect(changed.jwks).toEqual(jwksOf(next));
    expect([await statusWith(client_id, key), await statusWith(client_id, next)]).toEqual([401, 200]);
    const grace = sessionOf(await s.c.signIn());
    expect(await refused(() => patchAgent(id, { jwks: jwksOf(key) }, grace))).toEqual({
      status: 404,
      error: "not_found",
    });
  });

  it("and holds it to DPoP, beside what else is said of it", async () => {
    const { id } = await create();
    const changes = { name: "Renamed", dpop_bound_access_tokens: true };
    expect(await (await patchAgent(id, changes)).json()).toMatchObject(changes);
    const back = await (await patchAgent(id, { dpop_bound_access_tokens: false })).json();
    expect(back.dpop_bound_access_tokens).toBe(undefined);
  });

  it("tells in the audit trail what was changed", async () => {
    const { id, client_id } = await create();
    await patchAgent(id, { jwks: jwksOf(next) });
    const events = await rowsOf<{ type: string; data: Json }>(
      s.t.ctx.db.execute(
        sql`select type, data from events where type in ('agent.updated', 'client.updated')
          and subject in (${`agent:${id}`}, ${`client:${client_id}`}) order by type`,
      ),
    );
    expect(events).toEqual([
      { type: "agent.updated", data: { changed: ["jwks"] } },
      { type: "client.updated", data: { changed: ["jwks"] } },
    ]);
  });

  it("an agent with a secret has no keys: 409, and nothing else of the change is done", async () => {
    const { id } = await (await createAgent({})).json();
    const changes = { name: "Renamed", jwks: jwksOf(next) };
    expect(await refused(() => patchAgent(id, changes))).toEqual({ status: 409, error: "conflict" });
  });

  it.each([
    ["no keys", { jwks: { keys: [] } }, ["jwks"]],
    ["a method", { token_endpoint_auth_method: "client_secret_post" }, ["body"]],
    ["null", { jwks_uri: null }, ["jwks_uri"]],
  ])("%s is 422 with the field named", async (_what, changes, fields) => {
    const { id } = await create();
    expect(await refused(() => patchAgent(id, changes))).toEqual(invalid(...fields));
  });
});

describe("POST /register: a client that registers keys (RFC 7591 §2)", () => {
  it("with private_key_jwt has no secret and signs, as far as the policy lets it register", async () => {
    const body = { redirect_uris: ["http://127.0.0.1/cb"], ...SIGNS, jwks: jwksOf(key) };
    const registered = await (await s.c.json("/register", body)).json();
    expect([registered.jwks, "client_secret" in registered, registered.grant_types]).toEqual([
      jwksOf(key),
      false,
      ["authorization_code", "refresh_token"],
    ]);
    const app: App = { clientId: registered.client_id, redirectUri: "http://127.0.0.1/cb" };
    const { code, verifier } = await s.c.codeFor(app);
    const response = await s.c.form("/token", {
      ...{ grant_type: "authorization_code", code, code_verifier: verifier },
      ...presenting(await assertionOf(s.t, app.clientId, key)),
    });
    expect(response.status).toBe(200);
    const machine = { ...body, grant_types: ["client_credentials"] };
    expect(await refused(() => s.c.json("/register", machine))).toEqual({
      status: 400,
      error: "invalid_client_metadata",
    });
  });
});
