import { sql } from "drizzle-orm";
import { beforeAll, describe, expect, it } from "vitest";
import { rowsOf } from "@/db/client";
import { ADMIN_KEY, basic, type Connection, connect, publicServer } from "@/test/support/client";
import { type TestContext, testContext, unique } from "@/test/support/context";

const ORIGIN = "https://auth.example.com";
const KEY = { "x-admin-key": ADMIN_KEY };

let t: TestContext;
let c: Connection;

beforeAll(async () => {
  t = await testContext({ env: { ...publicServer, AUTHGENT_TOKEN_RATE_LIMIT: "10000" } });
  c = connect(t);
});

const newResource = (more: Record<string, unknown> = {}) => ({
  resource: `https://${unique()}.example/mcp`,
  name: "Notes",
  scopes: [{ name: "notes:read", description: "Read your notes", risk: "low" }],
  ...more,
});
const newUser = () => ({
  email: `${unique()}@example.com`,
  name: "Grace",
  role: "member",
  password: "long enough",
});
const newClient = () => ({ client_name: "Job", grant_types: ["client_credentials"] });

/** What is wrong with a body, field by field. */
async function fieldsOf(response: Response): Promise<unknown[]> {
  expect(response.status).toBe(422);
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  const { errors } = await response.json();
  return errors.map(({ field }: { field: string }) => field);
}

describe.each([
  ["/resources", newResource],
  ["/clients", newClient],
  ["/users", newUser],
])("RFC 9457 Problem Details: who may use %s", (path, body) => {
  it("without a credential it is 401 with a challenge, as problem+json with error and error_description", async () => {
    const response = await c.call(path);
    expect(response.headers.get("www-authenticate")).toBe("Bearer");
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    expect(await response.json()).toEqual({
      type: `${ORIGIN}/errors/invalid_token`,
      title: "invalid token",
      status: 401,
      detail: "Send the operator's key as X-Admin-Key, or sign in as an admin.",
      error: "invalid_token",
      error_description: "Send the operator's key as X-Admin-Key, or sign in as an admin.",
    });
  });

  it("the operator's key is taken as X-Admin-Key and as Bearer, a wrong one is 401", async () => {
    const statusOf = async (headers: Record<string, string>) => (await c.call(path, { headers })).status;
    expect(await statusOf(KEY)).toBe(200);
    expect(await statusOf({ authorization: `Bearer ${ADMIN_KEY}` })).toBe(200);
    expect(await statusOf({ "x-admin-key": `${ADMIN_KEY}x` })).toBe(401);
    expect(await statusOf({ authorization: "Bearer wrong" })).toBe(401);
  });

  it("an admin's session is taken, from our own origin only when it changes something", async () => {
    const cookie = c.cookies({ person: await c.signIn("admin") });
    expect((await c.call(path, { headers: cookie })).status).toBe(200);
    expect((await c.json(path, body(), { ...cookie, origin: ORIGIN })).status).toBe(201);
    expect((await c.json(path, body(), { ...cookie, "sec-fetch-site": "same-origin" })).status).toBe(201);
    expect((await c.json(path, body(), cookie)).status).toBe(403);
    expect((await c.json(path, body(), { ...cookie, origin: "https://evil.example" })).status).toBe(403);
  });

  it.each(["member", "approver"] as const)("the session of a %s is 403", async (role) => {
    const cookie = c.cookies({ person: await c.signIn(role) });
    expect((await c.call(path, { headers: cookie })).status).toBe(403);
    expect((await c.json(path, body(), { ...cookie, origin: ORIGIN })).status).toBe(403);
  });

  it("an admin who signed in more than half an hour ago may look and not change (D20)", async () => {
    const own = await testContext({ env: publicServer });
    const at = connect(own);
    const headers = { ...at.cookies({ person: await at.signIn("admin") }), origin: ORIGIN };
    own.advance(1801);
    expect((await at.call(path, { headers })).status).toBe(200);
    expect((await at.json(path, body(), headers)).status).toBe(403);
  });

  it("another media type is 415, a body that is not JSON 400, a larger one 413", async () => {
    const send = (text: string, type = "application/json") =>
      c.call(path, { method: "POST", body: text, headers: { ...KEY, "content-type": type } });
    expect((await send("{}", "text/plain")).status).toBe(415);
    expect((await send("{")).status).toBe(400);
    expect((await send(`"${"x".repeat(65_536)}"`)).status).toBe(413);
  });

  it("has no CORS, and other methods are 405 (D30)", async () => {
    const response = await c.call(path, {
      method: "DELETE",
      headers: { ...KEY, origin: "https://a.example" },
    });
    expect([response.status, response.headers.get("allow")]).toEqual([405, "GET, POST"]);
    expect(response.headers.get("access-control-allow-origin")).toBe(null);
  });
});

