import { beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { operations } from "@/lib/http/openapi-operations";
import { type AnswerSchema, answerSchemas } from "@/lib/http/openapi-schemas";
import { routes } from "@/lib/http/routes";
import packageJson from "@/package.json" with { type: "json" };
import { type Connection, connect } from "@/test/support/client";
import { testContext, unique } from "@/test/support/context";

const OPERATOR = { "x-admin-key": "the-operators-key-of-this-test" };

/** The structure that OpenAPI 3.1.1 §4.8 asks of a document, as far as ours uses it. */
const Content = z.record(
  z.string(),
  z.strictObject({ schema: z.record(z.string(), z.unknown()).optional() }),
);
const Operation = z.strictObject({
  operationId: z.string().regex(/^[a-z][A-Za-z0-9]+$/),
  summary: z.string().min(1),
  description: z.string().optional(),
  tags: z.array(z.string()).length(1),
  parameters: z
    .array(
      z.strictObject({
        name: z.string(),
        in: z.enum(["path", "query"]),
        required: z.literal(true).optional(),
        description: z.string().optional(),
        schema: z.record(z.string(), z.unknown()),
      }),
    )
    .optional(),
  requestBody: z.strictObject({ required: z.boolean(), content: Content }).optional(),
  responses: z.record(
    z.string().regex(/^[2-5]\d\d$/),
    z.strictObject({
      description: z.string().min(1),
      headers: z.record(z.string(), z.unknown()).optional(),
      content: Content.optional(),
    }),
  ),
  security: z.array(z.record(z.string(), z.array(z.never()))),
});
const Document = z.strictObject({
  openapi: z.literal("3.1.1"),
  info: z.strictObject({
    title: z.string(),
    version: z.string(),
    summary: z.string(),
    license: z.strictObject({ name: z.string(), identifier: z.string() }),
  }),
  servers: z.array(z.strictObject({ url: z.url() })).length(1),
  paths: z.record(
    z.string().startsWith("/"),
    z.record(z.enum(["get", "post", "put", "patch", "delete"]), Operation.optional()),
  ),
  components: z.strictObject({
    schemas: z.record(z.string(), z.record(z.string(), z.unknown())),
    securitySchemes: z.record(z.string(), z.looseObject({ type: z.string() })),
  }),
});

let c: Connection;
let document: z.infer<typeof Document>;

beforeAll(async () => {
  const t = await testContext({ env: { AUTHGENT_ADMIN_API_KEY: OPERATOR["x-admin-key"] } });
  c = connect(t);
  document = Document.parse(await (await c.call("/openapi.json")).json());
});

const all = () =>
  Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).flatMap(([method, operation]) => (operation ? [{ path, method, operation }] : [])),
  );

const described = (path: string) => path.replace("...}", "}");

