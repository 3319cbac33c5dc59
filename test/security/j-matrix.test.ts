import { beforeAll, describe, expect, it } from "vitest";
import type { Method, Route } from "@/lib/http/call";
import { routes } from "@/lib/http/routes";
import { newBrowser } from "@/test/support/client";
import { unchanged } from "@/test/support/digest";
import { type PublicServer, publicServer } from "@/test/support/public-server";

const CALLERS = ["anonymous", "member", "admin", "operator", "agent"] as const;
const METHODS: readonly Method[] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/**
 * What an empty request is answered, by caller: 401 and 403 are who may not, 303 leads a person to sign in or back
 * to a page; 400, 404, 409, 415 and 422 are who may, with nothing to do. A route that is not here fails the test.
 */
const EXPECTED: Record<string, readonly number[]> = {
  "GET /authorize": [400, 400, 400, 400, 400],
  "POST /authorize": [400, 400, 400, 400, 400],
  "GET /authorize/{id}": [303, 303, 303, 303, 303],
  "GET /oauth/authorize": [400, 400, 400, 400, 400],
  "POST /oauth/authorize": [400, 400, 400, 400, 400],

  // Clients prove themselves; neither a session nor the operator's key is a client.
  "POST /token": [401, 401, 401, 401, 401],
  "POST /par": [401, 401, 401, 401, 401],
  "POST /device/authorize": [401, 401, 401, 401, 401],
  "POST /device/token": [401, 401, 401, 401, 401],
  "POST /bc-authorize": [401, 401, 401, 401, 401],
  "POST /revoke": [401, 401, 401, 401, 401],
  "POST /introspect": [401, 401, 401, 400, 401],
  "POST /token/check": [401, 401, 401, 422, 401],
  "GET /tokens/inspect": [401, 401, 401, 422, 401],
  "POST /tokens/inspect": [401, 401, 401, 422, 401],
  // A token for another resource is none here.
  "GET /userinfo": [401, 401, 401, 401, 401],
  "POST /userinfo": [401, 401, 401, 401, 401],
  "POST /receipts": [401, 401, 401, 400, 401],
  "POST /register": [400, 400, 400, 400, 400],
  "GET /register/{client_id}": [401, 401, 401, 401, 401],
  "PUT /register/{client_id}": [401, 401, 401, 401, 401],
  "DELETE /register/{client_id}": [401, 401, 401, 401, 401],
  "POST /oauth/token": [401, 401, 401, 401, 401],
  "POST /oauth/revoke": [401, 401, 401, 401, 401],
  "POST /oauth/introspect": [401, 401, 401, 400, 401],
  "POST /oauth/register": [400, 400, 400, 400, 400],

  // People answer: by a form with its token, or by JSON from our own origin.
  "POST /approve/{id}/decision": [303, 403, 403, 303, 303],
  "POST /approve/{id}/standing": [303, 403, 403, 303, 303],
  "GET /approvals": [401, 200, 200, 401, 401],
  "GET /approvals/{id}": [401, 404, 404, 401, 401],
  "POST /approvals/{id}/options": [401, 422, 422, 401, 401],
  "POST /approvals/{id}/decision": [401, 422, 422, 401, 401],
  "POST /approvals/{id}/questions": [401, 422, 422, 401, 401],
  // Agents ask; who is no agent may look at a status, if there is one.
  "POST /stepup": [401, 401, 401, 401, 422],
  "GET /stepup/{id}": [404, 404, 404, 404, 404],
  "DELETE /stepup/{id}": [401, 401, 401, 401, 404],
  "POST /stepup/{id}/answers": [401, 401, 401, 401, 422],
  "POST /stepup/{id}/approve": [401, 404, 404, 401, 401],
  "POST /stepup/{id}/deny": [401, 404, 404, 401, 401],
  "POST /device/verify": [303, 403, 403, 303, 303],
  "POST /device/approve": [401, 422, 422, 401, 401],
  "POST /device/deny": [401, 422, 422, 401, 401],
  "POST /device/complete": [401, 422, 422, 401, 401],
  "POST /me/grants/{id}/stop": [303, 403, 403, 303, 303],
  "POST /me/grants/{id}/narrow": [303, 403, 403, 303, 303],
  "POST /me/tokens/{id}/stop": [303, 403, 403, 303, 303],
  "POST /me/standing-approvals/{id}/stop": [303, 403, 403, 303, 303],
  "POST /me/sessions/{id}/stop": [303, 403, 403, 303, 303],
  "POST /me/passkeys/options": [401, 422, 422, 401, 401],
  "POST /me/passkeys": [401, 422, 422, 401, 401],
  "POST /me/passkeys/{id}/remove": [303, 403, 403, 303, 303],
  "POST /me/passkeys/check/options": [401, 422, 422, 401, 401],
  "POST /me/passkeys/check": [401, 422, 422, 401, 401],
  "POST /confirm/options": [401, 422, 422, 401, 401],
  "POST /confirm/passkey": [401, 422, 422, 401, 401],
  // Who has nothing to say where to be told is told so; who wants no more is done.
  "POST /me/push-subscriptions": [401, 422, 422, 401, 401],
  "DELETE /me/push-subscriptions": [401, 204, 204, 401, 401],
  "POST /logout": [403, 403, 403, 403, 403],
  "GET /login/link/{token}": [410, 410, 410, 410, 410],

  // Admins and the operator's key manage.
  "GET /resources": [401, 403, 200, 200, 401],
  "POST /resources": [401, 403, 422, 422, 401],
  "PATCH /resources/{id}": [401, 403, 422, 422, 401],
  // Members manage the agents that are theirs; those of others are not there.
  "GET /agents": [401, 200, 200, 200, 401],
  "POST /agents": [401, 422, 422, 422, 401],
  "GET /agents/{id}": [401, 404, 404, 404, 401],
  "PATCH /agents/{id}": [401, 404, 404, 404, 401],
  "DELETE /agents/{id}": [401, 404, 404, 404, 401],
  "POST /agents/{id}/reactivate": [401, 404, 404, 404, 401],
  "POST /agents/{id}/secret": [401, 404, 404, 404, 401],
  "GET /clients": [401, 403, 200, 200, 401],
  "POST /clients": [401, 403, 400, 400, 401],
  "GET /clients/one": [401, 403, 404, 404, 401],
  "PATCH /clients/one": [401, 403, 422, 422, 401],
  "POST /clients/one/secret": [401, 403, 422, 422, 401],
  "GET /trusted-issuers": [401, 403, 200, 200, 401],
  "POST /trusted-issuers": [401, 403, 422, 422, 401],
  "PATCH /trusted-issuers/{id}": [401, 403, 422, 422, 401],
  "DELETE /trusted-issuers/{id}": [401, 403, 404, 404, 401],
  "GET /approvals/{id}/decisions": [401, 403, 404, 404, 401],
  "GET /users": [401, 403, 200, 200, 401],
  "POST /users": [401, 403, 422, 422, 401],
  "PATCH /users/{id}": [401, 403, 422, 422, 401],
  "POST /notifications/test": [401, 403, 422, 422, 401],
  "GET /notifications/{id}": [401, 403, 404, 404, 401],
  // Members may stop agents they own: what an empty request means is asked first.
  "GET /kill-switch": [401, 422, 422, 422, 401],
  "POST /kill-switch": [401, 422, 422, 422, 401],

  // Agents call the resource with its own token.
  "GET /mcp": [401, 401, 401, 401, 405],
  "POST /mcp": [401, 401, 401, 401, 400],
  "DELETE /mcp": [401, 401, 401, 401, 405],

  // Everybody may read these, and have a challenge.
  "POST /challenge": [200, 200, 200, 200, 200],
  "GET /.well-known/oauth-authorization-server": [200, 200, 200, 200, 200],
  "GET /.well-known/oauth-authorization-server/{path...}": [200, 200, 200, 200, 200],
  "GET /.well-known/openid-configuration": [200, 200, 200, 200, 200],
  "GET /.well-known/openid-configuration/{path...}": [200, 200, 200, 200, 200],
  "GET /mcp/.well-known/openid-configuration": [200, 200, 200, 200, 200],
  "GET /mcp/.well-known/oauth-authorization-server": [200, 200, 200, 200, 200],
  "GET /.well-known/oauth-protected-resource": [200, 200, 200, 200, 200],
  "GET /.well-known/oauth-protected-resource/{path...}": [200, 200, 200, 200, 200],
  "GET /.well-known/jwks.json": [200, 200, 200, 200, 200],
  "GET /.well-known/revocations": [200, 200, 200, 200, 200],
  "GET /openapi.json": [200, 200, 200, 200, 200],
  "GET /device/qr": [400, 400, 400, 400, 400],
  "GET /health": [200, 200, 200, 200, 200],
  "GET /ready": [200, 200, 200, 200, 200],
};

