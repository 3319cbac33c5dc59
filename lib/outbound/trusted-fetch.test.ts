import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ForeignIssuer, foreignIssuer, sendJson } from "@/test/support/foreign-issuer";
import { OutboundError } from "./public-fetch";
import { fetchTrustedJson } from "./trusted-fetch";

let server: ForeignIssuer;

beforeAll(async () => {
  server = await foreignIssuer();
});
afterAll(() => server.close());

/** What is read, or why nothing is. */
async function fetched(url: string, timeoutMs = 5000): Promise<unknown> {
  try {
    return await fetchTrustedJson(new URL(url), { timeoutMs });
  } catch (error) {
    if (!(error instanceof OutboundError)) throw error;
    return error.reason;
  }
}

describe("what an operator's address is asked for", () => {
  it.each(["application/json", "application/jwk-set+json", "application/json; charset=utf-8"])(
    "%s is read",
    async (type) => {
      server.state.answers["/doc"] = (response) => sendJson(response, { a: 1 }, type);
      expect(await fetched(`${server.origin}/doc`)).toEqual({ a: 1 });
    },
  );

  it.each([
    "http://id.example/jwks",
    "http://10.0.0.1/jwks",
    "http://169.254.169.254/latest",
    "file:///etc/passwd",
    "https://user:secret@id.example/jwks",
  ])("%s is not asked", async (url) => {
    expect(await fetched(url)).toBe("not_public");
  });

  it("a redirect is not followed", async () => {
    server.state.answers["/moved"] = (response) =>
      response.writeHead(302, { location: server.jwksUri }).end();
    server.state.asked.length = 0;
    expect(await fetched(`${server.origin}/moved`)).toBe("redirect");
    expect(server.state.asked).toEqual(["/moved"]);
  });

  it("another status, another type, and what is no JSON are refused", async () => {
    server.state.answers = {
      "/created": (response) => response.writeHead(201, { "content-type": "application/json" }).end("{}"),
      "/html": (response) => response.writeHead(200, { "content-type": "text/html" }).end("{}"),
      "/broken": (response) => response.writeHead(200, { "content-type": "application/json" }).end("{"),
    };
    for (const path of ["/created", "/html", "/broken", "/none"])
      expect(await fetched(`${server.origin}${path}`)).toBe("unreachable");
  });

  it("a body of 256 KB is read, one byte more is not, however small it travels", async () => {
    const body = (length: number) => `"${"x".repeat(length - 2)}"`;
    server.state.answers["/large"] = (response) =>
      response.writeHead(200, { "content-type": "application/json" }).end(body(262_144));
    server.state.answers["/larger"] = (response) =>
      response
        .writeHead(200, { "content-type": "application/json", "content-encoding": "gzip" })
        .end(gzipSync(body(262_145)));
    expect(await fetched(`${server.origin}/large`)).toHaveLength(262_142);
    expect(await fetched(`${server.origin}/larger`)).toBe("too_large");
  });

  it("a server that is not there, or never finishes, is given up", async () => {
    server.state.answers["/slow"] = (response) => {
      response.writeHead(200, { "content-type": "application/json" }).write("{");
    };
    expect(
      await Promise.all([fetched("http://127.0.0.1:1/"), fetched(`${server.origin}/slow`, 200)]),
    ).toEqual(["unreachable", "timeout"]);
  });
});