describe("GET /openapi.json (OpenAPI 3.1.1)", () => {
  it("§4.8: describes this version of this server", () => {
    expect(document.info.version).toBe(packageJson.version);
    expect(document.servers).toEqual([{ url: "http://localhost:8000" }]);
  });

  it("§4.8.8: has every method of every route, and nothing else", () => {
    const served = routes.flatMap(({ path, methods }) =>
      Object.keys(methods).map((method) => `${method} ${described(path)}`),
    );
    expect(
      all()
        .map(({ path, method }) => `${method.toUpperCase()} ${path}`)
        .sort(),
    ).toEqual(served.sort());
  });

  it("§4.8.8: no operation is described that no route has", () => {
    const served = routes.flatMap(({ path, methods }) =>
      Object.keys(methods).map((method) => `${method} ${path}`),
    );
    expect(Object.keys(operations).filter((key) => !served.includes(key))).toEqual([]);
  });

  it("§4.8.10: operation ids are unique", () => {
    const ids = all().map(({ operation }) => operation.operationId);
    expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([]);
  });

  it("§4.8.10: every part of a path in braces is a parameter, and every such parameter is in the path", () => {
    for (const { path, operation } of all()) {
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      const named = (operation.parameters ?? []).filter((parameter) => parameter.in === "path");
      expect({ path, names: named.map(({ name }) => name) }).toEqual({ path, names: inPath });
    }
  });

  it("§4.8.23: every reference leads somewhere, and every schema is used", () => {
    const references = new Set(JSON.stringify(document).match(/#\/components\/schemas\/\w+/g));
    const named = Object.keys(document.components.schemas).map((name) => `#/components/schemas/${name}`);
    const queries = Object.values(operations).flatMap(({ query }) =>
      query ? [`#/components/schemas/${query}`] : [],
    );
    expect([...references].filter((reference) => !named.includes(reference))).toEqual([]);
    expect(named.filter((name) => !references.has(name) && !queries.includes(name))).toEqual([]);
  });

  it("§4.8.30: every security requirement names a scheme", () => {
    const schemes = Object.keys(document.components.securitySchemes);
    const asked = all().flatMap(({ operation }) => operation.security.flatMap((one) => Object.keys(one)));
    expect(asked.filter((name) => !schemes.includes(name))).toEqual([]);
  });

  it("§4.8.13: a body is left out only where clients of an earlier system send none", () => {
    const optional = all().filter(({ operation }) => operation.requestBody?.required === false);
    expect(optional.map(({ path }) => path)).toEqual(["/stepup/{id}/approve", "/stepup/{id}/deny"]);
  });

  it("every operation has a success and says how it fails", () => {
    for (const { path, operation } of all()) {
      const statuses = Object.keys(operation.responses);
      expect({ path, success: statuses.some((status) => /^[23]/.test(status)) }).toEqual({
        path,
        success: true,
      });
      expect({ path, failures: ["500", "503"].filter((status) => statuses.includes(status)) }).toEqual({
        path,
        failures: ["500", "503"],
      });
    }
  });

  it("says of /token what RFC 6749 §5.2 says", () => {
    const { responses, requestBody, security } = Operation.parse(document.paths["/token"]?.post);
    expect(Object.keys(responses)).toEqual(["200", "400", "401", "429", "500", "503"]);
    expect(responses["401"]?.description).toBe("`invalid_client` (RFC 6749 §5.2)");
    expect(Object.keys(requestBody?.content ?? {})).toEqual(["application/x-www-form-urlencoded"]);
    expect(security).toEqual([{ client: [] }, {}]);
  });
});

describe("what the document says of answers is what is answered", () => {
  const resource = `https://${unique("api-")}.example.com/mcp`;

  const ASKED: { schema: AnswerSchema; ask: () => Promise<Response> }[] = [
    { schema: "ServerMetadata", ask: () => c.call("/.well-known/oauth-authorization-server") },
    { schema: "ResourceMetadata", ask: () => c.call("/.well-known/oauth-protected-resource/mcp") },
    { schema: "Jwks", ask: () => c.call("/.well-known/jwks.json") },
    { schema: "Status", ask: () => c.call("/health") },
    { schema: "Status", ask: () => c.call("/ready") },
    {
      schema: "Resource",
      ask: () =>
        c.json(
          "/resources",
          { resource, name: "Notes", scopes: [{ name: "notes:read", description: "Read your notes" }] },
          OPERATOR,
        ),
    },
    { schema: "Resources", ask: () => c.call("/resources", { headers: OPERATOR }) },
    {
      schema: "User",
      ask: () =>
        c.json("/users", { email: `${unique("eve-")}@example.com`, password: unique("pw-") }, OPERATOR),
    },
    { schema: "Users", ask: () => c.call("/users", { headers: OPERATOR }) },
    {
      schema: "CreatedClient",
      ask: () => c.json("/clients", { client_name: "Notes", grant_types: ["client_credentials"] }, OPERATOR),
    },
    { schema: "Clients", ask: () => c.call("/clients", { headers: OPERATOR }) },
    { schema: "Registration", ask: () => c.json("/register", { client_name: "Agent" }) },
    {
      schema: "TokenResponse",
      ask: async () =>
        c.token(await c.register({ grant_types: ["client_credentials"] }), {
          grant_type: "client_credentials",
        }),
    },
    { schema: "QueuedNotification", ask: () => c.json("/notifications/test", {}, OPERATOR) },
    {
      schema: "Notification",
      ask: async () => {
        const { id } = await (await c.json("/notifications/test", {}, OPERATOR)).json();
        return c.call(`/notifications/${id}`, { headers: OPERATOR });
      },
    },
    { schema: "Introspection", ask: () => c.form("/introspect", { token: "unknown" }) },
    { schema: "OAuthError", ask: () => c.form("/token", {}) },
    { schema: "OAuthError", ask: () => c.call("/mcp", { method: "POST" }) },
    { schema: "Problem", ask: () => c.call("/users") },
    { schema: "Problem", ask: () => c.json("/users", { email: "no" }, OPERATOR) },
  ];

  it.each(ASKED)("$schema", async ({ schema, ask }) => {
    const answered = answerSchemas[schema].safeParse(await (await ask()).json());
    expect(answered.error?.issues).toBe(undefined);
  });
});