describe("POST /resources (product decisions D17, D30)", () => {
  it("registers a resource: 201, and it is listed and protected", async () => {
    const body = newResource({ aliases: [`https://${unique()}.example/old`] });
    const response = await c.json("/resources", body, KEY);
    expect(response.status).toBe(201);
    expect(response.headers.get("location")).toBe(`${ORIGIN}/resources`);
    const { id, created_at, ...rest } = await response.json();
    expect(id).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}$/);
    expect(created_at).toBe(t.ctx.now().toISOString());
    expect(rest).toEqual({ ...body, introspection_clients: [], authorization_details_types: [] });
    const { items, total } = await (await c.call("/resources", { headers: KEY })).json();
    expect(items.map(({ resource }: { resource: string }) => resource)).toContain(body.resource);
    expect(items.length).toBe(total);
  });

  it("the same resource again, its slash or its alias, is 409", async () => {
    const host = `https://${unique()}.example`;
    expect((await c.json("/resources", newResource({ resource: host }), KEY)).status).toBe(201);
    for (const again of [{ resource: host }, { resource: `${host}/` }, { aliases: [host] }]) {
      const response = await c.json("/resources", newResource(again), KEY);
      expect([response.status, (await response.json()).error]).toEqual([409, "conflict"]);
    }
  });

  it("of ten registrations of one resource at once exactly one is made", async () => {
    const body = newResource();
    const answers = await Promise.all(Array.from({ length: 10 }, () => c.json("/resources", body, KEY)));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array(9).fill(409)]);
  });

  it.each([
    ["no resource", { resource: undefined }, ["resource"]],
    ["a resource that is no URL", { resource: "notes" }, ["resource"]],
    ["another scheme", { resource: "ftp://a.example" }, ["resource"]],
    ["an empty name", { name: " " }, ["name"]],
    ["a scope with a space", { scopes: [{ name: "a b", description: "x" }] }, ["scopes.0.name"]],
    ["a scope without words", { scopes: [{ name: "a" }] }, ["scopes.0.description"]],
    ["a risk we do not know", { scopes: [{ name: "a", description: "x", risk: "huge" }] }, ["scopes.0.risk"]],
    ["an unknown member", { color: "red" }, ["body"]],
    ["two mistakes", { resource: "notes", name: 7 }, ["resource", "name"]],
    ["a client nobody registered", { introspection_clients: ["app_nobody"] }, ["introspection_clients.0"]],
  ])("%s is 422 with the field named", async (_what, change, fields) => {
    expect(await fieldsOf(await c.json("/resources", newResource(change), KEY))).toEqual(fields);
  });
});

