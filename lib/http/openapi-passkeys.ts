import { z } from "zod";
import { DecisionProof } from "@/lib/oauth/signed-decision";
import { JSON_ERRORS } from "./openapi-errors";
import type { Operation } from "./openapi-operations";
import {
  ConfirmOptions,
  NewPasskey,
  PasskeyCheck,
  PasskeyCheckOptions,
  PasskeyOptions,
} from "./passkey-schemas";

/** What the endpoints of passkeys read, by the name it has in the document. */
export const passkeyRequests = {
  NewPasskey,
  PasskeyOptions,
  PasskeyCheckOptions,
  PasskeyCheck,
  ConfirmOptions,
};

const instant = z.iso.datetime();

/** What they answer. */
export const passkeyAnswers = {
  Passkey: z.object({
    id: z.string().describe("The credential id, base64url"),
    name: z.string(),
    backup_eligible: z.boolean().describe("Whether it may be copied to the person's other devices"),
    created_at: instant,
    last_used_at: instant.nullable(),
  }),
  PublicKeyCredentialCreationOptions: z.looseObject({
    challenge: z.string(),
    rp: z.object({ id: z.string(), name: z.string() }),
    user: z.object({ id: z.string(), name: z.string(), displayName: z.string() }),
  }),
  PublicKeyCredentialRequestOptions: z.looseObject({ challenge: z.string(), rpId: z.string() }),
  PasskeyChecked: z.object({ proof: DecisionProof }),
  Confirmed: z.object({ confirmed: z.literal(true) }),
};

const person = { tag: "People", security: "session" } as const;
const errors = [...JSON_ERRORS, "invalid_token", "forbidden", "conflict"] as const;

/** Passkeys of people, by `METHOD path`. */
export const passkeyOperations: Readonly<Record<string, Operation>> = {
  "POST /me/passkeys/options": {
    ...person,
    summary: "Begin to add a passkey",
    spec: "WebAuthn Level 3 §5.4",
    json: "PasskeyOptions",
    answers: { 200: "PublicKeyCredentialCreationOptions" },
    errors,
  },
  "POST /me/passkeys": {
    ...person,
    summary: "Add a passkey",
    spec: "WebAuthn Level 3 §7.1",
    json: "NewPasskey",
    answers: { 201: "Passkey" },
    errors,
  },
  "POST /confirm/options": {
    ...person,
    summary: "Begin to confirm by passkey that it is you",
    spec: "RFC 9470 §5, WebAuthn Level 3 §5.5",
    json: "ConfirmOptions",
    answers: { 200: "PublicKeyCredentialRequestOptions" },
    errors: [...errors, "not_found"],
  },
  "POST /confirm/passkey": {
    ...person,
    summary: "Confirm by passkey that it is you; the session starts anew",
    spec: "RFC 9470 §5, WebAuthn Level 3 §7.2",
    json: "PasskeyCheck",
    answers: { 200: "Confirmed" },
    errors,
  },
  "POST /me/passkeys/{id}/remove": {
    ...person,
    summary: "Remove a passkey",
    form: "AccountForm",
    answers: { 303: "redirect" },
    errors: ["invalid_request", "forbidden"],
  },
  "POST /me/passkeys/check/options": {
    ...person,
    summary: "Begin to try a passkey",
    spec: "WebAuthn Level 3 §5.5",
    json: "PasskeyCheckOptions",
    answers: { 200: "PublicKeyCredentialRequestOptions" },
    errors: [...errors, "not_found"],
  },
  "POST /me/passkeys/check": {
    ...person,
    summary: "Try a passkey: verify what it signed, as an answer of high risk is",
    spec: "WebAuthn Level 3 §7.2",
    json: "PasskeyCheck",
    answers: { 200: "PasskeyChecked" },
    errors,
  },
};
