import { describe, expect, it } from "vitest";
import { basicChallenge, bearerChallenge } from "./challenge";

const resourceMetadata = "https://h/.well-known/oauth-protected-resource/mcp";

describe("bearerChallenge", () => {
  it("Q8: names no error when no credentials came", () => {
    expect(bearerChallenge({ resourceMetadata, scope: ["mcp:read", "mcp:write"] })).toBe(
      `Bearer resource_metadata="${resourceMetadata}", scope="mcp:read mcp:write"`,
    );
  });

  it("RFC 6750 §3.1: names the error and says what to do", () => {
    expect(
      bearerChallenge({ resourceMetadata, error: "invalid_token", description: "Get a new token" }),
    ).toBe(
      `Bearer error="invalid_token", error_description="Get a new token", resource_metadata="${resourceMetadata}"`,
    );
  });

  it("leaves out what is empty", () => {
    expect(bearerChallenge({ scope: [] })).toBe("Bearer");
  });

  it("stays in one piece whatever it is given", () => {
    expect(bearerChallenge({ description: 'a"\\b\r\nX: y é' })).toBe(
      `Bearer error_description="a''b''X: y '"`,
    );
  });
});

it("RFC 7617 §2: asks for id and secret", () => {
  expect(basicChallenge('auth"gent')).toBe(`Basic realm="auth'gent", charset="UTF-8"`);
});
