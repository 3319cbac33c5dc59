import { createServer } from "node:http";
import { json } from "node:stream/consumers";

const { PORT: port = "8200", SECRET: secret } = process.env;

/** Nobody deletes anything through an agent, and two agents in a row are enough for a person. */
function decide({ subject, actors, scope }) {
  if (actors.length > 0 && scope.includes("delete")) return "Agents may not delete. Do it yourself.";
  if (subject.startsWith("user:") && actors.length > 2) return "A person is acted for by two agents at most.";
  return undefined;
}

async function answer(request, response) {
  if (secret && request.headers.authorization !== `Bearer ${secret}`) return response.writeHead(401).end();
  const reason = decide(await json(request));
  const decision = { effect: reason ? "deny" : "allow", reason, version: "2026-11-22" };
  return response.setHeader("content-type", "application/json").end(JSON.stringify(decision));
}

createServer((request, response) =>
  answer(request, response).catch(() => response.writeHead(400).end()),
).listen(Number(port), "127.0.0.1", () => console.log(`The policy is at http://localhost:${port}/`));
