import type { ErrorCode } from "@/lib/errors";
import { agentOperations } from "./openapi-agents";
import { approvalOperations } from "./openapi-approvals";
import { cibaOperations } from "./openapi-ciba";
import { deviceOperations } from "./openapi-device";
import { CLIENT_ERRORS, KEY_ERRORS, POLL_ERRORS } from "./openapi-errors";
import { killSwitchOperations } from "./openapi-kill-switch";
import { managementOperations } from "./openapi-management";
import { notificationOperations } from "./openapi-notifications";
import { passkeyOperations } from "./openapi-passkeys";
import { receiptOperations } from "./openapi-receipts";
import type { AnswerSchema, RequestSchema } from "./openapi-schemas";
import { stepUpOperations } from "./openapi-step-up";
import { tokenOperations } from "./openapi-tokens";
import { trustedIssuerOperations } from "./openapi-trusted-issuers";

/** What the document tells of one method of one path, beside what the route itself says. */
export type Operation = {
  summary: string;
  tag:
    | "Authorization"
    | "Approvals"
    | "Tokens"
    | "Clients"
    | "Discovery"
    | "Management"
    | "People"
    | "MCP"
    | "Health";
  /** The section that defines it. */
  spec?: string;
  /** Other standards it is held to. */
  also?: readonly string[];
  query?: RequestSchema;
  form?: RequestSchema;
  json?: RequestSchema;
  /** The body may be left out. */
  isBodyOptional?: true;
  /** Successful answers: a schema, a page, an image, a redirect, a JWT, or nothing in the body. */
  answers: Readonly<Record<number, AnswerSchema | "page" | "image" | "redirect" | "jwt" | "empty">>;
  errors: readonly ErrorCode[];
  security?: "agent" | "decider" | "client" | "registration" | "bearer" | "operator" | "session";
};

const authorize: Operation = {
  summary: "Ask a person for permission",
  tag: "Authorization",
  spec: "RFC 6749 §3.1",
  also: [
    "RFC 7636",
    "RFC 8252",
    "RFC 8707",
    "RFC 9207",
    "RFC 9396",
    "RFC 9700",
    "OIDC Core",
    "draft-ietf-oauth-client-id-metadata-document-02",
  ],
  answers: { 303: "redirect" },
  errors: ["invalid_request", "invalid_client", "invalid_redirect_uri"],
};
const token: Operation = {
  summary: "Redeem a code, refresh, or act for yourself",
  tag: "Tokens",
  spec: "RFC 6749 §3.2",
  also: [
    ...["RFC 7636", "RFC 8628", "RFC 8707", "RFC 9068", "RFC 9396", "RFC 9449", "RFC 9700"],
    ...["OIDC Core", "CIBA Core", "draft-ietf-oauth-deferred-token-response-00"],
    "draft-ietf-oauth-refresh-token-expiration-03",
    ...["draft-ietf-oauth-attestation-based-client-auth-11", "draft-ietf-oauth-spiffe-client-auth-02"],
  ],
  form: "TokenRequest",
  answers: { 200: "TokenResponse" },
  errors: [
    "invalid_request",
    ...CLIENT_ERRORS,
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
    "invalid_target",
    "invalid_authorization_details",
    ...KEY_ERRORS,
    "interaction_required",
    "invalid_binding_message",
    "unmet_authentication_requirements",
    ...POLL_ERRORS,
  ],
  security: "client",
};
const register: Operation = {
  summary: "Register a client",
  tag: "Clients",
  spec: "RFC 7591 §3",
  also: ["RFC 8252"],
  json: "RegistrationRequest",
  answers: { 201: "Registration" },
  errors: [
    "invalid_request",
    "invalid_redirect_uri",
    "invalid_client_metadata",
    "invalid_token",
    "forbidden",
    "unsupported_media_type",
  ],
};
const registration = {
  tag: "Clients",
  spec: "RFC 7592 §2",
  answers: { 200: "Registration" },
  errors: ["invalid_token"],
  security: "registration",
} as const;
const introspect: Operation = {
  summary: "Ask whether a token counts",
  tag: "Tokens",
  spec: "RFC 7662 §2",
  also: ["RFC 9701"],
  form: "TokenForm",
  answers: { 200: "Introspection" },
  errors: ["invalid_request", ...CLIENT_ERRORS, "invalid_token"],
  security: "client",
};
const revoke: Operation = {
  summary: "Give a token back",
  tag: "Tokens",
  spec: "RFC 7009 §2",
  form: "TokenForm",
  answers: { 200: "empty" },
  errors: ["invalid_request", ...CLIENT_ERRORS],
  security: "client",
};
const par: Operation = {
  summary: "Push an authorization request",
  tag: "Authorization",
  spec: "RFC 9126 §2",
  also: ["RFC 9396", "RFC 9449 §10.1"],
  form: "PushedRequest",
  answers: { 201: "Pushed" },
  errors: [
    "invalid_request",
    ...CLIENT_ERRORS,
    "unauthorized_client",
    "invalid_scope",
    "invalid_target",
    "invalid_authorization_details",
    ...KEY_ERRORS,
  ],
  security: "client",
};
const serverMetadata: Operation = {
  summary: "What this authorization server can do",
  tag: "Discovery",
  spec: "RFC 8414 §3",
  also: ["OIDC Discovery"],
  answers: { 200: "ServerMetadata" },
  errors: [],
};
const resourceMetadata: Operation = {
  summary: "Which authorization server protects a resource",
  tag: "Discovery",
  spec: "RFC 9728 §3",
  answers: { 200: "ResourceMetadata" },
  errors: ["not_found"],
};
const mcp = {
  tag: "MCP",
  spec: "MCP 2026-07-28, Transports",
  also: ["RFC 6750", "RFC 9068", "RFC 9728"],
  errors: ["invalid_token", "forbidden"],
  security: "bearer",
} as const;
const account = {
  tag: "People",
  form: "AccountForm",
  answers: { 303: "redirect" },
  errors: ["invalid_request", "forbidden"],
  security: "session",
} as const;

