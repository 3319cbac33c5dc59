import { createServer } from "node:http";
import { buffer } from "node:stream/consumers";
import { isAuthentic } from "./verify.mjs";

const { PORT: port = "8300", SECRET: secret = "" } = process.env;
if (!secret) throw new Error("Set SECRET to the value of AUTHGENT_WEBHOOK_HMAC_SECRET.");

/** What was taken before: a message may come twice, with the same id. */
const taken = new Set();

async function receive(request, response) {
  const body = await buffer(request);
  const headers = new Headers(request.headers);
  if (!isAuthentic(secret, headers, body)) return response.writeHead(401).end();
  const id = headers.get("webhook-id");
  const { event, title, url } = JSON.parse(body);
  if (!taken.has(id)) console.log(`${event}: ${title}\n  ${url}`);
  taken.add(id);
  return response.writeHead(204).end();
}

createServer((request, response) =>
  receive(request, response).catch(() => response.writeHead(400).end()),
).listen(Number(port), "127.0.0.1", () => console.log(`Webhooks are taken at http://localhost:${port}/`));
