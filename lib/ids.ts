import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { ulid } from "ulid";
import { v7 } from "uuid";

/** A new row id that sorts by time. */
export const rowId = (now: Date): string => ulid(now.getTime());

/** A new UUIDv7: the `jti` of tokens, the id of events and token families. */
export const timeOrderedUuid = (now: Date): string => v7({ msecs: now.getTime() });

/** 256 random bits, base64url, behind a prefix that tells people and secret scanners what it is. */
export const newSecret = (prefix = ""): string => prefix + randomBytes(32).toString("base64url");

/** 128 random bits, base64url (22 characters), for ids that must not be guessed. */
export const newOpaqueId = (prefix = ""): string => prefix + randomBytes(16).toString("base64url");

/** What is stored instead of a secret that is itself random: nothing slower than SHA-256 is needed. */
export const hashSecret = (secret: string): string => createHash("sha256").update(secret).digest("base64url");

/** Compares a presented secret with a stored hash in constant time. */
export function matchesSecret(presented: string, storedHash: string): boolean {
  return timingSafeEqual(Buffer.from(hashSecret(presented)), Buffer.from(storedHash));
}
