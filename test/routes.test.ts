import { readdirSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Route } from "@/lib/http/call";
import { routes } from "@/lib/http/routes";
import type { Running } from "@/lib/running-context";
import { type Connection, connect, formOf, newBrowser } from "@/test/support/client";
import { type TestContext, testContext } from "@/test/support/context";

type Handler = (request: Request, segments: { params: Promise<Record<string, string>> }) => Promise<Response>;

/** What Next alone serves: signing in through a provider needs its packages. */
const ONLY_NEXT = ["/api/auth/callback/{provider}", "/login/complete", "/login/local", "/login/{provider}"];

const APP = new URL("../app/", import.meta.url);

/** The paths that a route file serves, written as in our list; an optional catch-all serves two. */
function pathsOf(file: string): string[] {
  const segments = file
    .split("/")
    .slice(0, -1)
    .filter((segment) => !/^\(.*\)$/.test(segment));
  const path = `/${segments
    .join("/")
    .replace(/(?<!\[)\[(\w+)\]/g, "{$1}")
    .replace(/\[\.\.\.(\w+)\](?!\])/g, "{$1...}")}`;
  const optional = /^(.*)\/\[\[\.\.\.(\w+)\]\]$/.exec(path);
  return optional ? [`${optional[1]}`, `${optional[1]}/{${optional[2]}...}`] : [path];
}

const files = new Map(
  readdirSync(APP, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith("/route.ts"))
    .flatMap((file) => pathsOf(file).map((path) => [path, file] as const)),
);

/** What both mounts share, and how they know where a request comes from. */
const shared: typeof globalThis & { authgent?: Promise<Running>; authgentNotesConnections?: boolean } =
  globalThis;

let t: TestContext;
let c: Connection;
const before = { authgent: shared.authgent, notes: shared.authgentNotesConnections };

beforeAll(async () => {
  t = await testContext({
    env: { AUTHGENT_ADMIN_API_KEY: "the-operators-key-of-this-test", AUTHGENT_TOKEN_RATE_LIMIT: "1000" },
  });
  c = connect(t);
  shared.authgent = Promise.resolve({ ctx: t.ctx, warnings: [], close: async () => {} });
  shared.authgentNotesConnections = true;
});

afterAll(() => {
  // Files of one worker share these.
  if (before.authgent) shared.authgent = before.authgent;
  else delete shared.authgent;
  if (before.notes === undefined) delete shared.authgentNotesConnections;
});

/** Requests with an answer worth comparing, beside the bare ones that every method gets. */
const REQUESTS: Record<string, (connection: Connection) => Promise<RequestInit & { query?: string }>> = {
  "GET /authorize": async ({ registerPublic, requestOf }) => ({
    query: `?${formOf(requestOf(await registerPublic()))}`,
  }),
  "POST /token": async ({ registerConfidential }) => {
    const { clientId, secret } = await registerConfidential({ grant_types: ["client_credentials"] });
    return { body: formOf({ grant_type: "client_credentials", client_id: clientId, client_secret: secret }) };
  },
  "POST /register": async () =>
    jsonBody({
      client_name: "Twice",
      redirect_uris: ["http://127.0.0.1/cb"],
      token_endpoint_auth_method: "none",
    }),
  "POST /introspect": async ({ registerPublic, tokensFor }) => ({
    body: formOf({ token: (await tokensFor(await registerPublic())).access_token }),
  }),
  "POST /revoke": async ({ registerPublic }) => ({
    body: formOf({ token: "unknown", client_id: (await registerPublic()).clientId }),
  }),
  "POST /mcp": async ({ registerPublic, tokensFor }) => {
    const { access_token } = await tokensFor(await registerPublic(), {
      resource: "http://localhost:8000/mcp",
    });
    const params = {
      protocolVersion: "2025-11-25",
      capabilities: {},
      clientInfo: { name: "test", version: "1" },
    };
    const { body, headers } = jsonBody({ jsonrpc: "2.0", id: 1, method: "initialize", params });
    return {
      body,
      headers: {
        ...headers,
        authorization: `Bearer ${access_token}`,
        accept: "application/json, text/event-stream",
      },
    };
  },
  "GET /resources": async () => ({ headers: OPERATOR }),
  "GET /clients": async () => ({ headers: OPERATOR }),
  "GET /users": async () => ({ headers: OPERATOR }),
  "POST /notifications/test": async () => ({
    body: "{}",
    headers: { ...OPERATOR, "content-type": "application/json" },
  }),
  "POST /logout": async (connection) => {
    const from = { person: await connection.signIn(), browser: newBrowser() };
    const csrf = connection.csrf("account", from);
    return {
      body: formOf({ csrf }),
      headers: { ...connection.cookies(from), origin: "http://localhost:8000" },
    };
  },
};

