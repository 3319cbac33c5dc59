import { z } from "zod";
import type { Context } from "@/lib/context";
import { ERRORS, type ErrorCode } from "@/lib/errors";
import packageJson from "@/package.json" with { type: "json" };
import type { ErrorFormat, Handler, Route } from "./call";
import { sessionCookieName } from "./cookies";
import { oauthStatus } from "./errors";
import { json } from "./json";
import { type Operation, operations } from "./openapi-operations";
import { answerSchemas, type RequestSchema, requestSchemas } from "./openapi-schemas";

type Json = Record<string, unknown>;

/** `GET /openapi.json`. The list of routes comes late: it holds this endpoint. */
export function openApiEndpoint(routes: () => readonly Route[]): Handler {
  return async (ctx) => {
    const document = await ctx.recent.read("openapi", async () => openApiDocument(routes(), ctx));
    return json(document, { headers: { "cache-control": "public, max-age=300" } });
  };
}

/** Describes every route (OpenAPI 3.1.1): the list says what there is, the operations say what it means. */
export function openApiDocument(routes: readonly Route[], { settings }: Pick<Context, "settings">): Json {
  return {
    openapi: "3.1.1",
    info: {
      title: "Authgent",
      version: packageJson.version,
      summary: packageJson.description,
      license: { name: "Apache 2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: settings.serverUrl }],
    paths: Object.fromEntries(routes.map((route) => [openApiPath(route.path), pathItem(route)])),
    components: {
      schemas: { ...schemas(requestSchemas, "input"), ...schemas(answerSchemas, "output") },
      securitySchemes: securitySchemes(settings),
    },
  };
}

/** A final `{name...}` takes the rest of the path, which OpenAPI cannot say: the parameter does. */
const openApiPath = (path: string): string => path.replace("...}", "}");

const pathItem = (route: Route): Json =>
  Object.fromEntries(
    Object.keys(route.methods).map((method) => [method.toLowerCase(), operationObject(route, method)]),
  );

function operationObject(route: Route, method: string): Json {
  const operation = operations[`${method} ${route.path}`];
  if (!operation) throw new Error(`openapi-operations.ts does not describe ${method} ${route.path}`);
  const { summary, tag, spec, query, security } = operation;
  const parameters = [...pathParameters(route.path), ...queryParameters(query)];
  const body = requestBody(operation);
  return {
    operationId: operationId(method, route.path),
    summary,
    ...(spec ? { description: spec } : {}),
    tags: [tag],
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(body ? { requestBody: body } : {}),
    responses: { ...successes(operation), ...refusals(route, operation.errors) },
    security: security ? SECURITY_OF[security] : [],
  };
}

/** `postOauthToken` for `POST /oauth/token`. */
const operationId = (method: string, path: string): string =>
  path
    .split(/[^A-Za-z0-9]+/)
    .filter(Boolean)
    .reduce((id, word) => `${id}${word[0]?.toUpperCase()}${word.slice(1)}`, method.toLowerCase());

const pathParameters = (path: string): Json[] =>
  [...path.matchAll(/\{(\w+)(\.\.\.)?\}/g)].map(([, name, rest]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
    ...(rest ? { description: "The rest of the path, slashes and all" } : {}),
  }));

function queryParameters(schema: RequestSchema | undefined): Json[] {
  if (!schema) return [];
  const { properties = {}, required = [] } = z.toJSONSchema(requestSchemas[schema], { io: "input" });
  return Object.entries(properties).map(([name, property]) => ({
    name,
    in: "query",
    ...(required.includes(name) ? { required: true } : {}),
    schema: property,
  }));
}

function requestBody({ form, json: body, isBodyOptional }: Operation): Json | undefined {
  const schema = form ?? body;
  if (!schema) return undefined;
  const type = form ? "application/x-www-form-urlencoded" : "application/json";
  return { required: isBodyOptional !== true, content: { [type]: { schema: reference(schema) } } };
}

const reference = (name: string): Json => ({ $ref: `#/components/schemas/${name}` });

const successes = ({ answers }: Operation): Json =>
  Object.fromEntries(Object.entries(answers).map(([status, answer]) => [status, success(answer)]));

function success(answer: Operation["answers"][number]): Json {
  switch (answer) {
    case "empty":
      return { description: "Done." };
    case "page":
      return { description: "A page for the person.", content: { "text/html": {} } };
    case "jwt":
      return { description: "A signed JWT.", content: { "application/jwt": {} } };
    case "image":
      return { description: "To scan.", content: { "image/svg+xml": {}, "text/plain": {} } };
    case "redirect":
      return {
        description: "Go on there.",
        headers: { Location: { required: true, schema: { type: "string", format: "uri-reference" } } },
      };
    default:
      return {
        description: `${answer}.`,
        content: { "application/json": { schema: reference(answer) } },
      };
  }
}

/** The refusals of an operation and of every one, by status; several codes may share one. */
function refusals({ errors: format, bucket }: Route, own: readonly ErrorCode[]): Json {
  const limited: ErrorCode[] = bucket === "none" ? [] : ["too_many_requests"];
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of [...own, ...limited, "server_error", "temporarily_unavailable"] as const) {
    const status = statusOf(format, code);
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return Object.fromEntries([...byStatus].map(([status, codes]) => [status, refusal(format, codes)]));
}

/** A page has no credentials to ask for again, so it never answers 401 (RFC 9110 §15.5.2). */
function statusOf(format: ErrorFormat, code: ErrorCode): number {
  const { status } = ERRORS[code];
  if (format === "oauth") return oauthStatus({ code, status });
  return format === "page" && status === 401 ? 400 : status;
}

const refusal = (format: ErrorFormat, codes: readonly ErrorCode[]): Json => ({
  description: codes.map((code) => `\`${code}\` (${ERRORS[code].spec})`).join(", "),
  content: CONTENT_OF[format],
});

const CONTENT_OF: Record<ErrorFormat, Json> = {
  oauth: { "application/json": { schema: reference("OAuthError") } },
  bearer: { "application/json": { schema: reference("OAuthError") } },
  problem: { "application/problem+json": { schema: reference("Problem") } },
  page: { "text/html": {} },
};

const securitySchemes = (settings: Context["settings"]) => ({
  client: {
    type: "http",
    scheme: "basic",
    description: "client_id and client_secret, form-encoded (RFC 6749 §2.3.1); or both in the form",
  },
  // The names that generators made for an earlier system know.
  OAuth2ClientCredentials: oauth2({
    clientCredentials: { tokenUrl: `${settings.serverUrl}/token`, scopes: {} },
  }),
  OAuth2AuthorizationCode: oauth2({
    authorizationCode: {
      authorizationUrl: `${settings.serverUrl}/authorize`,
      tokenUrl: `${settings.serverUrl}/token`,
      scopes: {},
    },
  }),
  BearerToken: {
    type: "http",
    scheme: "bearer",
    description: "An access token of this server (RFC 6750 §2.1)",
  },
  registration: {
    type: "http",
    scheme: "bearer",
    description: "The registration access token of the client (RFC 7592 §3)",
  },
  operator: {
    type: "apiKey",
    in: "header",
    name: "X-Admin-Key",
    description: "AUTHGENT_ADMIN_API_KEY; also as Authorization: Bearer",
  },
  session: {
    type: "apiKey",
    in: "cookie",
    name: sessionCookieName(settings),
    description: "A person who is signed in",
  },
});

const oauth2 = (flows: Json) => ({ type: "oauth2", flows });

/** Public clients name themselves in the form, and an admin's session does for the operator's key. */
const SECURITY_OF: Record<NonNullable<Operation["security"]>, readonly Json[]> = {
  agent: [{ BearerToken: [] }, { client: [] }, {}],
  decider: [{ session: [] }, { BearerToken: [] }],
  client: [{ client: [] }, {}],
  bearer: [{ BearerToken: [] }],
  registration: [{ registration: [] }],
  operator: [{ operator: [] }, { session: [] }],
  session: [{ session: [] }],
};

const schemas = (named: Record<string, z.ZodType>, io: "input" | "output"): Json =>
  Object.fromEntries(
    Object.entries(named).map(([name, schema]) => {
      const { $schema: _, ...rest } = z.toJSONSchema(schema, { io });
      return [name, rest];
    }),
  );
