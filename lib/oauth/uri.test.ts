import { describe, expect, it } from "vitest";
import { hasDotSegments, hostOf, isLoopbackHost, splitUri } from "./uri";

describe("splitUri (RFC 3986 appendix B)", () => {
  it("changes nothing but the case of the scheme", () => {
    expect(splitUri("HTTPS://User@A.ex:443/x/../y?q=%2F#f")).toEqual({
      scheme: "https",
      authority: "User@A.ex:443",
      path: "/x/../y",
      query: "q=%2F",
      fragment: "f",
    });
  });

  it("tells an absent part from an empty one", () => {
    expect(splitUri("com.example:/cb")).toMatchObject({ authority: undefined, query: undefined });
    expect(splitUri("file:///etc?#")).toMatchObject({ authority: "", query: "", fragment: "" });
  });

  it.each([
    "",
    "//x",
    "/cb",
    "1a:x",
    "https://a.ex/a b",
    "https://a.ex\\@b.ex",
    "https://é.ex",
    "a:\n",
    "a:%zz",
    "a:\0",
  ])("does not take %j", (text) => {
    expect(splitUri(text)).toBeUndefined();
  });
});

it.each([
  ["A.ex", "a.ex"],
  ["a.ex:8080", "a.ex"],
  ["u:p@a.ex:1", "a.ex"],
  ["[::1]:80", "[::1]"],
  ["[::1]", "[::1]"],
])("hostOf(%j) is %j", (authority, host) => {
  expect(hostOf(authority)).toBe(host);
});

it.each([
  ["localhost", true],
  ["127.0.0.1", true],
  ["127.255.255.254", true],
  ["[::1]", true],
  ["127.1", false],
  ["127.0.0.256", false],
  ["127.0.0.01", false],
  ["2130706433", false],
  ["0.0.0.0", false],
  ["127.0.0.1.evil", false],
  ["localhost.", false],
  ["localhost.evil", false],
  ["[::ffff:127.0.0.1]", false],
])("isLoopbackHost(%j) is %s", (host, expected) => {
  expect(isLoopbackHost(host)).toBe(expected);
});

it.each([
  ["/a/./b", true],
  ["/a/..", true],
  ["/%2E%2e/b", true],
  ["/a%2f..%5Cb", true],
  ["/.well-known/x", false],
  ["/a..b/...", false],
  ["", false],
])("hasDotSegments(%j) is %s", (path, expected) => {
  expect(hasDotSegments(path)).toBe(expected);
});
