import { describe, expect, it } from "vitest";
import { findResource, parseResource, sameResource } from "./resource";

describe("parseResource (RFC 8707 §2)", () => {
  it.each(["https://h", "https://h/", "HTTPS://H.ex:8443/mcp?a=1", "http://localhost:3000/mcp"])(
    "gives %s back as sent",
    (value) => {
      expect(parseResource(value)).toBe(value);
    },
  );

  it.each([
    ["", "Send resource as an absolute https URI"],
    ["/mcp", "Send resource as an absolute https URI"],
    ["//h/mcp", "Send resource as an absolute https URI"],
    ["h.ex", "Send resource as an absolute https URI"],
    ["urn:x:y", "Send resource as an absolute https URI"],
    ["ftp://h/mcp", "Send resource as an absolute https URI"],
    ["https://h:99999/", "Send resource as an absolute https URI"],
    ["https://h/a b", "Send resource as an absolute https URI"],
    [`https://h/${"x".repeat(2048)}`, "Send resource as an absolute https URI"],
    ["https://h/mcp#", "Send resource without a fragment"],
    ["https://h/mcp#f", "Send resource without a fragment"],
    ["https:h/mcp", "Send resource with a host and without a user name"],
    ["https://u@h/mcp", "Send resource with a host and without a user name"],
  ])("refuses %j", (value, description) => {
    expect(() => parseResource(value)).toThrow(
      expect.objectContaining({ code: "invalid_target", description }),
    );
  });
});

it.each([
  ["https://h", "https://h/", true],
  ["https://h/mcp", "HTTPS://H/mcp", true],
  ["https://h/mcp", "https://h/mcp", true],
  ["https://h/mcp", "https://h/mcp/", false],
  ["https://h/mcp", "https://h/MCP", false],
  ["https://h/mcp", "https://h/mcp?a=1", false],
  ["https://h/mcp", "https://h", false],
  ["https://h", "https://h:443", false],
  ["https://h", "http://h", false],
  ["https://h", "https://h.evil", false],
])("Q25: sameResource(%s, %s) is %s", (a, b, expected) => {
  expect(sameResource(a, b)).toBe(expected);
});

describe("findResource", () => {
  const mcp = { resource: "https://h/mcp", aliases: ["https://old.ex/mcp", "https://h/mcp/"], name: "MCP" };
  const a = { resource: "https://two.ex/a", aliases: [], name: "A" };
  const b = { resource: "https://two.ex/b", aliases: ["https://alias.ex"], name: "B" };
  const all = [mcp, a, b];

  it.each([
    ["https://h/mcp", mcp],
    ["https://H/mcp", mcp],
    ["https://h/mcp/", mcp],
    ["https://old.ex/mcp", mcp],
    ["https://alias.ex/", b],
  ])("finds %s by identifier or alias", (requested, found) => {
    expect(findResource(all, requested)).toEqual({ found });
  });

  it.each(["https://h", "https://h/"])(
    "Q26: maps the origin %s to the single resource under it",
    (requested) => {
      expect(findResource(all, requested)).toEqual({ found: mcp });
    },
  );

  it.each([
    ["https://two.ex/", ["https://two.ex/a", "https://two.ex/b"]],
    ["https://two.ex/c", ["https://two.ex/a", "https://two.ex/b"]],
    ["https://h/mcp/x", ["https://h/mcp"]],
    ["https://h/?x", ["https://h/mcp"]],
    ["https://else.ex/", ["https://h/mcp", "https://two.ex/a", "https://two.ex/b"]],
  ])("does not guess what %s means, and names the candidates", (requested, candidates) => {
    expect(findResource(all, requested)).toEqual({ candidates });
  });

  it("prefers a resource registered at the origin itself", () => {
    const root = { resource: "https://h", aliases: [] };
    expect(findResource([{ resource: "https://h/mcp", aliases: [] }, root], "https://h/")).toEqual({
      found: root,
    });
  });
});