let s: PublicServer;
let headersOf: Record<(typeof CALLERS)[number], Record<string, string>>;

beforeAll(async () => {
  s = await publicServer();
  const app = await s.createApp();
  const [member, admin] = [await s.c.signIn(), await s.c.signIn("admin")];
  const { access_token } = await s.c.tokensFor(app, { resource: "https://auth.example.com/mcp" });
  const signedIn = (person: typeof member) => ({
    ...s.c.cookies({ person, browser: newBrowser() }),
    origin: "https://auth.example.com",
  });
  headersOf = {
    anonymous: {},
    member: signedIn(member),
    admin: signedIn(admin),
    operator: s.operator,
    agent: { authorization: `Bearer ${access_token}` },
  };
});

let peers = 0;
/** An empty request of a caller, from an address of its own: what counts here is not how often. */
function send({ path, errors }: Route, method: string, caller: (typeof CALLERS)[number]): Promise<Response> {
  const isJson = errors === "problem" || errors === "bearer" || path.endsWith("/register");
  const hasBody = method !== "GET" && method !== "HEAD";
  const type = isJson ? "application/json" : "application/x-www-form-urlencoded";
  return s.c.call(path.replace(/\{\w+\.\.\.\}/, "mcp").replace(/\{\w+\}/g, "none"), {
    method,
    headers: { ...(hasBody ? { "content-type": type } : {}), ...headersOf[caller] },
    // A client without an address to send people to is registered by nobody, the operator included.
    ...(hasBody ? { body: isJson ? '{"redirect_uris":[]}' : "" } : {}),
    peer: `2001:db8:${(++peers).toString(16)}::1`,
  });
}

