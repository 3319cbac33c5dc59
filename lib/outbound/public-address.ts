import { isIP } from "node:net";
import ipaddr from "ipaddr.js";

const GLOBAL_UNICAST: [ipaddr.IPv6, number] = [ipaddr.IPv6.parse("2000::"), 3];

/**
 * True for an address of the public internet, in its usual spelling (RFC 6890).
 * Whatever could lead back inside is not public: mapped, translated and tunnelled IPv4 (::ffff:0:0/96, 64:ff9b::/96,
 * 2002::/16, 2001::/32) as a whole, since what it embeds is decided by somebody else's router.
 */
export function isPublicAddress(ip: string): boolean {
  const address = parse(ip);
  if (address?.range() !== "unicast") return false;
  // The library calls every address that it has no name for unicast; IANA has given out 2000::/3 only (RFC 3587).
  return address instanceof ipaddr.IPv4 || address.match(GLOBAL_UNICAST);
}

/** True for an address of this machine itself (RFC 1122 §3.2.1.3, RFC 4291 §2.5.3). */
export function isLoopbackAddress(ip: string): boolean {
  return parse(ip)?.range() === "loopback";
}

/** Takes four decimal parts or IPv6 without a zone; `ipaddr.parse` alone would also read 0x7f.1. */
function parse(ip: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined {
  return isIP(ip) !== 0 && !ip.includes("%") ? ipaddr.parse(ip) : undefined;
}
