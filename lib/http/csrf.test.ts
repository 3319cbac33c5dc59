import { describe, expect, it } from "vitest";
import { isOAuthError } from "@/lib/errors";
import { loadSettings } from "@/lib/settings";
import { checkCsrf, issueCsrfToken } from "./csrf";

const { settings } = loadSettings({});
const at = (seconds: number) => ({
  settings: { ...settings, secretKey: "k".repeat(40) },
  now: () => new Date(seconds * 1000),
});
const form = { binding: "session-a", purpose: "decide 1" };
const post = (headers: Record<string, string>) =>
  new Request("http://localhost:8000/x", { method: "POST", headers });
const own = post({ origin: "http://localhost:8000" });
const token = issueCsrfToken(at(1000), form);

function outcome(check: () => void): string {
  try {
    check();
    return "accepted";
  } catch (error) {
    return isOAuthError(error) ? error.code : "another error";
  }
}

describe("forms are accepted from our own page only", () => {
  it.each([
    ["our own page", own, token, form, 1000, "accepted"],
    ["our own page, nine minutes later", own, token, form, 1540, "accepted"],
    ["our own page, eleven minutes later", own, token, form, 1660, "forbidden"],
    [
      "a browser that says same-origin without Origin",
      post({ "sec-fetch-site": "same-origin" }),
      token,
      form,
      1000,
      "accepted",
    ],
    ["another site", post({ origin: "https://evil.example" }), token, form, 1000, "forbidden"],
    ["another port of this host", post({ origin: "http://localhost:8001" }), token, form, 1000, "forbidden"],
    ["an opaque origin", post({ origin: "null" }), token, form, 1000, "forbidden"],
    ["a sibling site", post({ "sec-fetch-site": "same-site" }), token, form, 1000, "forbidden"],
    ["a client that says nothing", post({}), token, form, 1000, "forbidden"],
    ["another session's token", own, token, { ...form, binding: "session-b" }, 1000, "forbidden"],
    ["another form's token", own, token, { ...form, purpose: "decide 2" }, 1000, "forbidden"],
    ["no token", own, null, form, 1000, "forbidden"],
    [
      "a token with a later time written into it",
      own,
      `${(1600).toString(36)}.${token.split(".")[1]}`,
      form,
      1660,
      "forbidden",
    ],
    ["a token from the future", own, issueCsrfToken(at(2000), form), form, 1000, "forbidden"],
  ])("%s", (_, request, presented, expected, now, result) => {
    expect(outcome(() => checkCsrf(at(now), request, presented, expected))).toBe(result);
  });
});
