import { createHmac, timingSafeEqual } from "node:crypto";
import type { Context } from "@/lib/context";
import { deriveKey } from "@/lib/secret-key";

/** What a client polls with: CIBA's and that of the deferred token response. */
export type Handle = "auth_req_id" | "deferral_code";

/**
 * What a client polls with for an approval. It says more than the approval's id, which people and notifications see:
 * who knows only that cannot poll (CIBA Core §7.3, at least 128 bits of entropy).
 */
export const handleOf = ({ settings }: Context, approvalId: string, handle: Handle): string =>
  `${approvalId}.${createHmac("sha256", deriveKey(settings.secretKey, "approval-handle"))
    .update(`${handle} ${approvalId}`)
    .digest("base64url")}`;

/** The approval that a handle is of; undefined: it is none of ours, or of the other kind. */
export function readHandle(ctx: Context, presented: string, handle: Handle): string | undefined {
  const [approvalId = ""] = presented.split(".");
  const expected = Buffer.from(handleOf(ctx, approvalId, handle));
  const given = Buffer.from(presented);
  return given.length === expected.length && timingSafeEqual(given, expected) ? approvalId : undefined;
}
