import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, it } from "vitest";
import { publicFetch } from "./public-fetch";

const servers: Server[] = [];

/** A server on 127.0.0.1 that counts who connected. */
async function listen(handle: RequestListener, server: Server = createServer()) {
  const seen = { connections: 0, requests: 0 };
  server.on("connection", () => {
    seen.connections += 1;
  });
  server.on("request", (request, response) => {
    seen.requests += 1;
    handle(request, response);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { port: (server.address() as AddressInfo).port, seen };
}

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

/** A resolver that gives one answer after the other, and counts how often it was asked. */
function answering(...answers: readonly string[][]) {
  const asked: string[] = [];
  const resolve = async (hostname: string) => {
    asked.push(hostname);
    return answers[asked.length - 1] ?? [];
  };
  return { resolve, asked };
}

const JSON_TYPE = "application/json";
const local = { accept: JSON_TYPE, allowLoopback: true };
const because = (reason: string) => expect.objectContaining({ name: "OutboundError", reason });

describe("fetching from loopback, as a server on loopback may", () => {
  it("answers with status, headers and body", async () => {
    const { port } = await listen((request, response) => {
      response.setHeader("etag", '"1"');
      response.end(JSON.stringify({ path: request.url, accept: request.headers.accept }));
    });
    const { resolve } = answering(["127.0.0.1"]);
    const { status, headers, body } = await publicFetch(new URL(`http://localhost:${port}/client.json`), {
      ...local,
      resolve,
    });
    expect([status, headers.get("etag"), JSON.parse(body)]).toEqual([
      200,
      '"1"',
      { path: "/client.json", accept: JSON_TYPE },
    ]);
  });

  it("sends the etag, and answers 304 as it is (RFC 9110 §13.1.2)", async () => {
    const { port } = await listen((request, response) => {
      response.writeHead(request.headers["if-none-match"] === '"1"' ? 304 : 200).end();
    });
    const { status } = await publicFetch(new URL(`http://127.0.0.1:${port}/`), { ...local, etag: '"1"' });
    expect(status).toBe(304);
  });

  it("leaves it to the caller what a 404 means", async () => {
    const { port } = await listen((_, response) => response.writeHead(404).end("gone"));
    const { status, body } = await publicFetch(new URL(`http://127.0.0.1:${port}/`), local);
    expect([status, body]).toEqual([404, "gone"]);
  });

  it("is unreachable where nobody listens", async () => {
    const { port } = await listen(() => {});
    await new Promise((resolve) => servers.pop()?.close(resolve));
    await expect(publicFetch(new URL(`http://127.0.0.1:${port}/`), local)).rejects.toEqual(
      because("unreachable"),
    );
  });
});

describe("addresses (security 143)", () => {
  it.each([
    "127.0.0.1",
    "2130706433",
    "0x7f.1",
    "0177.0.0.1",
    "127.1",
    "0.0.0.0",
    "10.0.0.1",
    "169.254.169.254",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "localhost",
    "LOCALHOST",
    "client.localhost",
    "localhost.",
    "printer.local",
    "metadata.google.internal",
    "example.com.",
    "user:password@example.com",
  ])("refuses https://%s before it resolves or connects", async (host) => {
    const { port, seen } = await listen((_, response) => response.end("{}"));
    const { resolve, asked } = answering(["127.0.0.1"]);
    await expect(
      publicFetch(new URL(`https://${host}:${port}/`), { accept: JSON_TYPE, resolve }),
    ).rejects.toEqual(because("not_public"));
    expect([asked, seen.connections]).toEqual([[], 0]);
  });

  it("refuses http, even to a public host", async () => {
    const { resolve, asked } = answering(["93.184.216.34"]);
    for (const allowLoopback of [false, true]) {
      await expect(
        publicFetch(new URL("http://example.com/"), { accept: JSON_TYPE, allowLoopback, resolve }),
      ).rejects.toEqual(because("not_public"));
    }
    expect(asked).toEqual([]);
  });

  it.each([
    [["127.0.0.1"]],
    [["::1"]],
    [["93.184.216.34", "127.0.0.1"]],
    [["::ffff:127.0.0.1"]],
    [["10.0.0.1"]],
  ])("refuses a public name that resolves to %j, without a connection", async (addresses) => {
    const { port, seen } = await listen((_, response) => response.end("{}"));
    for (const allowLoopback of [false, true]) {
      const { resolve } = answering(addresses);
      await expect(
        publicFetch(new URL(`https://client.example:${port}/`), {
          accept: JSON_TYPE,
          allowLoopback,
          resolve,
        }),
      ).rejects.toEqual(because("not_public"));
    }
    expect(seen.connections).toBe(0);
  });

  it("refuses a loopback name that resolves to another machine", async () => {
    const { resolve } = answering(["127.0.0.1", "192.168.0.1"]);
    await expect(publicFetch(new URL("http://localhost/"), { ...local, resolve })).rejects.toEqual(
      because("not_public"),
    );
  });

  it("is unreachable if the name has no address", async () => {
    const { resolve } = answering([]);
    await expect(
      publicFetch(new URL("https://client.example/"), { accept: JSON_TYPE, resolve }),
    ).rejects.toEqual(because("unreachable"));
  });
});

describe("DNS rebinding (security 144)", () => {
  it("asks once, and connects to the address that it checked", async () => {
    const { port, seen } = await listen((_, response) => response.end("{}"));
    const { resolve, asked } = answering(["127.0.0.1"], ["10.0.0.1"]);
    // No resolver but ours knows this name: a second look-up would fail, or answer 10.0.0.1.
    const { status } = await publicFetch(new URL(`http://rebind.localhost:${port}/`), { ...local, resolve });
    expect([status, asked, seen.connections]).toEqual([200, ["rebind.localhost"], 1]);
  });
});

describe("redirects", () => {
  it.each([301, 302, 303, 307, 308])("refuses %i and does not follow it", async (status) => {
    const target = await listen((_, response) => response.end("{}"));
    const { port } = await listen((_, response) => {
      response.writeHead(status, { location: `http://127.0.0.1:${target.port}/` }).end();
    });
    await expect(publicFetch(new URL(`http://127.0.0.1:${port}/`), local)).rejects.toEqual(
      because("redirect"),
    );
    expect(target.seen.connections).toBe(0);
  });
});

describe("limits (security 146)", () => {
  it("reads 5120 bytes and not one more", async () => {
    const { port } = await listen((request, response) =>
      response.end("x".repeat(Number(request.url?.slice(1)))),
    );
    const { body } = await publicFetch(new URL(`http://127.0.0.1:${port}/5120`), local);
    expect(body.length).toBe(5120);
    await expect(publicFetch(new URL(`http://127.0.0.1:${port}/5121`), local)).rejects.toEqual(
      because("too_large"),
    );
  });

  it("counts a compressed body after decoding", async () => {
    const bomb = gzipSync(Buffer.alloc(10 * 1024 * 1024));
    const { port } = await listen((_, response) => response.setHeader("content-encoding", "gzip").end(bomb));
    await expect(publicFetch(new URL(`http://127.0.0.1:${port}/`), local)).rejects.toEqual(
      because("too_large"),
    );
  });

  it("stops a body that never ends", async () => {
    const { port } = await listen((_, response) => {
      const write = () => {
        while (response.write("x".repeat(1024)));
      };
      response.on("drain", write);
      write();
    });
    await expect(publicFetch(new URL(`http://127.0.0.1:${port}/`), local)).rejects.toEqual(
      because("too_large"),
    );
  });

  it("stops a body that drips", async () => {
    const { port } = await listen((_, response) => {
      const drip = setInterval(() => response.write("x"), 10);
      response.on("close", () => clearInterval(drip));
    });
    await expect(
      publicFetch(new URL(`http://127.0.0.1:${port}/`), { ...local, timeoutMs: 150 }),
    ).rejects.toEqual(because("timeout"));
  });

  it("stops a server that never answers", async () => {
    const { port, seen } = await listen(() => {});
    await expect(
      publicFetch(new URL(`http://127.0.0.1:${port}/`), { ...local, timeoutMs: 150 }),
    ).rejects.toEqual(because("timeout"));
    expect(seen.requests).toBe(1);
  });

  it("stops a resolver that never answers", async () => {
    const resolve = () => new Promise<string[]>(() => {});
    await expect(
      publicFetch(new URL("https://client.example/"), { accept: JSON_TYPE, resolve, timeoutMs: 20 }),
    ).rejects.toEqual(because("timeout"));
  });
});

describe("TLS", () => {
  it("names the host, not the address, and refuses a certificate that nobody vouches for", async () => {
    const names: string[] = [];
    const tls = createTlsServer({
      ...selfSigned("client.localhost"),
      SNICallback: (name, callback) => {
        names.push(name);
        callback(null);
      },
    });
    const { port, seen } = await listen((_, response) => response.end("{}"), tls);
    const { resolve } = answering(["127.0.0.1"]);
    await expect(
      publicFetch(new URL(`https://client.localhost:${port}/`), { ...local, resolve }),
    ).rejects.toEqual(because("unreachable"));
    expect([names, seen.connections, seen.requests]).toEqual([["client.localhost"], 1, 0]);
  });
});

function selfSigned(name: string): { key: Buffer; cert: Buffer } {
  const folder = mkdtempSync(join(tmpdir(), "authgent-tls-"));
  const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  const request = [
    "req",
    "-x509",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:prime256v1",
    "-nodes",
    "-days",
    "1",
  ];
  execFileSync("openssl", [...request, "-subj", `/CN=${name}`, "-keyout", key, "-out", cert], {
    stdio: "ignore",
  });
  const pair = { key: readFileSync(key), cert: readFileSync(cert) };
  rmSync(folder, { recursive: true });
  return pair;
}
