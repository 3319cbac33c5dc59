import { describe, expect, it } from "vitest";
import { isSpiffePattern, matchesSpiffePattern, trustDomainOf } from "./spiffe-id";

describe("SPIFFE ID §2: the ids of workloads", () => {
  it.each([
    "spiffe://example.org/a",
    "spiffe://td_1.example-x/ns/prod/sa/Web.v2",
    "spiffe://example.org/...",
  ])("%s has a trust domain", (id) => {
    expect(trustDomainOf(id)).toBe(id.slice(0, id.indexOf("/", "spiffe://".length)));
  });

  it.each([
    "spiffe://example.org",
    "spiffe://example.org/",
    "spiffe://Example.org/a",
    "SPIFFE://example.org/a",
    "spiffe://example.org:8443/a",
    "spiffe://user@example.org/a",
    "spiffe:///a",
    "spiffe://example.org/a/",
    "spiffe://example.org/a//b",
    "spiffe://example.org/a/./b",
    "spiffe://example.org/a/../b",
    "spiffe://example.org/..",
    "spiffe://example.org/a?b",
    "spiffe://example.org/a#b",
    "spiffe://example.org/%61",
    "spiffe://example.org/a\n",
    "spiffe://example.org/*",
    "https://example.org/a",
    `spiffe://example.org/${"a".repeat(2048)}`,
    "",
  ])("%j is none", (id) => {
    expect(trustDomainOf(id)).toBe(undefined);
  });
});

describe("draft-ietf-oauth-spiffe-client-auth-02 §5.1: what a client may be registered with", () => {
  it.each(["spiffe://example.org/a", "spiffe://example.org/workloads/*"])("%s", (pattern) => {
    expect(isSpiffePattern(pattern)).toBe(true);
  });

  it.each([
    "spiffe://example.org/*",
    "spiffe://example.org/a*",
    "spiffe://example.org/*/a",
    "spiffe://example.org/a/*/*",
    "spiffe://*/a",
    "spiffe://example.org/a/../*",
    "*",
  ])("not %s", (pattern) => {
    expect(isSpiffePattern(pattern)).toBe(false);
  });

  it.each([
    ["spiffe://example.org/client/*", "spiffe://example.org/client/123", true],
    ["spiffe://example.org/client/*", "spiffe://example.org/client/123/a", true],
    ["spiffe://example.org/client/*", "spiffe://example.org/client123", false],
    ["spiffe://example.org/client/*", "spiffe://example.org/client", false],
    ["spiffe://example.org/client/*", "spiffe://example.org/client/", false],
    ["spiffe://example.org/client/*", "spiffe://example.org/client/../admin", false],
    ["spiffe://example.org/client/*", "spiffe://example.com/client/1", false],
    ["spiffe://example.org/client", "spiffe://example.org/client", true],
    ["spiffe://example.org/client", "spiffe://example.org/client/1", false],
    ["spiffe://example.org/client", "spiffe://example.org/clients", false],
  ])("%s and %s: %s", (pattern, id, expected) => {
    expect(matchesSpiffePattern(pattern, id)).toBe(expected);
  });
});
