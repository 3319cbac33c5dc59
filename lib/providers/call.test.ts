import type { RequestListener } from "node:http";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { type OperatorService, operatorService } from "@/test/support/operator-service";
import { callProvider, reasonText } from "./call";

let service: OperatorService;

beforeEach(async () => {
  service = await operatorService({ said: "hello" });
});

afterEach(() => service.close());

const call = (options: { secret?: string; timeoutSeconds?: number; url?: string } = {}) =>
  callProvider({
    url: service.url,
    secret: undefined,
    timeoutSeconds: 5,
    schema: z.object({ said: z.string() }),
    body: { name: "ada" },
    ...options,
  });

const because = (reason: string) => expect.objectContaining({ name: "ProviderError", reason });

describe("asking a service of the operator's", () => {
  it("posts JSON and answers with what was said", async () => {
    expect(await call()).toEqual({ said: "hello" });
    expect(service.asked).toEqual([
      { method: "POST", authorization: undefined, type: "application/json", body: { name: "ada" } },
    ]);
  });

  it("shows the secret as a Bearer token (RFC 6750 §2.1)", async () => {
    await call({ secret: "0123456789abcdefghij" });
    expect(service.asked.map(({ authorization }) => authorization)).toEqual(["Bearer 0123456789abcdefghij"]);
  });

  it("takes an answer of 64 KB and not one byte more", async () => {
    const padding = (bytes: number) => "x".repeat(bytes - JSON.stringify({ said: "" }).length);
    service.answers({ said: padding(65_536) });
    expect((await call()).said.length).toBe(65_525);
    service.answers({ said: padding(65_537) });
    await expect(call()).rejects.toEqual(because("too_large"));
  });
});

describe("what is no answer", () => {
  it.each([201, 204, 400, 401, 404, 500, 503])("status %i", async (status) => {
    service.handles((_, response) =>
      response.writeHead(status).end(status === 204 ? undefined : '{"said":"hello"}'),
    );
    await expect(call()).rejects.toEqual(because("status"));
  });

  it.each([301, 302, 303, 307, 308])("a redirect by %i, which is not followed", async (status) => {
    const elsewhere = await operatorService({ said: "hello" });
    service.handles((_, response) => response.writeHead(status, { location: elsewhere.url }).end());
    await expect(call({ secret: "0123456789abcdefghij" })).rejects.toEqual(because("status"));
    expect(elsewhere.asked).toEqual([]);
    await elsewhere.close();
  });

  it("a small answer that is large when decoded", async () => {
    const bomb = gzipSync(Buffer.alloc(10 * 1024 * 1024));
    service.handles((_, response) => response.setHeader("content-encoding", "gzip").end(bomb));
    await expect(call()).rejects.toEqual(because("too_large"));
  });

  it.each<[string, string]>([
    ["nothing", ""],
    ["a page", "<html>"],
    ["another shape", '{"said":1}'],
    ["a list", "[]"],
    ["null", "null"],
  ])("%s", async (_, body) => {
    service.handles((_request, response) => response.end(body));
    await expect(call()).rejects.toEqual(because("malformed"));
  });

  it.each<[string, RequestListener]>([
    ["silence", () => {}],
    [
      "a body that drips",
      (_, response) => {
        const drip = setInterval(() => response.write(" "), 10);
        response.on("close", () => clearInterval(drip));
      },
    ],
  ])("%s, for longer than the timeout", async (_, listener) => {
    service.handles(listener);
    await expect(call({ timeoutSeconds: 0.15 })).rejects.toEqual(because("timeout"));
  });

  it("a broken connection", async () => {
    service.handles((request) => request.socket.destroy());
    await expect(call()).rejects.toEqual(because("unreachable"));
  });

  it("nobody listening", async () => {
    await service.close();
    await expect(call()).rejects.toEqual(because("unreachable"));
  });

  it("told of without the query of its URL, where a key may be", async () => {
    service.handles((_, response) => response.writeHead(500).end());
    const { host } = new URL(service.url);
    await expect(call({ url: `${service.url}?key=hidden` })).rejects.toEqual(
      expect.objectContaining({ message: `${host} answered 500` }),
    );
  });
});

describe("what the log is told", () => {
  it("is short and printable, whatever the service sends", async () => {
    service.handles((_, response) => response.end(`{"\\u0000\\ud800${"k".repeat(5000)}":1}`));
    const { url } = service;
    const none = { url, secret: undefined, timeoutSeconds: 5, schema: z.strictObject({}), body: {} };
    const message = await callProvider(none).catch((error) => error.message);
    expect(message).toHaveLength(200);
    expect(message).toMatch(/^[\x20-\x7e]+$/);
  });
});

describe("a reason of the service's", () => {
  it.each([
    ["Not on weekends", "Not on weekends"],
    ['Say "please"\\', "Say 'please''"],
    ["one\r\ntwo\0\u202e€", "one??two???"],
    ["x".repeat(201), "x".repeat(200)],
  ])("%j is told as %j (RFC 6749 §5.2)", (said, told) => {
    expect(reasonText.parse(said)).toBe(told);
  });
});
