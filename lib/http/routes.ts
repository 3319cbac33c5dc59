import type { Context } from "@/lib/context";
import {
  createAgentEndpoint,
  deactivateAgentEndpoint,
  getAgentEndpoint,
  listAgentsEndpoint,
  reactivateAgentEndpoint,
  updateAgentEndpoint,
} from "./agents";
import { approvalRoutes } from "./approval-routes";
import { challengeEndpoint } from "./attestation-challenge";
import { authorizeEndpoint, resumeEndpoint } from "./authorize";
import { backchannelEndpoint } from "./bc-authorize";
import type { Peer, Route } from "./call";
import {
  deleteRegistrationEndpoint,
  readRegistrationEndpoint,
  replaceRegistrationEndpoint,
} from "./client-registration";
import {
  createClientEndpoint,
  getClientEndpoint,
  listClientsEndpoint,
  updateClientEndpoint,
} from "./clients";
import { deviceRoutes } from "./device-routes";
import { answerRoute } from "./endpoint";
import { healthEndpoint, readyEndpoint } from "./health";
import { introspectEndpoint } from "./introspect";
import { previewEndpoint, stopEndpoint } from "./kill-switch";
import { mcpEndpoint } from "./mcp";
import {
  logoutEndpoint,
  narrowGrantEndpoint,
  stopGrantEndpoint,
  stopSessionEndpoint,
  stopStandingEndpoint,
  stopTokenEndpoint,
} from "./my-agents";
import { getNotificationEndpoint, testNotificationEndpoint } from "./notifications";
import { openApiEndpoint } from "./openapi";
import { parEndpoint } from "./par";
import {
  addPasskeyEndpoint,
  passkeyCheckEndpoint,
  passkeyCheckOptionsEndpoint,
  passkeyOptionsEndpoint,
  removePasskeyEndpoint,
} from "./passkeys";
import { confirmEndpoint, confirmOptionsEndpoint } from "./person-authentication";
import { subscribeEndpoint, unsubscribeEndpoint } from "./push-subscriptions";
import { receiptsEndpoint } from "./receipts";
import { registerEndpoint } from "./register";
import { createResourceEndpoint, listResourcesEndpoint, updateResourceEndpoint } from "./resources";
import { revocationsEndpoint } from "./revocations";
import { revokeEndpoint } from "./revoke";
import { rotateAgentSecretEndpoint, rotateClientSecretEndpoint } from "./secret-rotation";
import { signInLinkEndpoint } from "./sign-in-link";
import { tokenEndpoint } from "./token";
import { tokenCheckEndpoint } from "./token-check";
import { inspectEndpoint, inspectQueryEndpoint } from "./token-inspect";
import {
  createTrustedIssuerEndpoint,
  listTrustedIssuersEndpoint,
  removeTrustedIssuerEndpoint,
  updateTrustedIssuerEndpoint,
} from "./trusted-issuers";
import { userinfoEndpoint } from "./userinfo";
import { createUserEndpoint, listUsersEndpoint, updateUserEndpoint } from "./users";
import { jwksEndpoint, protectedResourceEndpoint, serverMetadataEndpoint } from "./well-known";

const machine = { cors: true, errors: "oauth" } as const;
const discovery = {
  ...machine,
  bucket: "read",
  head: true,
  sameHeaders: ["cache-control", "access-control-allow-origin"],
} as const;
const person = { cors: false, errors: "page", bucket: "authorize" } as const;
const personJson = { ...person, errors: "problem" } as const;
const management = { cors: false, errors: "problem", bucket: "read" } as const;

const authorize = { ...person, methods: { GET: authorizeEndpoint, POST: authorizeEndpoint } };
const token = {
  ...machine,
  bucket: "token",
  methods: { POST: tokenEndpoint },
  sameHeaders: ["cache-control", "www-authenticate"],
} as const;
const register = {
  ...machine,
  bucket: "register",
  methods: { POST: registerEndpoint },
  sameHeaders: ["cache-control", "www-authenticate"],
} as const;
const introspect = {
  ...machine,
  cors: false,
  bucket: "resource",
  methods: { POST: introspectEndpoint },
} as const;
const receipts = { ...introspect, methods: { POST: receiptsEndpoint } } as const;
const tokenJson = { cors: true, errors: "problem", bucket: "resource" } as const;
const revoke = { ...machine, bucket: "token", methods: { POST: revokeEndpoint } } as const;
const par = {
  ...machine,
  bucket: "token",
  methods: { POST: parEndpoint },
  sameHeaders: ["cache-control", "www-authenticate"],
} as const;
const userinfo = {
  cors: true,
  errors: "bearer",
  bucket: "resource",
  methods: { GET: userinfoEndpoint, POST: userinfoEndpoint },
  sameHeaders: ["cache-control", "www-authenticate"],
} as const;
const challenge = {
  ...machine,
  bucket: "token",
  methods: { POST: challengeEndpoint },
  sameHeaders: ["cache-control", "dpop-nonce"],
} as const;
const metadata = { ...discovery, methods: { GET: serverMetadataEndpoint } };

