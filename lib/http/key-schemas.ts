import { z } from "zod";
import { faultOfKeys, Jwks, JwksUri } from "@/lib/oauth/client-proof-metadata";

/** How a client proves itself, as our own APIs read it (RFC 7591 §2, RFC 9449 §5.2). */
export const keyMembers = {
  jwks: Jwks.optional().describe("Its public keys"),
  jwks_uri: JwksUri.optional().describe("Where its public keys are, instead of jwks"),
  dpop_bound_access_tokens: z.boolean().optional().describe("Its tokens are always bound to a key"),
};

type Keys = { jwks?: z.output<typeof Jwks> | undefined; jwks_uri?: string | undefined };

/** Names what is wrong with keys; where an authentication method needs some, that they are missing, too. */
export function checkKeys(keys: Keys, authMethod: string, issues: z.core.$RefinementCtx): void {
  const fault = faultOfKeys(keys, authMethod);
  if (fault) issues.addIssue({ code: "custom", path: [fault.member], message: fault.description });
}

/** For changes: something has to be named, and keys that are have to be some that sign. */
export function checkChanges(changes: Keys, issues: z.core.$RefinementCtx): void {
  // What is wrong already is told by itself.
  if (issues.issues.length > 0) return;
  if (Object.keys(changes).length === 0)
    issues.addIssue({ code: "custom", path: [], message: "must name what changes" });
  if (changes.jwks || changes.jwks_uri) checkKeys(changes, "private_key_jwt", issues);
}
