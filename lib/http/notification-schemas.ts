import { ECDH } from "node:crypto";
import { z } from "zod";

/** Whom to send a test message, beside those that the settings name. */
export const TestNotification = z.strictObject({
  user: z.string().max(64).optional().describe("Id of a person; without it whoever is signed in"),
});

/** A subscription as `PushSubscription.toJSON()` writes it (Push API §8). */
export const NewPushSubscription = z.strictObject({
  endpoint: z.url({ protocol: /^https?$/ }).max(2000),
  expirationTime: z.number().nullable().optional(),
  keys: z.strictObject({
    p256dh: z.base64url().refine(isPoint, "must be a point of P-256"),
    auth: z
      .base64url()
      .refine((text) => Buffer.from(text, "base64url").length === 16, "must be 16 bytes as base64url"),
  }),
});

/** What is no point could not be encrypted to, and would fail only when there is something to say (RFC 8291 §2.1). */
function isPoint(text: string): boolean {
  try {
    return ECDH.convertKey(text, "prime256v1", "base64url").length === 65;
  } catch {
    return false;
  }
}
