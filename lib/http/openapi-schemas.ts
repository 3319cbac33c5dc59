import { z } from "zod";
import { ERRORS, type ErrorCode } from "@/lib/errors";
import { grants } from "@/lib/grants/index";
import { DELIVERY_MODES } from "@/lib/oauth/backchannel-metadata";
import { RegistrationRequest } from "@/lib/oauth/client-metadata";
import { DecisionRecords } from "@/lib/oauth/decision-record";
import { BackchannelRequest } from "./bc-authorize";
import { ClientPatch, Operators } from "./clients";
import { agentAnswers, agentRequests } from "./openapi-agents";
import { approvalAnswers, approvalRequests } from "./openapi-approvals";
import { cibaAnswers, pendingMembers } from "./openapi-ciba";
import { deviceAnswers, deviceRequests } from "./openapi-device";
import { killSwitchAnswers, killSwitchRequests } from "./openapi-kill-switch";
import { notificationAnswers, notificationRequests } from "./openapi-notifications";
import { passkeyAnswers, passkeyRequests } from "./openapi-passkeys";
import { stepUpAnswers, stepUpRequests } from "./openapi-step-up";
import { tokenAnswers } from "./openapi-tokens";
import { NewResource, ResourcePatch } from "./resources";
import { SecretRotation } from "./secret-rotation";
import { TokenCheck } from "./token-check";
import { TokenToInspect } from "./token-inspect";
import { NewTrustedIssuer, TrustedIssuerPatch } from "./trusted-issuers";
import { NewUser, UserPatch } from "./users";

const codes = Object.keys(ERRORS) as ErrorCode[];
const instant = z.iso.datetime();
const list = <Item extends z.ZodType>(item: Item) => z.object({ items: z.array(item), total: z.int() });

const clientFields = {
  client_id: z.string().optional().describe("Where the client does not authenticate by HTTP Basic"),
  client_secret: z.string().optional(),
  client_assertion_type: z.string().optional(),
  client_assertion: z
    .string()
    .optional()
    .describe("Where the client authenticates by a JWT or a JWT-SVID (RFC 7523 §2.2)"),
};
const resource = z.string().optional().describe("What the token is for (RFC 8707 §2)");
const details = z.array(z.looseObject({ type: z.string() }));
const detailsParameter = z.string().optional().describe("A JSON array of objects with type (RFC 9396 §2)");
const csrf = z.string().describe("From the page whose form this is");

const Resource = NewResource.extend({ id: z.string(), created_at: instant });
const TrustedIssuer = NewTrustedIssuer.extend({
  id: z.string().nullable().describe("Null where the settings name the issuer"),
  created_at: instant,
  updated_at: instant,
});
const User = NewUser.omit({ password: true }).extend({
  id: z.string(),
  email: z.string().describe("As the provider or the operator wrote it"),
  name: z.string(),
  status: z.string(),
  created_at: instant,
  last_sign_in_at: instant.nullable(),
});
const backchannel = {
  backchannel_token_delivery_mode: z.enum(DELIVERY_MODES).optional().describe("Of a client that asks people"),
  backchannel_client_notification_endpoint: z.url().optional(),
};
const Client = z.object({
  client_id: z.string(),
  kind: z.enum(["static", "dynamic", "document", "agent"]),
  client_name: z.string(),
  status: z.enum(["active", "frozen", "disabled"]),
  token_endpoint_auth_method: z.string(),
  application_type: z.enum(["web", "native"]),
  redirect_uris: z.array(z.string()),
  grant_types: z.array(z.string()),
  response_types: z.array(z.string()),
  scope: z.string().optional(),
  allowed_resources: z.array(z.string()),
  legacy_assertion_audience: z.boolean().optional(),
  id_jag_targets: z.array(z.looseObject({ issuer: z.string(), client_id: z.string() })),
  ...backchannel,
  created_at: instant,
  last_used_at: instant.nullable(),
});
const Jwks = z.object({ keys: z.array(z.looseObject({ kty: z.string(), kid: z.string() })) });
const secret = {
  client_secret: z.string().optional().describe("Shown here, once"),
  client_secret_expires_at: z.int().optional(),
};

