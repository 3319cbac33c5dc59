import { flag, oneOf, seconds, wholeNumber } from "./values";

/** The settings of proofs: tokens bound to keys, pushed requests, ID tokens. */
export const proofSettings = {
  requireDpop: flag
    .default(false)
    .describe("Issue no access token that is not bound to a key of its client (DPoP)"),
  dpopNonce: oneOf("optional", "required")
    .optional()
    .describe(
      "Whether a DPoP proof must carry a recent nonce of this server: `required` costs a client one more request now and then, and makes proofs worthless that were made in advance",
    ),
  attestationChallenge: oneOf("optional", "required")
    .default("optional")
    .describe(
      "Whether the proof of a client attestation must carry a recent challenge of this server: `required` makes proofs worthless that were made in advance. Where a DPoP proof stands for it, its nonce is the challenge",
    ),
  attestationMaxAge: seconds
    .default(86_400)
    .describe("Seconds after which a client has to bring a newer attestation"),
  dpopChainPolicy: oneOf("strict", "audit", "permissive")
    .default("strict")
    .describe(
      "Who may exchange a token that is bound to a key: `strict` only who holds that key, `permissive` also another agent with a key of its own, `audit` the same and the audit event says so. Never without a proof",
    ),
  requirePar: flag
    .default(false)
    .describe("Accept authorization requests only when their client pushed them before (PAR)"),
  parTtl: wholeNumber(5, 600)
    .default(60)
    .describe("Seconds that a pushed authorization request lives, 5 to 600"),
  idTokenTtl: seconds.default(3600).describe("Seconds that an ID token lives"),
};
