import { list, scopeToken, seconds, wholeNumber } from "./values";

/** The settings of questions that reach a person: device codes, approvals. */
export const humanSettings = {
  deviceCodeTtl: wholeNumber(60, 1800)
    .default(600)
    .describe("Seconds that a device code waits for its person, 60 to 1800"),
  deviceRefreshTokenMaxAge: seconds
    .default(86_400)
    .describe("Seconds after which a device has to be connected anew, unless the person chose longer"),
  hitlTimeout: wholeNumber(30, 86_400)
    .default(300)
    .describe("Seconds that an agent's request waits for a person's answer, 30 to 86400"),
  hitlScopes: list(scopeToken)
    .default([])
    .describe("Scopes, at any resource, that a person approves each time a token for them is asked for"),
  maxPendingApprovals: wholeNumber(1, 1000)
    .default(5)
    .describe("Requests of one agent that may wait for a person at the same time"),
};
