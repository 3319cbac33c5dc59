import { JSON_ERRORS } from "./openapi-errors";
import type { Operation } from "./openapi-operations";

const management = { tag: "Management", security: "operator" } as const;

/** What operators do, by `METHOD path`. */
export const managementOperations: Readonly<Record<string, Operation>> = {
  "GET /resources": {
    ...management,
    summary: "What this server protects",
    answers: { 200: "Resources" },
    errors: ["invalid_token", "forbidden"],
  },
  "POST /resources": {
    ...management,
    summary: "Protect an MCP server or API",
    json: "NewResource",
    answers: { 201: "Resource" },
    errors: [...JSON_ERRORS, "invalid_token", "invalid_target", "forbidden", "conflict"],
  },
  "PATCH /resources/{id}": {
    ...management,
    summary: "Change what is said of a resource",
    json: "ResourcePatch",
    answers: { 200: "Resource" },
    errors: [...JSON_ERRORS, "invalid_token", "invalid_target", "forbidden", "not_found", "conflict"],
  },
  "GET /clients": {
    ...management,
    summary: "Every client, newest first",
    answers: { 200: "Clients" },
    errors: ["invalid_token", "forbidden"],
  },
  "POST /clients": {
    ...management,
    summary: "Register a client as an operator",
    json: "NewClient",
    answers: { 201: "CreatedClient" },
    errors: [
      "invalid_request",
      "invalid_redirect_uri",
      "invalid_client_metadata",
      "invalid_token",
      "forbidden",
      "validation_failed",
      "unsupported_media_type",
    ],
  },
  "GET /clients/one": {
    ...management,
    summary: "One client",
    query: "ClientQuery",
    answers: { 200: "Client" },
    errors: ["invalid_token", "forbidden", "not_found"],
  },
  "PATCH /clients/one": {
    ...management,
    summary: "Disable a client or enable it again, or change its keys and what it is held to",
    query: "ClientQuery",
    json: "ClientPatch",
    answers: { 200: "Client" },
    errors: [...JSON_ERRORS, "invalid_token", "forbidden", "not_found", "conflict"],
  },
  "POST /clients/one/secret": {
    ...management,
    summary: "Give a client a new secret, with the one before good for a while",
    query: "ClientQuery",
    json: "SecretRotation",
    answers: { 200: "RotatedSecret" },
    errors: [...JSON_ERRORS, "invalid_token", "forbidden", "not_found", "conflict"],
  },
  "GET /users": {
    ...management,
    summary: "The people of this server",
    answers: { 200: "Users" },
    errors: ["invalid_token", "forbidden"],
  },
  "POST /users": {
    ...management,
    summary: "Add a person with a local account",
    json: "NewUser",
    answers: { 201: "User" },
    errors: [...JSON_ERRORS, "invalid_token", "forbidden", "conflict"],
  },
  "PATCH /users/{id}": {
    ...management,
    summary: "Give a person another role or other groups",
    json: "UserPatch",
    answers: { 200: "User" },
    errors: [...JSON_ERRORS, "invalid_token", "forbidden", "not_found", "conflict"],
  },
};
