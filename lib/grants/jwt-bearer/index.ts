import { z } from "zod";
import { OAuthError } from "@/lib/errors";
import { type AssertionPurpose, decodeAssertion, purposesOfType } from "@/lib/oauth/assertion";
import { GRANT_TYPES } from "@/lib/oauth/token-types";
import { requireKeyOf, verifyForeign } from "../foreign-assertion";
import { defineGrant } from "../grant";
import { redeemForPerson } from "./person";
import { clientOfWorkload, redeemForWorkload } from "./workload";

const PURPOSES: readonly AssertionPurpose[] = ["id_jag", "chaining", "workload"];
const EXPECTED = { purposes: PURPOSES, code: "invalid_grant" } as const;

/**
 * Redeems the assertion of a trusted issuer (RFC 7523 §2.1): an enterprise's word on one of its people
 * (draft-ietf-oauth-identity-assertion-authz-grant-04), a grant of another domain
 * (draft-ietf-oauth-identity-chaining-17), or a workload's own identity.
 */
export const jwtBearer = defineGrant({
  grantType: GRANT_TYPES.jwtBearer,

  params: z.object({
    assertion: z.string().min(1),
    scope: z.string().optional(),
    authorization_details: z.string().optional(),
    client_id: z.string().optional(),
  }),

  /** "authentication of the client is optional" (RFC 7521 §4.1): a workload has no other credential than its assertion. */
  async clientOf(ctx, { assertion: token, client_id: clientId }) {
    const { header } = decodeAssertion(token).jws;
    if (!purposesOfType(header, PURPOSES, EXPECTED.code).includes("workload")) return undefined;
    const assertion = await verifyForeign(ctx, token, EXPECTED);
    return assertion.purpose === "workload" ? clientOfWorkload(ctx, assertion, clientId) : undefined;
  },

  async handle(ctx, request) {
    // "This specification SHOULD only be supported for confidential clients."
    if (request.authMethod === "none") {
      throw new OAuthError(
        "unauthorized_client",
        "Register a client with a secret to redeem this assertion.",
      );
    }
    const assertion = await verifyForeign(ctx, request.params.assertion, EXPECTED);
    requireKeyOf(assertion, request.jkt, EXPECTED.code);
    return assertion.purpose === "workload"
      ? redeemForWorkload(ctx, assertion, request)
      : redeemForPerson(ctx, assertion, request);
  },
});
