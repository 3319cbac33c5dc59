import { z } from "zod";
import { refused, secret, text, urlProblem, wholeNumber } from "./values";

/** What earlier systems call the choice that needs no class. */
const BUILT_IN = ["null", "none", "builtin"];

/** Who answers: this server itself, or a service of the operator's over HTTP. */
const answeredBy = <const Own extends string>(own: Own, urlVariable: string) =>
  text
    .transform((value, refinement): Own | "http" => {
      const choice = value.toLowerCase();
      if (choice === "http") return "http";
      if (BUILT_IN.includes(choice)) return own;
      refinement.addIssue(
        value.includes(".")
          ? `names a Python class, which this server cannot load: use http, which asks your own service at ${urlVariable}`
          : `must be one of ${own}, http`,
      );
      return z.NEVER;
    })
    .prefault(own);

const serviceUrl = text.superRefine(refused(urlProblem)).optional();

/** The settings of the services of the operator's that this server asks (docs/providers.md). */
export const serviceSettings = {
  policyProvider: answeredBy("builtin", "AUTHGENT_POLICY_URL").describe(
    "Who decides whether a token may be issued: `builtin` the registrations alone, `http` your service as well",
  ),
  policyUrl: serviceUrl.describe("Where your service decides; while it does not answer, no token is issued"),
  claimEnricher: answeredBy("none", "AUTHGENT_CLAIM_ENRICHER_URL").describe(
    "Who adds claims to access tokens: `none`, or your service by `http`",
  ),
  claimEnricherUrl: serviceUrl.describe(
    "Where your service adds claims; while it does not answer, tokens are issued without",
  ),
  attestationProvider: answeredBy("none", "AUTHGENT_ATTESTATION_URL").describe(
    "Who judges the evidence an agent registers with: `none`, or your service by `http`",
  ),
  attestationUrl: serviceUrl.describe(
    "Where your service judges evidence; while it does not answer, evidence is refused",
  ),
  providerTimeout: wholeNumber(1, 30)
    .default(10)
    .describe("Seconds that each of these services may take to answer, at most 30"),
  providerSecret: secret(20)
    .optional()
    .describe("Sent to these services as a Bearer token, so that they know who asks; 20 characters or more"),
};
