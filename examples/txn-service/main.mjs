import { createServer } from "node:http";
import { shop, stock } from "./services.mjs";
import { txnTokenClient, txnTokenVerifier } from "./txn-token.mjs";

const {
  ISSUER: issuer = "http://localhost:8000",
  TRUST_DOMAIN: trustDomain = "shop.example",
  PORT: port = "8300",
  STOCK_PORT: stockPort = "8301",
  CLIENT_ID,
  CLIENT_SECRET,
} = process.env;

/** Without an agent of its own the shop registers one, which a server in local mode lets anybody on this machine do. */
async function register() {
  const answer = await fetch(`${issuer}/agents`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ name: "Shop", allowed_scopes: ["stock:reserve"] }),
  });
  const agent = await answer.json();
  if (answer.status === 201) return { clientId: agent.client_id, clientSecret: agent.client_secret };
  throw new Error(`${issuer}/agents answers ${answer.status}: set CLIENT_ID and CLIENT_SECRET.`);
}

/** A small HTTP server around a function that answers. */
const serve = (handle, at) =>
  createServer(async (request, response) => {
    const { status, body } = await handle(request, new URL(request.url, "http://localhost")).catch(
      (error) => {
        console.error(error.message);
        return { status: 502, body: { error: "The shop could not ask on." } };
      },
    );
    response.writeHead(status, { "content-type": "application/json" }).end(`${JSON.stringify(body)}\n`);
  }).listen(Number(at), "127.0.0.1");

const credentials = CLIENT_ID ? { clientId: CLIENT_ID, clientSecret: CLIENT_SECRET ?? "" } : await register();
const client = txnTokenClient({ issuer, trustDomain, ...credentials });

serve(stock({ verify: txnTokenVerifier({ issuer, trustDomain }) }), stockPort);
serve(shop({ client, stock: `http://localhost:${stockPort}` }), port);
console.log(
  `The shop is at http://localhost:${port}/, the stock behind it at http://localhost:${stockPort}/`,
);
