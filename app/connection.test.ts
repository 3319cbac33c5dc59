import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { afterAll, beforeAll, expect, it } from "vitest";
import { connectionOf, noteConnections } from "./connection";

let server: Server;
let url: string;

/** Answers as a handler behind Next sees the request: with the forwarded headers that Next adds where there are none. */
beforeAll(async () => {
  noteConnections();
  server = createServer(({ headers }, response) => {
    headers["x-forwarded-for"] ??= "127.0.0.1";
    headers["x-forwarded-host"] ??= String(headers.host);
    const { peer, headers: seen } = connectionOf(
      new Headers(Object.entries(headers).map(([k, v]) => [k, String(v)])),
    );
    response.end(JSON.stringify({ peer, seen: Object.fromEntries(seen) }));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  url = typeof address === "object" ? `http://127.0.0.1:${address?.port}` : "";
});
afterAll(() => server.close());

const ask = async (headers: Record<string, string> = {}) => (await fetch(url, { headers })).json();

it("takes the peer from the socket and leaves out what Next added", async () => {
  const { peer, seen } = await ask();
  expect(peer).toEqual({ socketAddress: "127.0.0.1" });
  expect(Object.keys(seen).filter((name) => name.startsWith("x-"))).toEqual([]);
});

it("keeps a forwarded header that the caller sent, even one like those of Next", async () => {
  const { seen } = await ask({ "x-forwarded-for": "127.0.0.1" });
  expect(seen["x-forwarded-for"]).toBe("127.0.0.1");
  expect(seen["x-forwarded-host"]).toBeUndefined();
});

it("does not believe a note that the caller wrote", async () => {
  const { peer, seen } = await ask({ "x-authgent-connection": "203.0.113.7", forwarded: "for=203.0.113.7" });
  expect(peer).toEqual({ socketAddress: "127.0.0.1" });
  expect(seen.forwarded).toBe("for=203.0.113.7");
});

it("knows no peer without a note", () => {
  expect(connectionOf(new Headers()).peer).toEqual({ socketAddress: "unknown" });
});
