import { createServer } from "node:http";
import { Readable } from "node:stream";
import { notesServer } from "./notes.mjs";
import { protect } from "./protect.mjs";
import { liveVerifier } from "./verify-live.mjs";
import { offlineVerifier } from "./verify-offline.mjs";

const {
  ISSUER: issuer = "http://localhost:8000",
  PORT: port = "8100",
  RESOURCE: resource = `http://localhost:${port}/mcp`,
  MODE: mode = "live",
  INTROSPECTION_CLIENT_ID: clientId,
  INTROSPECTION_CLIENT_SECRET: clientSecret,
} = process.env;

const verifiers = { live: liveVerifier, offline: offlineVerifier };
if (!Object.hasOwn(verifiers, mode)) {
  console.error(`MODE is ${mode}; it is live or offline.`);
  process.exit(1);
}

const answer = protect({
  issuer,
  resource,
  name: "Notes",
  scopes: ["notes:read", "notes:write"],
  firstScopes: ["notes:read"],
  verifier: verifiers[mode]({ issuer, resource, clientId, clientSecret }),
  server: notesServer,
});

const server = createServer(async (incoming, outgoing) => {
  try {
    const response = await answer(toRequest(incoming));
    outgoing.writeHead(response.status, Object.fromEntries(response.headers));
    if (response.body) Readable.fromWeb(response.body).pipe(outgoing);
    else outgoing.end();
  } catch (error) {
    console.error(error);
    outgoing.writeHead(500).end();
  }
});
server.on("error", (error) => {
  const taken = error.code === "EADDRINUSE";
  console.error(taken ? `Port ${port} is taken. Choose another one: PORT=8101` : error.message);
  process.exit(1);
});
server.listen(Number(port), "127.0.0.1", () => {
  console.log(`Notes is at ${resource}, protected by ${issuer} (${mode}).`);
});

/** The web request of a Node one; its origin is the configured one, never what the Host header claims. */
function toRequest(incoming) {
  const { method, headers } = incoming;
  const hasBody = method !== "GET" && method !== "HEAD" && method !== "OPTIONS";
  const body = hasBody ? { body: Readable.toWeb(incoming), duplex: "half" } : {};
  const pairs = Object.entries(headers).flatMap(([name, value]) => [value].flat().map((one) => [name, one]));
  return new Request(new URL(resource).origin + incoming.url, { method, headers: pairs, ...body });
}