const AuthorizationRequest = z.object({
  response_type: z.literal("code"),
  client_id: z.string().describe("A registered identifier, or the address of a client metadata document"),
  redirect_uri: z.string().optional(),
  code_challenge: z.string().describe("Base64url of the SHA-256 of the verifier (RFC 7636 §4.2)"),
  code_challenge_method: z.literal("S256"),
  scope: z.string().optional(),
  state: z.string().optional(),
  resource,
  prompt: z.string().optional(),
  max_age: z.int().optional().describe("Seconds"),
  nonce: z.string().optional(),
  dpop_jkt: z.string().optional().describe("Thumbprint of the key to bind the code to (RFC 9449 §10)"),
  authorization_details: detailsParameter,
});

/** What requests carry, by the name it has in the document; the handlers read with the same schemas. */
export const requestSchemas = {
  AuthorizationRequest: z.union([
    AuthorizationRequest,
    z.object({
      client_id: z.string(),
      request_uri: z.string().describe("As /par gave it out (RFC 9126 §4)"),
    }),
  ]),
  PushedRequest: AuthorizationRequest.extend({ ...clientFields }),
  BackchannelRequest: BackchannelRequest.extend({ resource, ...clientFields }),
  TokenRequest: z.union(
    grants.map(({ grantType, params }) =>
      z.intersection(z.object({ grant_type: z.literal(grantType), resource, ...clientFields }), params),
    ),
  ),
  TokenForm: z.object({
    token: z.string(),
    token_type_hint: z.string().optional().describe("Ignored: both kinds are looked for"),
    ...clientFields,
  }),
  RegistrationRequest,
  ReplacedRegistration: RegistrationRequest.extend({
    client_id: z.string().describe("Its own"),
    client_secret: z.string().optional().describe("As it was issued"),
  }),
  NewClient: RegistrationRequest.extend(Operators.shape),
  ClientQuery: z.object({ client_id: z.string().describe("May be a URL, so it is no part of the path") }),
  ClientPatch,
  SecretRotation,
  NewResource,
  ResourcePatch,
  NewTrustedIssuer,
  TrustedIssuerPatch,
  NewUser,
  UserPatch,
  ...approvalRequests,
  ...agentRequests,
  ...deviceRequests,
  ...killSwitchRequests,
  ...passkeyRequests,
  ...notificationRequests,
  ...stepUpRequests,
  TokenCheck,
  TokenToInspect,
  ConsentForm: z.object({
    csrf,
    decision: z.enum(["allow", "approve", "deny", "stop", "ask"]),
    question: z.string().optional().describe("To the agent, before anything is decided"),
    reason: z.string().optional().describe("Why not, to an agent"),
    number: z.string().optional().describe("What the agent shows, where the page asks for it"),
    scope: z.array(z.string()).optional().describe("The permissions that were left ticked"),
    keep: z.literal("long").optional().describe("Of a device: that it stays connected for long"),
    detail: z
      .array(z.string())
      .optional()
      .describe("The details that were ticked, by their place in the request"),
  }),
  NarrowForm: z.object({ csrf, scope: z.array(z.string()).describe("The permissions that stay") }),
  AccountForm: z.object({ csrf }),
  LogoutForm: z.object({ csrf: csrf.optional(), continue: z.string().optional() }),
  McpMessage: z.looseObject({ jsonrpc: z.literal("2.0"), method: z.string().optional() }),
} satisfies Record<string, z.ZodType>;