/** Every method of every route, by `METHOD path`. To add an endpoint is to add its line here too. */
export const operations: Readonly<Record<string, Operation>> = {
  "GET /authorize": { ...authorize, query: "AuthorizationRequest" },
  "POST /authorize": { ...authorize, form: "AuthorizationRequest" },
  "GET /authorize/{id}": {
    ...authorize,
    summary: "Take a request up again after signing in",
    errors: [],
    security: "session",
  },
  "POST /approve/{id}/decision": {
    summary: "Allow or deny, from the page",
    tag: "Authorization",
    form: "ConsentForm",
    answers: { 200: "page", 303: "redirect" },
    errors: ["invalid_request", "forbidden", "not_found"],
    security: "session",
  },
  "POST /token": token,
  "POST /register": register,
  "GET /register/{client_id}": { ...registration, summary: "What a client registered" },
  "PUT /register/{client_id}": {
    ...registration,
    summary: "Replace what a client registered",
    json: "ReplacedRegistration",
    errors: [...register.errors],
  },
  "DELETE /register/{client_id}": {
    ...registration,
    summary: "Delete a client with all that it was allowed and holds",
    answers: { 204: "empty" },
  },
  "POST /par": par,
  "POST /introspect": introspect,
  "POST /revoke": revoke,
  "GET /oauth/authorize": { ...authorize, query: "AuthorizationRequest" },
  "POST /oauth/authorize": { ...authorize, form: "AuthorizationRequest" },
  "POST /oauth/token": token,
  "POST /oauth/register": register,
  "POST /oauth/introspect": introspect,
  "POST /oauth/revoke": revoke,
  "GET /.well-known/oauth-authorization-server": serverMetadata,
  "GET /.well-known/oauth-authorization-server/{path...}": serverMetadata,
  "GET /.well-known/openid-configuration": serverMetadata,
  "GET /.well-known/openid-configuration/{path...}": serverMetadata,
  "GET /mcp/.well-known/openid-configuration": serverMetadata,
  "GET /mcp/.well-known/oauth-authorization-server": serverMetadata,
  "GET /.well-known/oauth-protected-resource": resourceMetadata,
  "GET /.well-known/oauth-protected-resource/{path...}": resourceMetadata,
  "GET /.well-known/jwks.json": {
    summary: "The keys that tokens are verified with",
    tag: "Discovery",
    spec: "RFC 7517 §5",
    answers: { 200: "Jwks" },
    errors: [],
  },
  "GET /mcp": { ...mcp, summary: "Listen for messages", answers: { 200: "empty" } },
  "POST /mcp": { ...mcp, summary: "Send a message", json: "McpMessage", answers: { 200: "McpMessage" } },
  "DELETE /mcp": { ...mcp, summary: "End a session", answers: { 200: "empty" } },
  ...deviceOperations,
  ...managementOperations,
  ...agentOperations,
  ...approvalOperations,
  ...trustedIssuerOperations,
  ...killSwitchOperations,
  ...notificationOperations,
  ...receiptOperations,
  ...stepUpOperations,
  ...tokenOperations,
  "POST /me/grants/{id}/stop": { ...account, summary: "Stop an app" },
  "POST /me/grants/{id}/narrow": { ...account, form: "NarrowForm", summary: "Leave an app less" },
  "POST /me/tokens/{id}/stop": { ...account, summary: "Stop what acts for you for a short while" },
  "POST /me/standing-approvals/{id}/stop": { ...account, summary: "Be asked each time again" },
  "POST /me/sessions/{id}/stop": { ...account, summary: "Sign another browser out" },
  ...cibaOperations,
  ...passkeyOperations,
  "GET /login/link/{token}": {
    summary: "Sign in with the link that the first start printed",
    tag: "People",
    answers: { 303: "redirect", 410: "page" },
    errors: [],
  },
  "POST /logout": { ...account, form: "LogoutForm", summary: "Sign out" },
  "GET /openapi.json": {
    summary: "This document",
    tag: "Discovery",
    spec: "OpenAPI 3.1.1",
    answers: { 200: "OpenApi" },
    errors: [],
  },
  "GET /health": { summary: "The process lives", tag: "Health", answers: { 200: "Status" }, errors: [] },
  "GET /ready": {
    summary: "Requests can be answered",
    tag: "Health",
    answers: { 200: "Status" },
    errors: [],
  },
};
