import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";

/** A body beyond this is not read; handlers refuse smaller ones with a sentence. */
const MAX_BYTES = 1024 * 1024;

/** Thrown when a request's body is larger than anything this server takes. */
export class BodyTooLargeError extends Error {
  override readonly name = "BodyTooLargeError";
}

/** A Node request as the web request our handlers take; `origin` is the server's own, never the Host header's. */
export async function toWebRequest(incoming: IncomingMessage, origin: string): Promise<Request> {
  const headers = new Headers();
  for (let index = 0; index < incoming.rawHeaders.length; index += 2) {
    headers.append(incoming.rawHeaders[index] ?? "", incoming.rawHeaders[index + 1] ?? "");
  }
  const method = incoming.method ?? "GET";
  const hasBody = method !== "GET" && method !== "HEAD" && method !== "OPTIONS";
  const body = hasBody ? await readBody(incoming) : undefined;
  return new Request(origin + incoming.url, { method, headers, ...(body ? { body } : {}) });
}

async function readBody(incoming: IncomingMessage): Promise<Buffer<ArrayBuffer>> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of incoming) {
    size += chunk.length;
    if (size > MAX_BYTES) throw new BodyTooLargeError();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Writes a web response to a Node one; bodies that stream (server-sent events) are passed on as they come. */
export async function sendWebResponse(response: Response, outgoing: ServerResponse): Promise<void> {
  const headers: Record<string, string | string[]> = {};
  for (const [name, value] of response.headers) headers[name] = value;
  const cookies = response.headers.getSetCookie();
  if (cookies.length > 0) headers["set-cookie"] = cookies;
  const isStream = response.headers.get("content-type")?.startsWith("text/event-stream");
  if (isStream && response.body) {
    outgoing.writeHead(response.status, headers);
    const body = Readable.fromWeb(response.body as import("node:stream/web").ReadableStream);
    outgoing.on("close", () => body.destroy());
    body.pipe(outgoing);
    return;
  }
  const body = Buffer.from(await response.arrayBuffer());
  if (response.status !== 204) headers["content-length"] = String(body.length);
  outgoing.writeHead(response.status, headers);
  outgoing.end(body);
}
