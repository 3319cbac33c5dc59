import { expect, it } from "vitest";
import { isCodeChallenge, isCodeVerifier, matchesChallenge } from "./pkce";

const VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

it("matches the example of RFC 7636 appendix B", () => {
  expect(matchesChallenge(VERIFIER, CHALLENGE)).toBe(true);
});

it.each([
  ["another verifier", `${VERIFIER.slice(0, -1)}l`, CHALLENGE],
  ["another challenge", VERIFIER, `${CHALLENGE.slice(0, -1)}N`],
  ["a short challenge", VERIFIER, "E"],
  ["the plain method", CHALLENGE, CHALLENGE],
  ["an empty challenge", VERIFIER, ""],
])("does not match %s", (_, verifier, challenge) => {
  expect(matchesChallenge(verifier, challenge)).toBe(false);
});

it.each([
  [CHALLENGE, true],
  ["a".repeat(42), false],
  ["a".repeat(44), false],
  [`${"a".repeat(42)}=`, false],
  [`${"a".repeat(42)}+`, false],
  [`${"a".repeat(43)}\n`, false],
  ["x", false],
])("isCodeChallenge(%j) is %s", (value, expected) => {
  expect(isCodeChallenge(value)).toBe(expected);
});

it.each([
  [VERIFIER, true],
  ["a".repeat(42), false],
  ["a".repeat(43), true],
  ["a.~_-".repeat(20), true],
  ["a".repeat(128), true],
  ["a".repeat(129), false],
  [`${"a".repeat(43)}+`, false],
  [`${"a".repeat(43)}\n`, false],
])("isCodeVerifier(%j) is %s", (value, expected) => {
  expect(isCodeVerifier(value)).toBe(expected);
});
