import { z } from "zod";

/** The members of OpenID Connect Dynamic Client Registration §2 that say how ID tokens are made. */
const Asked = z.object({
  id_token_signed_response_alg: z.unknown().optional(),
  subject_type: z.unknown().optional(),
});

/**
 * What ID tokens are made with, for a client that asked for something: one key signs for all clients, and a person is
 * the same for each. "The authorization server MAY reject or replace any of the client's requested metadata values …
 * and substitute them with suitable values" (RFC 7591 §2), and says so in its answer.
 */
export function openIdMembers(
  body: unknown,
  { signingAlgorithm }: { signingAlgorithm: string },
): Record<string, string> {
  const asked = Asked.safeParse(body).data ?? {};
  return {
    ...(typeof asked.id_token_signed_response_alg === "string" && {
      id_token_signed_response_alg: signingAlgorithm,
    }),
    ...(typeof asked.subject_type === "string" && { subject_type: "public" }),
  };
}
