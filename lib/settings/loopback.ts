/** True for a host name or address that only this machine can reach; takes IPv6 with or without brackets. */
export function isLoopbackHost(host: string): boolean {
  return host === "localhost" || /^\[?::1\]?$/.test(host) || /^127(\.\d{1,3}){3}$/.test(host);
}