describe("PATCH /resources/{id} (product decision D17)", () => {
  const create = async (more: Record<string, unknown> = {}) =>
    (await c.json("/resources", newResource(more), KEY)).json();
  const patch = (id: string, changes: unknown) => c.json(`/resources/${id}`, changes, KEY, "PATCH");
  const write = { name: "notes:write", description: "Add notes in your name", risk: "medium" };

  it("changes what it names and nothing else, and the event says what holds now", async () => {
    const before = await create();
    const { client_id } = await (await c.json("/clients", newClient(), KEY)).json();
    const changes = {
      name: "Notebook",
      scopes: [write],
      aliases: [`https://${unique()}.example/old`],
      introspection_clients: [client_id],
    };
    const renamed = await patch(before.id, { name: "Notebook" });
    expect([renamed.status, await renamed.json()]).toEqual([200, { ...before, name: "Notebook" }]);
    t.advance(1);
    expect(await (await patch(before.id, changes)).json()).toEqual({ ...before, ...changes });
    const { items } = await (await c.call("/resources", { headers: KEY })).json();
    expect(items.find(({ id }: { id: string }) => id === before.id)).toEqual({ ...before, ...changes });
    const unbound = { authorizationDetailsTypes: [], dpopBoundAccessTokensRequired: false };
    const subject = `resource:${before.resource}`;
    const events = await rowsOf(
      t.ctx.db.execute(
        sql`select actor, data from events where type = 'resource.updated' and subject = ${subject} order by at`,
      ),
    );
    expect(events).toEqual([
      {
        actor: "operator",
        data: { name: "Notebook", scopes: ["notes:read"], aliases: [], introspectionClients: [], ...unbound },
      },
      {
        actor: "operator",
        data: {
          name: "Notebook",
          scopes: ["notes:write"],
          aliases: changes.aliases,
          introspectionClients: [client_id],
          ...unbound,
        },
      },
    ]);
  });

  it("a new scope can be had at the next token request, one taken away no more", async () => {
    const { id, resource } = await create();
    const body = { ...newClient(), scope: "notes:read notes:write" };
    const { client_id, client_secret } = await (await c.json("/clients", body, KEY)).json();
    const app = { clientId: client_id, secret: client_secret, redirectUri: "" };
    const ask = async (scope: string) => {
      const response = await c.token(app, { grant_type: "client_credentials", resource, scope });
      const { error, scope: granted } = await response.json();
      return error ?? granted;
    };
    expect([await ask("notes:read"), await ask("notes:write")]).toEqual(["notes:read", "invalid_scope"]);
    await patch(id, { scopes: [write] });
    expect([await ask("notes:read"), await ask("notes:write")]).toEqual(["invalid_scope", "notes:write"]);
  });

  it("a client named afterwards may introspect tokens for the resource", async () => {
    const { id, resource } = await create();
    const job = await (await c.json("/clients", { ...newClient(), scope: "notes:read" }, KEY)).json();
    const server = await (await c.json("/clients", newClient(), KEY)).json();
    const [app, api] = [job, server].map(({ client_id, client_secret }) => ({
      clientId: client_id,
      secret: client_secret,
      redirectUri: "",
    }));
    if (!app || !api) throw new Error("two clients were registered");
    const { access_token } = await (
      await c.token(app, { grant_type: "client_credentials", resource, scope: "notes:read" })
    ).json();
    const isActive = async () =>
      (await (await c.form("/introspect", { token: access_token }, basic(api))).json()).active;
    expect(await isActive()).toBe(false);
    await patch(id, { introspection_clients: [api.clientId] });
    expect(await isActive()).toBe(true);
  });

  it("an alias of another resource is 409, its own again is not", async () => {
    const [mine, other] = [await create(), await create({ aliases: [`https://${unique()}.example/old`] })];
    for (const taken of [other.resource, other.aliases[0]]) {
      const response = await patch(mine.id, { aliases: [taken] });
      expect([response.status, (await response.json()).error]).toEqual([409, "conflict"]);
    }
    expect((await patch(other.id, { aliases: other.aliases })).status).toBe(200);
  });

  it("of five resources that ask for one alias at once exactly one has it", async () => {
    const alias = `https://${unique()}.example/shared`;
    const made = await Promise.all(Array.from({ length: 5 }, () => create()));
    const answers = await Promise.all(made.map(({ id }) => patch(id, { aliases: [alias] })));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409, 409, 409]);
  });

  it("a resource that is not there is 404", async () => {
    const response = await patch("none", { name: "Notebook" });
    expect([response.status, (await response.json()).error]).toEqual([404, "not_found"]);
  });

  it.each([
    ["nothing to change", {}, ["body"]],
    ["the identifier, which never changes", { resource: "https://a.example", name: "Notebook" }, ["body"]],
    ["an empty name", { name: " " }, ["name"]],
    ["a scope without words", { scopes: [{ name: "a" }] }, ["scopes.0.description"]],
    ["a client nobody registered", { introspection_clients: ["app_nobody"] }, ["introspection_clients.0"]],
  ])("%s is 422 with the field named", async (_what, changes, fields) => {
    const { id } = await create();
    expect(await fieldsOf(await patch(id, changes))).toEqual(fields);
  });
});

