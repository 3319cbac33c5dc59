import * as oauth from "oauth4webapi";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { approvalOf, connect, newBrowser } from "@/test/support/client";
import { listening } from "@/test/support/listening";

/** The library refuses plain http unless told that it is a test. */
const insecure = { [oauth.allowInsecureRequests]: true };
const REDIRECT_URI = "http://127.0.0.1:7777/callback";

let server: Awaited<ReturnType<typeof listening>>;
let as: oauth.AuthorizationServer;

beforeAll(async () => {
  server = await listening();
  const issuer = new URL(server.url);
  const response = await oauth.discoveryRequest(issuer, { algorithm: "oauth2", ...insecure });
  as = await oauth.processDiscoveryResponse(issuer, response);
});

afterAll(() => server.close());

/** A client that registered itself, and how it proves itself. */
async function registered(metadata: Partial<oauth.OmitSymbolProperties<oauth.Client>>) {
  const response = await oauth.dynamicClientRegistrationRequest(as, metadata, insecure);
  const client = await oauth.processDynamicClientRegistrationResponse(response);
  const secret = client.client_secret;
  return { client, auth: typeof secret === "string" ? oauth.ClientSecretBasic(secret) : oauth.None() };
}

/** The person's part: opens the address the library made, signs in, allows. */
async function answeredBy(url: URL): Promise<URL> {
  const c = connect(server.t);
  const from = { person: await c.signIn(), browser: newBrowser() };
  const asked = await c.call(`${url.pathname}${url.search}`, { headers: c.cookies(from) });
  const answered = await c.consent(approvalOf(asked) ?? "", from);
  return new URL(answered.headers.get("location") ?? "");
}

/** The code flow as the library drives it. */
async function connected(metadata: Partial<oauth.OmitSymbolProperties<oauth.Client>>) {
  const { client, auth } = await registered({ redirect_uris: [REDIRECT_URI], ...metadata });
  const verifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();
  const url = new URL(as.authorization_endpoint ?? "");
  url.search = new URLSearchParams({
    response_type: "code",
    client_id: client.client_id,
    redirect_uri: REDIRECT_URI,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    resource: `${server.url}/mcp`,
    scope: "mcp:tools",
    state,
  }).toString();
  const params = oauth.validateAuthResponse(as, client, await answeredBy(url), state);
  const response = await oauth.authorizationCodeGrantRequest(
    as,
    client,
    auth,
    params,
    REDIRECT_URI,
    verifier,
    insecure,
  );
  return { client, auth, tokens: await oauth.processAuthorizationCodeResponse(as, client, response) };
}

/** What a resource server makes of a token, by the published keys alone. */
const validated = (token: string, audience: string) =>
  oauth.validateJwtAccessToken(
    as,
    new Request(audience, { headers: { authorization: `Bearer ${token}` } }),
    audience,
    insecure,
  );

describe("interoperability with a strict client (oauth4webapi), over real HTTP", () => {
  it("RFC 8414 §3.3: both discovery documents name the issuer they were asked at", async () => {
    for (const algorithm of ["oauth2", "oidc"] as const) {
      const response = await oauth.discoveryRequest(new URL(server.url), { algorithm, ...insecure });
      const found = await oauth.processDiscoveryResponse(new URL(server.url), response);
      expect(found.issuer).toBe(server.url);
    }
  });

  it("RFC 9728 §3.3: the MCP endpoint's metadata names the endpoint", async () => {
    const resource = new URL(`${server.url}/mcp`);
    const response = await oauth.resourceDiscoveryRequest(resource, insecure);
    const found = await oauth.processResourceDiscoveryResponse(resource, response);
    expect(found.authorization_servers).toEqual([server.url]);
  });

  it.each(["none", "client_secret_basic", "client_secret_post"])(
    "RFC 6749 §4.1: a client with %s registers, gets a code and redeems it",
    async (token_endpoint_auth_method) => {
      const { client, tokens } = await connected({ token_endpoint_auth_method });
      expect([tokens.token_type, tokens.expires_in, tokens.scope]).toEqual(["bearer", 3600, "mcp:tools"]);
      const claims = await validated(tokens.access_token, `${server.url}/mcp`);
      expect([claims.iss, claims.client_id]).toEqual([server.url, client.client_id]);
    },
  );

  it("RFC 9068 §4: a token for one resource is none for another", async () => {
    const { tokens } = await connected({ token_endpoint_auth_method: "none" });
    await expect(validated(tokens.access_token, server.url)).rejects.toThrow(
      'unexpected JWT "aud" (audience) claim value',
    );
  });

  it("RFC 6749 §6: a refresh token is exchanged for a new pair", async () => {
    const { client, auth, tokens } = await connected({ token_endpoint_auth_method: "none" });
    const old = tokens.refresh_token ?? "";
    const response = await oauth.refreshTokenGrantRequest(as, client, auth, old, insecure);
    const fresh = await oauth.processRefreshTokenResponse(as, client, response);
    expect(fresh.refresh_token).not.toBe(old);
    expect((await validated(fresh.access_token, `${server.url}/mcp`)).scope).toBe("mcp:tools");
  });

  it("RFC 7662, RFC 7009: what was revoked is inactive", async () => {
    const { client, auth, tokens } = await connected({});
    const introspect = async () => {
      const response = await oauth.introspectionRequest(as, client, auth, tokens.access_token, insecure);
      return oauth.processIntrospectionResponse(as, client, response);
    };
    expect((await introspect()).active).toBe(true);
    const refreshToken = tokens.refresh_token ?? "";
    const revoked = await oauth.revocationRequest(as, client, auth, refreshToken, insecure);
    expect(await oauth.processRevocationResponse(revoked)).toBe(undefined);
    expect(await introspect()).toEqual({ active: false });
  });

  it("RFC 6749 §4.4: client credentials", async () => {
    const { client, auth } = await registered({ grant_types: ["client_credentials"], scope: "jobs:run" });
    const request = await oauth.clientCredentialsGrantRequest(
      as,
      client,
      auth,
      { scope: "jobs:run" },
      insecure,
    );
    const tokens = await oauth.processClientCredentialsResponse(as, client, request);
    expect(tokens.scope).toBe("jobs:run");
    expect((await validated(tokens.access_token, server.url)).sub).toBe(`client:${client.client_id}`);
  });

  it("RFC 6749 §5.2: a refusal is read as one", async () => {
    const { client } = await registered({ redirect_uris: [REDIRECT_URI] });
    const wrong = oauth.ClientSecretBasic("wrong");
    const response = await oauth.refreshTokenGrantRequest(as, client, wrong, "rt_x", insecure);
    await expect(oauth.processRefreshTokenResponse(as, client, response)).rejects.toMatchObject({
      name: "WWWAuthenticateChallengeError",
      status: 401,
    });
  });
});
