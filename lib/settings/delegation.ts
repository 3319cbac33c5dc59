import { flag, issuerProblem, list, oneOf, refused, seconds, text, urlProblem, wholeNumber } from "./values";

const issuers = list(text.superRefine(refused(issuerProblem))).default([]);

/** The settings of delegation: exchanged tokens, the servers that are believed, transaction tokens. */
export const delegationSettings = {
  exchangeTokenTtl: seconds
    .default(300)
    .describe("Seconds that an exchanged token lives, never longer than the token it was exchanged for"),
  maxDelegationDepth: wholeNumber(1, 32)
    .default(5)
    .describe("Agents that may follow one another in a chain, at most 32"),
  delegationRootInAct: flag
    .default(false)
    .describe(
      "Also show the person a chain began with innermost in `act`, for verifiers that look for them there",
    ),
  trustedOidcIssuers: issuers.describe("Issuers whose ID tokens may be exchanged for a token of this server"),
  trustedOidcAudience: text.optional().describe("Audience that these ID tokens must have"),
  trustedChainingIssuers: issuers.describe(
    "Authorization servers of other domains whose grants are redeemed here",
  ),
  trustedChainingTargets: list(text.superRefine(refused(urlProblem)))
    .default([])
    .describe(
      "Authorization servers of other domains that grants are issued for, by issuer or token endpoint; empty means none",
    ),
  chainingGrantTtl: wholeNumber(1, 300)
    .default(60)
    .describe("Seconds that a grant for another domain lives, at most 300"),
  chainingClaimsPolicy: oneOf("preserve_sub", "minimize")
    .default("preserve_sub")
    .describe(
      "What another domain learns of the person: `preserve_sub` who they are, `minimize` as little as identifies them there",
    ),
  txnTokenTrustDomain: text
    .optional()
    .describe("Trust domain that transaction tokens are issued for; without it there are none"),
  txnTokenTtl: wholeNumber(1, 300)
    .default(120)
    .describe("Seconds that a transaction token lives, at most 300"),
};