/** What answers carry. */
export const answerSchemas = {
  TokenResponse: z.object({
    access_token: z.string(),
    token_type: z.enum(["Bearer", "DPoP", "N_A"]),
    issued_token_type: z.string().optional().describe("Where tokens were exchanged (RFC 8693 §2.2.1)"),
    expires_in: z.int().describe("Seconds"),
    scope: z.string().optional().describe("Absent where another server decides it"),
    refresh_token: z.string().optional(),
    refresh_token_timeout: z.int().optional().describe("Seconds that the refresh token may stay unused"),
    authorization_expires_in: z.int().optional().describe("Seconds that the person's permission lasts"),
    id_token: z.string().optional().describe("Who the person is, where they let the app know (OIDC Core §2)"),
    authorization_details: details.optional().describe("As they were granted (RFC 9396 §7)"),
    pending_authorization: z
      .looseObject({ auth_req_id: z.string() })
      .optional()
      .describe("What waits for a person, with completion_mode=narrowed"),
  }),
  Pushed: z.object({ request_uri: z.string(), expires_in: z.int().describe("Seconds") }),
  Registration: z.looseObject({
    client_id: z.string(),
    client_id_issued_at: z.int(),
    ...secret,
    registration_access_token: z.string(),
    registration_client_uri: z.url(),
    client_name: z.string(),
    redirect_uris: z.array(z.string()),
    token_endpoint_auth_method: z.string(),
    grant_types: z.array(z.string()),
    response_types: z.array(z.string()),
    application_type: z.enum(["web", "native"]),
    ...backchannel,
  }),
  ServerMetadata: z.looseObject({
    issuer: z.url(),
    authorization_endpoint: z.url(),
    token_endpoint: z.url(),
    response_types_supported: z.array(z.string()),
  }),
  ResourceMetadata: z.looseObject({ resource: z.url(), authorization_servers: z.array(z.url()) }),
  Jwks,
  DecisionRecords,
  Receipts: z.object({
    issuer: z.url(),
    exported_at: instant,
    jwks: Jwks,
    receipts: z.array(z.string()).describe("Compact JWS, the receipt of the first hop first"),
  }),
  Client: z.looseObject(Client.shape),
  CreatedClient: z.looseObject({ ...Client.shape, ...secret }),
  Clients: list(z.looseObject(Client.shape)),
  RotatedSecret: z.object({
    client_id: z.string(),
    client_secret: z.string().describe("Shown here, once"),
    client_secret_expires_at: z.literal(0),
    previous_secret_expires_at: z.int().describe("Seconds since 1970: until then the one before is good"),
  }),
  Resource,
  Resources: list(Resource),
  TrustedIssuer,
  TrustedIssuers: list(TrustedIssuer),
  User,
  Users: list(User),
  ...agentAnswers,
  ...approvalAnswers,
  ...deviceAnswers,
  ...killSwitchAnswers,
  ...cibaAnswers,
  ...passkeyAnswers,
  ...notificationAnswers,
  ...stepUpAnswers,
  ...tokenAnswers,
  Status: z.object({ status: z.string(), db: z.string().optional(), keys: z.string().optional() }),
  McpMessage: z.looseObject({ jsonrpc: z.literal("2.0") }),
  OpenApi: z.looseObject({ openapi: z.string() }),
  OAuthError: z.looseObject({
    error: z.enum(codes),
    error_description: z.string(),
    error_code: z.string().optional().describe("Says more exactly what error says"),
    error_uri: z.url(),
    ...pendingMembers,
  }),
  Problem: z.looseObject({
    type: z.url(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    error: z.enum(codes),
    error_description: z.string(),
    errors: z
      .array(z.object({ field: z.string(), message: z.string() }))
      .optional()
      .describe("What is wrong, field by field"),
    max_age: z.int().optional().describe("Seconds that the sign-in may be old (RFC 9470 §3)"),
    acr_values: z.string().optional().describe("How the person has to sign in (RFC 9470 §3)"),
  }),
} satisfies Record<string, z.ZodType>;

export type RequestSchema = keyof typeof requestSchemas;
export type AnswerSchema = keyof typeof answerSchemas;
