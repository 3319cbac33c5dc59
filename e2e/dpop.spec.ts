import { expect, test } from "@playwright/test";
import { generateProof } from "dpop";
import { exportJWK } from "jose";
import * as oauth from "oauth4webapi";
import { type App, startApp } from "./support/app";
import { ADMIN_ENV, allow } from "./support/person";
import { type RunningServer, startServer } from "./support/server";
import { expectAccessible, watch } from "./support/watch";

const insecure = { [oauth.allowInsecureRequests]: true };

let server: RunningServer;
let app: App;

test.beforeAll(async () => {
  const env = { ...ADMIN_ENV, AUTHGENT_REQUIRE_DPOP: "true", AUTHGENT_REQUIRE_PAR: "true" };
  server = await startServer({ env });
  app = await startApp("Notes");
});
test.afterAll(async () => {
  app.stop();
  await server.stop();
});

test("Ada allows an app that pushes its request and binds its token: nobody else can use it", async ({
  page,
  context,
}) => {
  const problems = watch(context, [new URL(server.url).host, app.host]);
  const { as, client, auth, DPoP, keys } = await connectingApp();

  // What it asks for is pushed; the link that Ada opens says nothing but whose request it is, and which.
  const verifier = oauth.generateRandomCodeVerifier();
  const params = {
    response_type: "code",
    redirect_uri: `http://${app.host}/callback`,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    resource: `${server.url}/mcp`,
    state: "state-of-the-app",
  };
  const push = async () => {
    const response = await oauth.pushedAuthorizationRequest(as, client, auth(), params, {
      DPoP,
      ...insecure,
    });
    return oauth.processPushedAuthorizationResponse(as, client, response);
  };
  const { request_uri } = await withNonce(push);
  const link = `${as.authorization_endpoint}?${new URLSearchParams({ client_id: client.client_id, request_uri })}`;
  await allow(page, link, app.name);
  const answer = oauth.validateAuthResponse(as, client, new URL(page.url()), "state-of-the-app");

  const redeemed = await oauth.authorizationCodeGrantRequest(
    as,
    client,
    auth(),
    answer,
    params.redirect_uri,
    verifier,
    { DPoP, ...insecure },
  );
  const tokens = await oauth.processAuthorizationCodeResponse(as, client, redeemed);
  expect(tokens.token_type).toBe("dpop");

  // The token with its proof is let in; the same proof again, or the token alone, is not.
  const mcp = `${server.url}/mcp`;
  const nonce = redeemed.headers.get("dpop-nonce") ?? "";
  const proof = await generateProof(keys, mcp, "POST", nonce, tokens.access_token);
  const call = (headers: Record<string, string>) =>
    fetch(mcp, {
      method: "POST",
      headers: {
        accept: "application/json, text/event-stream",
        "content-type": "application/json",
        ...headers,
      },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "whoami" } }),
    });
  const bound = { authorization: `DPoP ${tokens.access_token}`, dpop: proof };
  expect((await call(bound)).status).toBe(200);
  const replayed = await call(bound);
  expect([replayed.status, (await replayed.json()).error]).toEqual([401, "invalid_dpop_proof"]);
  const stolen = await call({ authorization: `Bearer ${tokens.access_token}` });
  expect([stolen.status, (await stolen.json()).error]).toEqual([401, "invalid_token"]);
  expect(problems()).toEqual([]);

  // A link serves once: whoever opens it again is told what to do.
  await page.goto(link);
  await expect(page.getByRole("heading", { level: 1 })).toHaveText("This link no longer works");
  await expect(page.getByRole("main")).toContainText("Go back to the app and start again there.");
  await expectAccessible(page);
});

/** An app with a key that it is known by, and one that its tokens are to be bound to. */
async function connectingApp() {
  const issuer = new URL(server.url);
  const discovered = await oauth.discoveryRequest(issuer, { algorithm: "oauth2", ...insecure });
  const as = await oauth.processDiscoveryResponse(issuer, discovered);
  const known = await oauth.generateKeyPair("ES256", { extractable: true });
  const keys = await oauth.generateKeyPair("ES256");
  const jwk = { ...(await exportJWK(known.publicKey)), kid: "k1", alg: "ES256", use: "sig" };
  const metadata = {
    client_name: app.name,
    redirect_uris: [`http://${app.host}/callback`],
    token_endpoint_auth_method: "private_key_jwt",
    jwks: { keys: [jwk] },
  };
  const registered = await oauth.dynamicClientRegistrationRequest(as, metadata, insecure);
  const client: oauth.Client = await oauth.processDynamicClientRegistrationResponse(registered);
  const auth = () => oauth.PrivateKeyJwt({ key: known.privateKey, kid: "k1" });
  return { as, client, auth, keys, DPoP: oauth.DPoP(client, keys) };
}

/** The first proof hears of a nonce, the second one has it. */
async function withNonce<T>(request: () => Promise<T>): Promise<T> {
  const refusal = await request().catch((error: unknown) => error);
  expect(oauth.isDPoPNonceError(refusal)).toBe(true);
  return request();
}
