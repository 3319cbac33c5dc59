import { z } from "zod";
import { DeviceAnswer, DeviceCompletion } from "./device-schemas";
import { CLIENT_ERRORS, DECIDER_ERRORS, JSON_ERRORS, KEY_ERRORS, POLL_ERRORS } from "./openapi-errors";
import type { Operation } from "./openapi-operations";

const clientId = z.string().optional().describe("Where the client does not authenticate by HTTP Basic");
const resource = z.string().optional().describe("What the token is for (RFC 8707 §2)");

/** What the endpoints of the device flow read, by the name it has in the document. */
export const deviceRequests = {
  DeviceAuthorizationRequest: z.object({
    client_id: clientId,
    client_secret: z.string().optional(),
    client_assertion_type: z.string().optional(),
    client_assertion: z.string().optional(),
    scope: z.string().optional(),
    resource,
    authorization_details: z.string().optional().describe("A JSON array of objects with type (RFC 9396 §2)"),
  }),
  DevicePoll: z.object({ device_code: z.string(), client_id: clientId, resource }),
  UserCodeQuery: z.object({ user_code: z.string().describe("Case, dashes and spaces do not matter") }),
  UserCodeForm: z.object({
    csrf: z.string().describe("From the page whose form this is"),
    user_code: z.string().describe("As the device shows it; case, dashes and spaces do not matter"),
  }),
  DeviceAnswer,
  DeviceCompletion,
};

/** What they answer. */
export const deviceAnswers = {
  DeviceAuthorization: z.object({
    device_code: z.string().describe("For the device alone, to poll with"),
    user_code: z.string().describe("For the person: XXXX-XXXX"),
    verification_uri: z.url(),
    verification_uri_complete: z.url().describe("The same with the code filled in, such as for a QR code"),
    expires_in: z.int().describe("Seconds"),
    interval: z.int().describe("Seconds between two polls"),
  }),
  DeviceAnswered: z.object({ status: z.enum(["approved", "denied"]) }),
};

const clientErrors = [
  "invalid_request",
  ...CLIENT_ERRORS,
  "unauthorized_client",
  "invalid_target",
  "invalid_authorization_details",
  ...KEY_ERRORS,
] as const;

const answer = {
  tag: "People",
  json: "DeviceAnswer",
  answers: { 200: "DeviceAnswered" },
  errors: [...JSON_ERRORS, ...DECIDER_ERRORS, "expired_token", "conflict"],
  security: "decider",
} as const satisfies Omit<Operation, "summary">;

/** The device flow, by `METHOD path`. */
export const deviceOperations: Readonly<Record<string, Operation>> = {
  "POST /device/authorize": {
    summary: "Get a code for a person to type elsewhere",
    tag: "Authorization",
    spec: "RFC 8628 §3.1",
    also: ["RFC 8707", "RFC 9396", "RFC 9449"],
    form: "DeviceAuthorizationRequest",
    answers: { 200: "DeviceAuthorization" },
    errors: [...clientErrors, "invalid_scope"],
    security: "client",
  },
  "GET /device/qr": {
    summary: "The verification_uri_complete of a code to scan: an image, or text for a terminal",
    tag: "Authorization",
    spec: "RFC 8628 §3.3.1",
    query: "UserCodeQuery",
    answers: { 200: "image" },
    errors: ["invalid_request"],
  },
  "POST /device/token": {
    summary: "Poll as clients of an earlier system do; others poll at /token",
    tag: "Tokens",
    spec: "RFC 8628 §3.4",
    form: "DevicePoll",
    answers: { 200: "TokenResponse" },
    errors: [...clientErrors, "invalid_grant", ...POLL_ERRORS],
    security: "client",
  },
  "POST /device/verify": {
    summary: "Enter a user code, from the page",
    tag: "People",
    spec: "RFC 8628 §3.3",
    form: "UserCodeForm",
    answers: { 303: "redirect" },
    errors: ["invalid_request", "forbidden"],
    security: "session",
  },
  "POST /device/approve": { ...answer, summary: "Allow a device, as JSON" },
  "POST /device/deny": { ...answer, summary: "Deny a device, as JSON" },
  "POST /device/complete": {
    ...answer,
    json: "DeviceCompletion",
    summary: "Allow or deny a device, as clients of an earlier system do",
  },
};
