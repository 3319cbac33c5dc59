import { describe, expect, it } from "vitest";
import { loadSettings } from "@/lib/settings";
import { callerAddress, isLocalRequest } from "./peer";

const forwarded = (value: string) => new Headers({ "x-forwarded-for": value });

describe("the caller's address", () => {
  it.each([
    ["no proxy is believed by default", "203.0.113.7", 0, "127.0.0.1"],
    ["one proxy: the address it saw", "203.0.113.7", 1, "203.0.113.7"],
    [
      "one proxy: what the caller claimed stands left of it and is not believed",
      "1.2.3.4, 203.0.113.7",
      1,
      "203.0.113.7",
    ],
    ["two proxies: the address the first saw", "1.2.3.4, 203.0.113.7, 10.0.0.1", 2, "203.0.113.7"],
    ["fewer hops than proxies: the peer", "203.0.113.7", 2, "127.0.0.1"],
    ["nonsense: the peer", "unknown", 1, "127.0.0.1"],
  ])("%s", (_, header, trustProxy, expected) => {
    expect(callerAddress(forwarded(header), "::ffff:127.0.0.1", trustProxy)).toBe(expected);
  });
});

describe("local requests (product decision D1)", () => {
  const { settings } = loadSettings({});
  const host = { host: "localhost:8000" };

  it.each([
    ["this machine, by localhost", host, "127.0.0.1", true],
    ["this machine, by IPv6", { host: "[::1]:8000" }, "::1", true],
    ["a page of this machine", { ...host, origin: "http://localhost:6274" }, "127.0.0.1", true],
    ["another machine", host, "192.168.1.5", false],
    ["another name for this machine (DNS rebinding)", { host: "evil.example" }, "127.0.0.1", false],
    ["no Host", {}, "127.0.0.1", false],
    ["a page of another site", { ...host, origin: "https://evil.example" }, "127.0.0.1", false],
    ["a page without an origin", { ...host, origin: "null" }, "127.0.0.1", false],
    ["through a proxy", { ...host, "x-forwarded-for": "127.0.0.1" }, "127.0.0.1", false],
    [
      "through a proxy that says so in the standard's header",
      { ...host, forwarded: "for=127.0.0.1" },
      "127.0.0.1",
      false,
    ],
  ])("%s", (_, headers, address, expected) => {
    expect(isLocalRequest(settings, new Headers(headers as Record<string, string>), address)).toBe(expected);
  });

  it("are none on a server with a public issuer", () => {
    const { settings: publicSettings } = loadSettings({
      AUTHGENT_SERVER_URL: "https://auth.example.com",
      AUTHGENT_SECRET_KEY: "k".repeat(40),
    });
    expect(isLocalRequest(publicSettings, new Headers(host), "127.0.0.1")).toBe(false);
  });
});
