import { describe, expect, it } from "vitest";
import { basicChallenge, bearerChallenge, dpopChallenge } from "./challenge";

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

describe("dpopChallenge", () => {
  const algorithms = ["ES256", "Ed25519"];

  it("RFC 9449 §7.1: names the algorithms that a proof may have", () => {
    expect(dpopChallenge({ algorithms })).toBe(`DPoP algs="ES256 Ed25519"`);
  });

  it("RFC 9728 §5.1: leads to the metadata of the resource as the other one does", () => {
    const error = "invalid_dpop_proof";
    expect(dpopChallenge({ algorithms, resourceMetadata, scope: ["mcp:read"], error })).toBe(
      `DPoP error="${error}", resource_metadata="${resourceMetadata}", scope="mcp:read", algs="ES256 Ed25519"`,
    );
  });
});

it("RFC 7617 §2: asks for id and secret", () => {
  expect(basicChallenge('auth"gent')).toBe(`Basic realm="auth'gent", charset="UTF-8"`);
});
