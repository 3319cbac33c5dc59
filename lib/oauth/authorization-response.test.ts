import { describe, expect, it } from "vitest";
import { authorizationResponse } from "./authorization-response";

const issuer = "https://as.ex";

describe("authorizationResponse", () => {
  it.each([
    ["https://a.ex/cb", "https://a.ex/cb?code=c1&state=s1&iss=https%3A%2F%2Fas.ex"],
    ["https://a.ex/cb?t=1", "https://a.ex/cb?t=1&code=c1&state=s1&iss=https%3A%2F%2Fas.ex"],
    ["https://a.ex/cb?", "https://a.ex/cb?code=c1&state=s1&iss=https%3A%2F%2Fas.ex"],
    ["https://a.ex/cb?t=1&", "https://a.ex/cb?t=1&code=c1&state=s1&iss=https%3A%2F%2Fas.ex"],
    ["http://127.0.0.1:33418", "http://127.0.0.1:33418?code=c1&state=s1&iss=https%3A%2F%2Fas.ex"],
    ["cursor://x/cb", "cursor://x/cb?code=c1&state=s1&iss=https%3A%2F%2Fas.ex"],
  ])("RFC 6749 §4.1.2: adds to %s and keeps what is there", (redirectUri, expected) => {
    expect(authorizationResponse(redirectUri, { code: "c1", state: "s1", issuer })).toBe(expected);
  });

  it("RFC 9207 §2: errors name the issuer too", () => {
    const answer = { error: "access_denied", error_description: "The person said no", issuer } as const;
    expect(authorizationResponse("https://a.ex/cb", answer)).toBe(
      "https://a.ex/cb?error=access_denied&error_description=The%20person%20said%20no&iss=https%3A%2F%2Fas.ex",
    );
  });

  it.each([
    '&code=x&iss=https://evil.ex#"><script>',
    "a\r\nLocation: https://evil.ex",
    "é + %20 日本",
    "x".repeat(4096),
  ])("security 20: gives the state %j back as it was, and nothing else", (state) => {
    const url = authorizationResponse("https://a.ex/cb", { code: "c1", state, issuer });
    expect(url).toMatch(/^[\x21-\x7e]+$/);
    expect(new URL(url).hash).toBe("");
    expect([...new URL(url).searchParams]).toEqual([
      ["code", "c1"],
      ["state", state],
      ["iss", issuer],
    ]);
  });
});
