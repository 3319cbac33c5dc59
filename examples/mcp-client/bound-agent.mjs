// An agent whose token is bound to a key (DPoP): node examples/mcp-client/bound-agent.mjs [MCP server]
// It registers, asks for a token, calls a tool, and shows that the token alone is worth nothing.
import { generateKeyPair, generateProof } from "dpop";

const { SERVER: server = "http://localhost:8000" } = process.env;
const [mcp = `${server}/mcp`] = process.argv.slice(2);

// The private key cannot leave this process: whoever sees the token go by has nothing to sign with.
const keys = await generateKeyPair("ES256");

/** A post with a new proof, and once more with the nonce that the server asks for. */
async function post(url, { headers, body }, token) {
  const send = async (nonce) => {
    const dpop = await generateProof(keys, url, "POST", nonce, token);
    return fetch(url, { method: "POST", headers: { ...headers, dpop }, body });
  };
  const answer = await send();
  if (answer.ok || (await answer.clone().json()).error !== "use_dpop_nonce") return answer;
  return send(answer.headers.get("dpop-nonce"));
}

const agent = await register();
const fields = { grant_type: "client_credentials", resource: mcp, ...agent };
const issued = await (await post(`${server}/token`, { body: new URLSearchParams(fields) })).json();
if (!issued.access_token) throw new Error(issued.error_description);
const [, payload] = issued.access_token.split(".");
console.log(issued.token_type, JSON.parse(Buffer.from(payload, "base64url")).cnf);

const call = (scheme) => ({
  headers: {
    "content-type": "application/json",
    accept: "application/json, text/event-stream",
    authorization: `${scheme} ${issued.access_token}`,
  },
  body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "whoami" } }),
});
const held = await post(mcp, call("DPoP"), issued.access_token);
console.log("with a proof:", held.status);
const stolen = await fetch(mcp, { method: "POST", ...call("Bearer") });
console.log("without one:", stolen.status, (await stolen.json()).error_description);

/** In local mode anybody on this machine may register an agent. */
async function register() {
  const response = await fetch(`${server}/agents`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ name: "Bound agent", allowed_scopes: ["mcp:tools", "notes:read"] }),
  });
  const { client_id, client_secret, detail } = await response.json();
  if (!client_id) throw new Error(detail);
  return { client_id, client_secret };
}