/**
 * Everything this server answers without Next, once. Both mounts walk this list: our own server before Next,
 * and the route files under `app/`. To add an endpoint: write its file, add its line, re-export it in `app/`.
 */
export const routes: readonly Route[] = [
  { path: "/authorize", ...authorize },
  { path: "/authorize/{id}", ...person, methods: { GET: resumeEndpoint } },
  ...approvalRoutes,
  { path: "/token", ...token },
  { path: "/token/check", ...tokenJson, methods: { POST: tokenCheckEndpoint } },
  { path: "/tokens/inspect", ...tokenJson, methods: { GET: inspectQueryEndpoint, POST: inspectEndpoint } },
  { path: "/register", ...register },
  {
    path: "/register/{client_id}",
    ...register,
    methods: {
      GET: readRegistrationEndpoint,
      PUT: replaceRegistrationEndpoint,
      DELETE: deleteRegistrationEndpoint,
    },
  },
  { path: "/introspect", ...introspect },
  { path: "/receipts", ...receipts },
  { path: "/revoke", ...revoke },
  { path: "/par", ...par },
  { path: "/bc-authorize", ...machine, bucket: "token", methods: { POST: backchannelEndpoint } },
  { path: "/userinfo", ...userinfo },
  { path: "/challenge", ...challenge },
  ...deviceRoutes,
  // The paths of an earlier system's clients (product decision D4): the same handlers, not redirects.
  { path: "/oauth/authorize", ...authorize },
  { path: "/oauth/token", ...token },
  { path: "/oauth/register", ...register },
  { path: "/oauth/introspect", ...introspect },
  { path: "/oauth/revoke", ...revoke },
  { path: "/.well-known/oauth-authorization-server", ...metadata },
  { path: "/.well-known/oauth-authorization-server/{path...}", ...metadata },
  { path: "/.well-known/openid-configuration", ...metadata },
  { path: "/.well-known/openid-configuration/{path...}", ...metadata },
  { path: "/mcp/.well-known/openid-configuration", ...metadata },
  { path: "/mcp/.well-known/oauth-authorization-server", ...metadata },
  {
    path: "/.well-known/oauth-protected-resource",
    ...discovery,
    methods: { GET: protectedResourceEndpoint },
  },
  {
    path: "/.well-known/oauth-protected-resource/{path...}",
    ...discovery,
    methods: { GET: protectedResourceEndpoint },
  },
  { path: "/.well-known/jwks.json", ...discovery, methods: { GET: jwksEndpoint } },
  { path: "/.well-known/revocations", ...discovery, methods: { GET: revocationsEndpoint } },
  {
    path: "/mcp",
    cors: true,
    errors: "bearer",
    bucket: "resource",
    methods: { GET: mcpEndpoint, POST: mcpEndpoint, DELETE: mcpEndpoint },
    sameHeaders: ["www-authenticate"],
  },
  {
    path: "/resources",
    ...management,
    methods: { GET: listResourcesEndpoint, POST: createResourceEndpoint },
  },
  { path: "/resources/{id}", ...management, methods: { PATCH: updateResourceEndpoint } },
  { path: "/agents", ...management, methods: { GET: listAgentsEndpoint, POST: createAgentEndpoint } },
  {
    path: "/agents/{id}",
    ...management,
    methods: { GET: getAgentEndpoint, PATCH: updateAgentEndpoint, DELETE: deactivateAgentEndpoint },
  },
  { path: "/agents/{id}/reactivate", ...management, methods: { POST: reactivateAgentEndpoint } },
  { path: "/agents/{id}/secret", ...management, methods: { POST: rotateAgentSecretEndpoint } },
  { path: "/clients", ...management, methods: { GET: listClientsEndpoint, POST: createClientEndpoint } },
  { path: "/clients/one", ...management, methods: { GET: getClientEndpoint, PATCH: updateClientEndpoint } },
  { path: "/clients/one/secret", ...management, methods: { POST: rotateClientSecretEndpoint } },
  {
    path: "/trusted-issuers",
    ...management,
    methods: { GET: listTrustedIssuersEndpoint, POST: createTrustedIssuerEndpoint },
  },
  {
    path: "/trusted-issuers/{id}",
    ...management,
    methods: { PATCH: updateTrustedIssuerEndpoint, DELETE: removeTrustedIssuerEndpoint },
  },
  { path: "/users", ...management, methods: { GET: listUsersEndpoint, POST: createUserEndpoint } },
  { path: "/users/{id}", ...management, methods: { PATCH: updateUserEndpoint } },
  { path: "/kill-switch", ...management, methods: { GET: previewEndpoint, POST: stopEndpoint } },
  { path: "/notifications/test", ...management, methods: { POST: testNotificationEndpoint } },
  { path: "/notifications/{id}", ...management, methods: { GET: getNotificationEndpoint } },
  {
    path: "/me/push-subscriptions",
    ...management,
    methods: { POST: subscribeEndpoint, DELETE: unsubscribeEndpoint },
  },
  { path: "/me/grants/{id}/stop", ...person, methods: { POST: stopGrantEndpoint } },
  { path: "/me/grants/{id}/narrow", ...person, methods: { POST: narrowGrantEndpoint } },
  { path: "/me/tokens/{id}/stop", ...person, methods: { POST: stopTokenEndpoint } },
  { path: "/me/standing-approvals/{id}/stop", ...person, methods: { POST: stopStandingEndpoint } },
  { path: "/me/sessions/{id}/stop", ...person, methods: { POST: stopSessionEndpoint } },
  { path: "/me/passkeys/options", ...personJson, methods: { POST: passkeyOptionsEndpoint } },
  { path: "/me/passkeys", ...personJson, methods: { POST: addPasskeyEndpoint } },
  { path: "/me/passkeys/{id}/remove", ...person, methods: { POST: removePasskeyEndpoint } },
  { path: "/me/passkeys/check/options", ...personJson, methods: { POST: passkeyCheckOptionsEndpoint } },
  { path: "/me/passkeys/check", ...personJson, methods: { POST: passkeyCheckEndpoint } },
  { path: "/confirm/options", ...personJson, methods: { POST: confirmOptionsEndpoint } },
  { path: "/confirm/passkey", ...personJson, methods: { POST: confirmEndpoint } },
  { path: "/login/link/{token}", ...person, methods: { GET: signInLinkEndpoint } },
  { path: "/logout", ...person, methods: { POST: logoutEndpoint } },
  { path: "/openapi.json", ...discovery, methods: { GET: openApiEndpoint(() => routes) } },
  { path: "/health", ...management, bucket: "none", head: true, methods: { GET: healthEndpoint } },
  { path: "/ready", ...management, bucket: "none", head: true, methods: { GET: readyEndpoint } },
];

