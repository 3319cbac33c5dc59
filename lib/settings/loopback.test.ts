import { expect, it } from "vitest";
import { isLoopbackHost } from "./loopback";

it.each(["localhost", "127.0.0.1", "127.8.8.8", "::1", "[::1]"])("%s is loopback", (host) => {
  expect(isLoopbackHost(host)).toBe(true);
});

it.each([
  "0.0.0.0",
  "::",
  "128.0.0.1",
  "127.0.0.1.example.com",
  "localhost.example.com",
  "notlocalhost",
  "::12",
  "",
])("%s is not loopback", (host) => {
  expect(isLoopbackHost(host)).toBe(false);
});
