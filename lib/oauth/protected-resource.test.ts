import { describe, expect, it } from "vitest";
import { protectedResourceMetadata, protectedResourceMetadataUrl } from "./protected-resource";

const mcp = { resource: "https://h.ex/mcp", issuer: "https://as.ex", name: "Mail" };

describe("protectedResourceMetadata (RFC 9728 §2)", () => {
  it("names the server and the scopes, but never offline_access", () => {
    expect(protectedResourceMetadata({ ...mcp, scopes: ["mcp:read", "offline_access"] })).toEqual({
      resource: "https://h.ex/mcp",
      authorization_servers: ["https://as.ex"],
      resource_name: "Mail",
      bearer_methods_supported: ["header"],
      dpop_signing_alg_values_supported: ["ES256", "ES384", "RS256", "PS256", "Ed25519", "EdDSA"],
      scopes_supported: ["mcp:read"],
    });
  });

  it("RFC 9396 §10: names the types of authorization details of the resource", () => {
    expect(
      protectedResourceMetadata({ ...mcp, scopes: [], detailsTypes: ["payment", "mcp_tool"] }),
    ).toMatchObject({ authorization_details_types_supported: ["payment", "mcp_tool"] });
  });

  it("leaves out an empty list of scopes", () => {
    expect(protectedResourceMetadata({ ...mcp, scopes: ["offline_access"] })).not.toHaveProperty(
      "scopes_supported",
    );
  });
});

it.each([
  ["https://h.ex", "https://h.ex/.well-known/oauth-protected-resource"],
  ["https://h.ex/", "https://h.ex/.well-known/oauth-protected-resource"],
  ["https://h.ex/mcp", "https://h.ex/.well-known/oauth-protected-resource/mcp"],
  ["http://localhost:8000/a/b", "http://localhost:8000/.well-known/oauth-protected-resource/a/b"],
  ["https://h.ex/mcp?k=v", "https://h.ex/.well-known/oauth-protected-resource/mcp?k=v"],
])("RFC 9728 §3.1: the metadata of %s is at %s", (resource, url) => {
  expect(protectedResourceMetadataUrl(resource)).toBe(url);
});
