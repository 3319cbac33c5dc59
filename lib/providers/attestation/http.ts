import { z } from "zod";
import { OAuthError } from "@/lib/errors";
import { callProvider, ProviderError, reasonText, type Service } from "../call";
import type { AttestationProvider } from "./provider";

/** Seconds after which a client may try again. */
const RETRY_AFTER = 5;

const Answer = z.object({
  valid: z.boolean(),
  level: z.enum(["none", "self", "verified", "hardware"]),
  reason: reasonText.optional(),
});

/** Lets the operator's own service judge evidence; without an answer it counts for nothing and is refused. */
export function httpAttestation(service: Service): AttestationProvider {
  return {
    async attest({ name, evidence }) {
      try {
        const { valid, level, reason } = await callProvider({
          ...service,
          schema: Answer,
          body: { name, evidence },
        });
        return { valid, level: valid ? level : "none", reason };
      } catch (error) {
        if (!(error instanceof ProviderError)) throw error;
        throw new OAuthError(
          "temporarily_unavailable",
          "The attestation service of this server gives no answer. Try again in a moment.",
          { headers: { "retry-after": String(RETRY_AFTER) }, reason: error.message, cause: error },
        );
      }
    },
  };
}