describe("POST /clients, GET and PATCH /clients/one", () => {
  it("registers a client that is no dynamic one, with its secret once", async () => {
    const response = await c.json("/clients", { ...newClient(), scope: "jobs:run" }, KEY);
    expect(response.status).toBe(201);
    const { client_id, client_secret, kind, scope } = await response.json();
    expect(client_id).toMatch(/^app_[\w-]{22}$/);
    expect(client_secret).toMatch(/^sec_[\w-]{43}$/);
    expect([kind, scope]).toEqual(["static", "jobs:run"]);
    const shown = await (await c.call(`/clients/one?client_id=${client_id}`, { headers: KEY })).json();
    expect([shown.client_id, shown.client_name, "client_secret" in shown]).toEqual([client_id, "Job", false]);
  });

  it("disables a client and enables it again; the tokens it had stay dead, new ones count", async () => {
    const { client_id, client_secret } = await (await c.json("/clients", newClient(), KEY)).json();
    const app = { clientId: client_id, secret: client_secret, redirectUri: "" };
    const { access_token } = await (await c.token(app, { grant_type: "client_credentials" })).json();
    const set = (status: string) => c.json(`/clients/one?client_id=${client_id}`, { status }, KEY, "PATCH");
    expect((await (await set("disabled")).json()).status).toBe("disabled");
    expect((await c.token(app, { grant_type: "client_credentials" })).status).toBe(401);
    expect(await c.introspect(access_token)).toEqual({ active: false });
    expect((await (await set("active")).json()).status).toBe("active");
    expect(await c.introspect(access_token)).toEqual({ active: false });
    t.advance(1);
    const again = await (await c.token(app, { grant_type: "client_credentials" })).json();
    expect((await c.introspect(again.access_token)).active).toBe(true);
  });

  it("a client that is not there is 404", async () => {
    const path = "/clients/one?client_id=app_nobody";
    expect((await c.call(path, { headers: KEY })).status).toBe(404);
    expect((await c.json(path, { status: "disabled" }, KEY, "PATCH")).status).toBe(404);
  });

  it.each([
    ["an unknown status", { status: "gone" }, ["status"]],
    ["nothing", {}, ["body"]],
    ["an unknown member", { status: "active", name: "x" }, ["body"]],
  ])("PATCH with %s is 422 with the field named (D21)", async (_what, body, fields) => {
    const { client_id } = await (await c.json("/clients", newClient(), KEY)).json();
    const response = await c.json(`/clients/one?client_id=${client_id}`, body, KEY, "PATCH");
    expect(await fieldsOf(response)).toEqual(fields);
  });

  it.each([
    ["a scope with a quote", { scope: 'a"b' }, ["scope"]],
    ["an allowed resource that is no URL", { allowed_resources: ["notes"] }, ["allowed_resources.0"]],
  ])("POST with %s is 422 with the field named", async (_what, more, fields) => {
    expect(await fieldsOf(await c.json("/clients", { ...newClient(), ...more }, KEY))).toEqual(fields);
  });
});

describe("POST /users (product decision D30)", () => {
  it("makes a person: 201 without the password; the same e-mail again is 409, in any case", async () => {
    const body = newUser();
    const response = await c.json("/users", body, KEY);
    expect(response.status).toBe(201);
    const { id, created_at, ...rest } = await response.json();
    expect([typeof id, created_at]).toEqual(["string", t.ctx.now().toISOString()]);
    const { email, name, role } = body;
    expect(rest).toEqual({ email, name, role, groups: [], status: "active", last_sign_in_at: null });
    expect((await c.json("/users", body, KEY)).status).toBe(409);
    expect((await c.json("/users", { ...body, email: email.toUpperCase() }, KEY)).status).toBe(409);
  });

  it.each([
    ["no e-mail", { email: undefined }, ["email"]],
    ["an e-mail that is none", { email: "ada" }, ["email"]],
    ["a short password", { password: "short" }, ["password"]],
    ["a role we do not know", { role: "root" }, ["role"]],
    ["an unknown member", { admin: true }, ["body"]],
  ])("%s is 422 with the field named", async (_what, change, fields) => {
    expect(await fieldsOf(await c.json("/users", { ...newUser(), ...change }, KEY))).toEqual(fields);
  });
});

describe("The operator's key", () => {
  it("guessed wrong more than ten times from one address is 429 with Retry-After; the right one is let in", async () => {
    const at = connect(await testContext({ env: publicServer }));
    const peer = "198.51.100.23";
    const send = (key: string) => at.call("/users", { headers: { "x-admin-key": key }, peer });
    for (let guess = 0; guess < 10; guess++) expect((await send(`guess-${guess}`)).status).toBe(401);
    const refused = await send("guess-10");
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    expect((await send(ADMIN_KEY)).status).toBe(200);
  });

  it("does not exist unless it was set", async () => {
    const local = connect(await testContext());
    expect((await local.call("/users", { headers: KEY })).status).toBe(401);
  });
});