type Match = { route: Route; params: Record<string, string> };

const exact = new Map(routes.filter(({ path }) => !path.includes("{")).map((route) => [route.path, route]));
const patterns = routes
  .filter(({ path }) => path.includes("{"))
  .map((route) => ({ route, segments: route.path.split("/") }));

/** The route of a path, byte for byte: `//token` and `/%74oken` are other paths. */
export function findRoute(pathname: string): Match | undefined {
  const route = exact.get(pathname);
  if (route) return { route, params: {} };
  const given = pathname.split("/");
  for (const pattern of patterns) {
    const params = matchSegments(pattern.segments, given);
    if (params) return { route: pattern.route, params };
  }
  return undefined;
}

function matchSegments(
  pattern: readonly string[],
  given: readonly string[],
): Record<string, string> | undefined {
  const params: Record<string, string> = {};
  for (const [index, segment] of pattern.entries()) {
    const rest = /^\{(\w+)\.\.\.\}$/.exec(segment)?.[1];
    if (rest) return given.length > index ? { ...params, [rest]: given.slice(index).join("/") } : undefined;
    const value = given[index];
    const name = /^\{(\w+)\}$/.exec(segment)?.[1];
    if (value === undefined || (value === "") !== (segment === "")) return undefined;
    if (name) params[name] = value;
    else if (segment !== value) return undefined;
  }
  return pattern.length === given.length ? params : undefined;
}

/** Answers a request if one of the routes is meant; undefined: it is for a page. */
export async function answer(ctx: Context, request: Request, peer: Peer): Promise<Response | undefined> {
  const match = findRoute(new URL(request.url).pathname);
  return match && answerRoute(ctx, match.route, { request, params: match.params, peer });
}