const OPERATOR = { "x-admin-key": "the-operators-key-of-this-test" };
const jsonBody = (value: unknown) => ({
  body: JSON.stringify(value),
  headers: { "content-type": "application/json" },
});

/** What is new in every answer: identifiers, secrets, codes, tokens, and the people of this test. */
const NEW =
  /ada-[0-9a-f]{12}|(?<=%2Fauthorize%2F)[\w-]{22}|(?:dyn|sec|reg|rt|brw|ac)_[\w-]{22,}|eyJ[\w-]+\.[\w-]+\.[\w-]+|\b[0-9A-HJKMNP-TV-Z]{26}\b|\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g;
const normal = (text: string | null): string | null => text?.replace(NEW, "…") ?? null;

async function seen(response: Response, { sameHeaders = [] }: Route) {
  const names = [
    "content-type",
    "allow",
    "location",
    "set-cookie",
    "x-request-id",
    "x-content-type-options",
    ...sameHeaders,
  ];
  return {
    status: response.status,
    headers: Object.fromEntries(names.map((name) => [name, normal(response.headers.get(name))])),
    body: normal(await response.text()),
  };
}

/** The same request to both mounts. */
async function both(route: Route, method: string, init: RequestInit & { query?: string } = {}) {
  const path = route.path.replace(/\{(\w+)(?:\.\.\.)?\}/g, "mcp") + (init.query ?? "");
  const headers = new Headers(init.headers);
  headers.set("x-request-id", "the-same");
  headers.set("host", "localhost:8000");
  const body = init.body ? { body: init.body } : {};
  const ours = await c.call(path, { method, headers, ...body });
  const file = files.get(route.path);
  const module: Record<string, Handler> = await import(`${APP.pathname}${file}`);
  headers.set("x-authgent-connection", "127.0.0.1");
  const request = new Request(`http://localhost:8000${path}`, { method, headers, ...body });
  const nexts = await module[method]?.(request, { params: Promise.resolve({}) });
  return { ours: await seen(ours, route), nexts: nexts && (await seen(nexts, route)) };
}

describe("the two mounts of our endpoints", () => {
  it("every route of the list has a file under app, and every file there a line in the list", () => {
    const listed = routes.map(({ path }) => path);
    expect([...files.keys()].sort()).toEqual([...listed, ...ONLY_NEXT].sort());
  });

  const methods = routes.flatMap((route) =>
    ["OPTIONS", "HEAD", "PUT", ...Object.keys(route.methods)].map((method) => ({
      route,
      method,
      path: route.path,
    })),
  );

  it.each(methods)("answer a bare $method $path alike", async ({ route, method }) => {
    const { ours, nexts } = await both(route, method);
    expect(nexts).toEqual(ours);
  });

  it.each(Object.keys(REQUESTS))("answer %s alike when all is well", async (key) => {
    const [method = "", path] = key.split(" ");
    const route = routes.find((one) => one.path === path);
    const prepare = REQUESTS[key];
    if (!route || !prepare) throw new Error(`${key} is no route`);
    // A form that signs out works once, so each mount gets one of its own.
    const { ours } = await both(route, method, await prepare(c));
    const { nexts } = await both(route, method, await prepare(c));
    expect(ours.status).toBeLessThan(400);
    expect(nexts).toEqual(ours);
  });
});
