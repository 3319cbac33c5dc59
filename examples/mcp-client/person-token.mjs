import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { parseArgs } from "node:util";

/**
 * A token for a person, to try things with by hand: registers an app that keeps no secret, or is the one of `--client
 * ID:SECRET`, sends the person to a browser, and prints nothing but the token to stdout (RFC 8252). It is the access
 * token, or with `--id-token` the ID token.
 */
const text = { type: "string" };
const {
  server: origin = "http://localhost:8000",
  client: known,
  "id-token": wantsIdToken,
  ...asked
} = parseArgs({
  options: {
    ...{ server: text, scope: text, resource: text, authorization_details: text, client: text },
    "id-token": { type: "boolean" },
  },
}).values;

function stop(sentence) {
  console.error(sentence);
  process.exit(1);
}

/** The members of an answer; ends with the error that it is instead. */
async function ask(url, init) {
  const answer = await fetch(url, init).catch(() =>
    stop(`Nothing answers at ${url}. Start the server, or name it with --server.`),
  );
  const body = await answer.json();
  if (answer.ok) return body;
  return stop(`${url} answers ${answer.status}: ${body.error_description ?? body.error}`);
}

const server = await ask(new URL("/.well-known/oauth-authorization-server", origin));
const listener = createServer();
listener.listen(0, "127.0.0.1");
await once(listener, "listening");
const redirectUri = `http://127.0.0.1:${listener.address().port}/callback`;

const register = async () =>
  ask(server.registration_endpoint, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      client_name: "Terminal",
      redirect_uris: [redirectUri],
      grant_types: ["authorization_code"],
      token_endpoint_auth_method: "none",
      scope: asked.scope,
    }),
  });
const [client_id, secret] = known?.split(":") ?? [(await register()).client_id];

const client = { client_id, redirect_uri: redirectUri };
const [state, verifier] = [randomBytes(32), randomBytes(32)].map((bytes) => bytes.toString("base64url"));
const question = new URL(server.authorization_endpoint);
question.search = new URLSearchParams({
  ...client,
  ...asked,
  response_type: "code",
  state,
  code_challenge: createHash("sha256").update(verifier).digest("base64url"),
  code_challenge_method: "S256",
});
console.error(
  `Sign in with the link in the server's terminal first, in the same browser, then open:\n${question}`,
);

const answer = await new Promise((resolve) => {
  listener.on("request", ({ url }, response) => {
    const { pathname, searchParams } = new URL(url, redirectUri);
    // Not our question: somebody else sent this browser here (RFC 6749 §10.12).
    const isOurs = pathname === "/callback" && searchParams.get("state") === state;
    response.writeHead(isOurs ? 200 : 404, { "content-type": "text/plain", connection: "close" });
    response.end(isOurs ? "The terminal has your answer. Go back to it.\n" : "Nobody asked for this.\n");
    if (isOurs) resolve(searchParams);
  });
});
listener.close();
// Checked before anything else is believed (RFC 9207 §2.4).
if (answer.get("iss") !== server.issuer) stop("The answer comes from another server.");
if (!answer.has("code")) stop(answer.get("error_description") ?? answer.get("error"));

const tokens = await ask(server.token_endpoint, {
  method: "POST",
  headers: secret ? { authorization: `Basic ${btoa(`${client_id}:${secret}`)}` } : {},
  body: new URLSearchParams({
    ...client,
    grant_type: "authorization_code",
    code: answer.get("code"),
    code_verifier: verifier,
  }),
});
const token = wantsIdToken ? tokens.id_token : tokens.access_token;
if (!token) stop("There is no ID token. Ask with --scope openid, and let the app know who you are.");
console.log(token);
