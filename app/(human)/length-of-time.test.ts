import { expect, it } from "vitest";
import { lengthOfTime } from "./length-of-time";

it.each([
  [86_400, "1 day"],
  [7200, "2 hours"],
  [3600, "1 hour"],
  [5400, "90 minutes"],
  [60, "1 minute"],
  [90, "90 seconds"],
  [5, "5 seconds"],
])("says %i seconds as %s", (seconds, words) => {
  expect(lengthOfTime(seconds)).toBe(words);
});