const lines = routes.flatMap((route) =>
  METHODS.filter((method) => Object.hasOwn(route.methods, method)).map((method) => ({
    name: `${method} ${route.path}`,
    route,
    method,
  })),
);

it("176: every route and method is in the table, and nothing else", () => {
  expect(Object.keys(EXPECTED).sort()).toEqual(lines.map(({ name }) => name).sort());
});

describe("176: callers", () => {
  it.each(lines)(
    "$name answers each caller as the table says, and changes nothing",
    async ({ name, ...line }) => {
      const answers = await unchanged(s.t, async () => {
        const statuses = [];
        for (const caller of CALLERS) statuses.push((await send(line.route, line.method, caller)).status);
        return statuses;
      });
      expect(answers).toEqual(EXPECTED[name]);
    },
  );
});

describe("197: methods", () => {
  it.each(routes.map((route) => ({ path: route.path, route })))(
    "$path answers other methods with 405 and Allow, whoever asks",
    async ({ route }) => {
      const known = Object.keys(route.methods);
      const allow = [...known, ...(route.head ? ["HEAD"] : []), ...(route.cors ? ["OPTIONS"] : [])];
      const unknown = [...METHODS, "HEAD", "QUERY", "constructor", "toString", "__proto__"].filter(
        (method) => !allow.includes(method),
      );
      const answers = await unchanged(s.t, async () => {
        const seen = [];
        for (const method of unknown) {
          const { status, headers } = await send(route, method, "operator");
          seen.push([method, status, headers.get("allow")]);
        }
        return seen;
      });
      expect(answers).toEqual(unknown.map((method) => [method, 405, allow.join(", ")]));
    },
  );

  it.each(["x-http-method-override", "x-http-method", "x-method-override"])(
    "%s changes no method",
    async (name) => {
      const response = await s.c.call("/clients", { headers: { ...s.operator, [name]: "POST" } });
      const token = await s.c.call("/token", { headers: { [name]: "POST" } });
      expect([response.status, token.status]).toEqual([200, 405]);
    },
  );
});
