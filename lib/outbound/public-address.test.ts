import { describe, expect, it } from "vitest";
import { isLoopbackAddress, isPublicAddress } from "./public-address";

describe("public addresses", () => {
  it.each([
    "1.1.1.1",
    "93.184.216.34",
    "100.63.255.255",
    "100.128.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "223.255.255.255",
  ])("takes %s", (ip) => {
    expect(isPublicAddress(ip)).toBe(true);
  });

  it.each(["2606:4700:4700::1111", "2a00:1450:4001:830::200e", "2620:FE::FE"])("takes %s", (ip) => {
    expect(isPublicAddress(ip)).toBe(true);
  });
});

describe("special-purpose addresses (RFC 6890)", () => {
  it.each([
    ["this network", "0.0.0.0", "0.255.255.255"],
    ["private", "10.0.0.0", "10.255.255.255"],
    ["private", "172.16.0.0", "172.31.255.255"],
    ["private", "192.168.0.0", "192.168.255.255"],
    ["shared, carrier-grade NAT", "100.64.0.0", "100.127.255.255"],
    ["loopback", "127.0.0.1", "127.255.255.255"],
    ["link-local, and the metadata service of the clouds", "169.254.0.0", "169.254.169.254"],
    ["IETF protocol assignments", "192.0.0.0", "192.0.0.255"],
    ["documentation", "192.0.2.0", "192.0.2.255"],
    ["documentation", "198.51.100.0", "198.51.100.255"],
    ["documentation", "203.0.113.0", "203.0.113.255"],
    ["6to4 relays", "192.88.99.0", "192.88.99.255"],
    ["benchmarking", "198.18.0.0", "198.19.255.255"],
    ["multicast", "224.0.0.0", "239.255.255.255"],
    ["class E and broadcast", "240.0.0.0", "255.255.255.255"],
    ["unspecified and loopback", "::", "::1"],
    ["IPv4-compatible", "::7f00:1", "::8.8.8.8"],
    ["IPv4-mapped", "::ffff:127.0.0.1", "::ffff:8.8.8.8"],
    ["IPv4-mapped in hex", "::ffff:a9fe:a9fe", "0:0:0:0:0:ffff:0808:0808"],
    ["IPv4-translated", "::ffff:0:127.0.0.1", "::ffff:0:8.8.8.8"],
    ["NAT64", "64:ff9b::10.0.0.1", "64:ff9b::7f00:1"],
    ["local NAT64", "64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff"],
    ["6to4", "2002:7f00:1::", "2002:a9fe:a9fe::1"],
    ["Teredo", "2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff"],
    ["benchmarking", "2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff"],
    ["documentation", "2001:db8::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff"],
    ["discard-only", "100::", "100::ffff:ffff:ffff:ffff"],
    ["unique local", "fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
    ["link-local", "fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
    ["site-local, deprecated", "fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
    ["multicast", "ff00::", "ff02::1"],
    ["never given out", "4000::1", "fe00::1"],
  ])("refuses %s: %s, %s", (_, first, last) => {
    expect([isPublicAddress(first), isPublicAddress(last)]).toEqual([false, false]);
  });

  it.each([
    "",
    "localhost",
    "8.8.8",
    "0x08080808",
    "134744072",
    "010.8.8.8",
    "8.8.8.8 ",
    "[2606:4700::1]",
    "2606:4700::1%eth0",
  ])("refuses %j, which is not how an address is written", (text) => {
    expect(isPublicAddress(text)).toBe(false);
  });
});

describe("loopback", () => {
  it.each(["127.0.0.1", "127.255.0.1", "::1"])("is %s", (ip) => {
    expect(isLoopbackAddress(ip)).toBe(true);
  });

  it.each(["0.0.0.0", "::", "::ffff:127.0.0.1", "128.0.0.1", "localhost"])("is not %s", (ip) => {
    expect(isLoopbackAddress(ip)).toBe(false);
  });
});
