import { randomBytes } from "node:crypto";

/** Registers this app with an Authgent, and prints the environment that it runs with. */
const { ISSUER = "http://localhost:8000", APP_URL = "http://localhost:3000" } = process.env;

const response = await fetch(`${ISSUER}/register`, {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify({
    client_name: "Minutes",
    redirect_uris: [`${APP_URL}/api/auth/callback/authgent`],
    token_endpoint_auth_method: "client_secret_basic",
    scope: "openid profile email",
  }),
}).catch(() =>
  stop(`Nothing answers at ${ISSUER}. Start Authgent with npm start, or set ISSUER to its address.`),
);
const client = await response.json();
if (response.status !== 201) stop(`${ISSUER} did not register this app: ${client.error_description}`);

console.log(`AUTH_AUTHGENT_ISSUER=${ISSUER}
AUTH_AUTHGENT_ID=${client.client_id}
AUTH_AUTHGENT_SECRET=${client.client_secret}
AUTH_URL=${APP_URL}
AUTH_SECRET=${randomBytes(32).toString("base64url")}`);

function stop(sentence) {
  console.error(sentence);
  process.exit(1);
}
