import { expect, it } from "vitest";
import { accepts } from "./introspection-jwt";

const TYPE = "application/token-introspection+jwt";

it.each([
  [TYPE, true],
  [TYPE.toUpperCase(), true],
  [`application/json;q=0.5, ${TYPE} ;q=0.9`, true],
  [`${TYPE};q=0.001`, true],
  [`${TYPE};q=0`, false],
  [`${TYPE}; q=0.000`, false],
  ["application/json", false],
  ["application/*", false],
  ["*/*", false],
  [`x${TYPE}`, false],
  ["", false],
  [null, false],
])("RFC 9110 §12.5.1: Accept: %s asks for a JWT: %s", (header, asked) => {
  expect(accepts(header, TYPE)).toBe(asked);
});
