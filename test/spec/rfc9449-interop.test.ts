import * as dpop from "dpop";
import { exportJWK } from "jose";
import * as oauth from "oauth4webapi";
import * as openid from "openid-client";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { GRANT_TYPES, TOKEN_TYPES } from "@/lib/oauth/token-types";
import { connect } from "@/test/support/client";
import { listening } from "@/test/support/listening";
import { claimsOf } from "@/test/support/signer";

/** The library refuses plain http unless told that it is a test. */
const insecure = { [oauth.allowInsecureRequests]: true };
const REDIRECT_URI = "http://127.0.0.1:7777/callback";
const API = "https://api.example";
const GRANTS = ["authorization_code", "refresh_token", "client_credentials", GRANT_TYPES.tokenExchange];
const initialize = JSON.stringify({
  jsonrpc: "2.0",
  id: 1,
  method: "initialize",
  params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "t", version: "1" } },
});
const MCP_HEADERS = { "content-type": "application/json", accept: "application/json, text/event-stream" };

let server: Awaited<ReturnType<typeof listening>>;
let as: oauth.AuthorizationServer;
/** Keys that a client signs its assertions with, and keys that its tokens are bound to. */
let assertionKeys: oauth.CryptoKeyPair;
let tokenKeys: oauth.CryptoKeyPair;

beforeAll(async () => {
  server = await listening();
  const { ctx } = server.t;
  ctx.settings = { ...ctx.settings, dpopNonce: "required" };
  const issuer = new URL(server.url);
  const response = await oauth.discoveryRequest(issuer, { algorithm: "oauth2", ...insecure });
  as = await oauth.processDiscoveryResponse(issuer, response);
  assertionKeys = await oauth.generateKeyPair("ES256", { extractable: true });
  tokenKeys = await oauth.generateKeyPair("ES256", { extractable: true });
});
// The libraries have a clock of their own.
beforeEach(() => server.t.advance((Date.now() - server.t.ctx.now().getTime()) / 1000));
afterAll(() => server.close());

/** A client that registered its public key and that its tokens are to be bound. */
async function registered(metadata: Record<string, unknown> = {}): Promise<oauth.Client> {
  const jwk = { ...(await exportJWK(assertionKeys.publicKey)), kid: "k1", use: "sig", alg: "ES256" };
  const request = {
    redirect_uris: [REDIRECT_URI],
    grant_types: GRANTS,
    scope: "mcp:tools",
    token_endpoint_auth_method: "private_key_jwt",
    jwks: { keys: [jwk] },
    dpop_bound_access_tokens: true,
    require_pushed_authorization_requests: true,
    ...metadata,
  } as Partial<oauth.OmitSymbolProperties<oauth.Client>>;
  const response = await oauth.dynamicClientRegistrationRequest(as, request, insecure);
  const client = await oauth.processDynamicClientRegistrationResponse(response);
  expect([client.dpop_bound_access_tokens, client.require_pushed_authorization_requests]).toEqual([
    true,
    true,
  ]);
  return client;
}

const byKey = () => oauth.PrivateKeyJwt({ key: assertionKeys.privateKey, kid: "k1" });

/** The person's part: opens the address the library made, signs in, allows. */
async function answeredBy(url: URL): Promise<URL> {
  return connect(server.t).answerTo(Object.fromEntries(url.searchParams));
}

/** As the library's own documentation has it: a nonce that is asked for is sent with one repetition. */
async function retried<T>(request: () => Promise<T>): Promise<[T, repeated: boolean]> {
  try {
    return [await request(), false];
  } catch (error) {
    if (!oauth.isDPoPNonceError(error)) throw error;
    return [await request(), true];
  }
}

describe("oauth4webapi, over real HTTP, where a nonce is required", () => {
  let client: oauth.Client;
  let DPoP: oauth.DPoPHandle;
  let jkt: string;
  beforeEach(async () => {
    client = await registered();
    DPoP = oauth.DPoP(client, tokenKeys);
    jkt = await DPoP.calculateThumbprint();
  });
  const options = () => ({ DPoP, ...insecure });

  /** RFC 9126 §2: pushes, lets the person answer, and redeems. */
  async function connected() {
    const verifier = oauth.generateRandomCodeVerifier();
    const state = oauth.generateRandomState();
    const params = new URLSearchParams({
      response_type: "code",
      redirect_uri: REDIRECT_URI,
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: "S256",
      resource: `${server.url}/mcp`,
      scope: "mcp:tools",
      state,
    });
    const [pushed, askedForNonce] = await retried(async () => {
      const response = await oauth.pushedAuthorizationRequest(as, client, byKey(), params, options());
      return oauth.processPushedAuthorizationResponse(as, client, response);
    });
    const url = new URL(as.authorization_endpoint ?? "");
    url.searchParams.set("client_id", client.client_id);
    url.searchParams.set("request_uri", pushed.request_uri);
    const answer = oauth.validateAuthResponse(as, client, await answeredBy(url), state);
    const [tokens, askedAgain] = await retried(async () => {
      const response = await oauth.authorizationCodeGrantRequest(
        as,
        client,
        byKey(),
        answer,
        REDIRECT_URI,
        verifier,
        options(),
      );
      return oauth.processAuthorizationCodeResponse(as, client, response);
    });
    return { tokens, repetitions: [askedForNonce, askedAgain] };
  }

  const callMcp = (accessToken: string, by = DPoP) =>
    oauth.protectedResourceRequest(
      accessToken,
      "POST",
      new URL(`${server.url}/mcp`),
      new Headers(MCP_HEADERS),
      initialize,
      { DPoP: by, ...insecure },
    );

  it("RFC 9126, RFC 7523, RFC 9449: a code by a pushed request, private_key_jwt and a bound token", async () => {
    const { tokens, repetitions } = await connected();
    // The nonce of the first answer serves all that follow.
    expect(repetitions).toEqual([true, false]);
    expect([tokens.token_type, tokens.scope]).toEqual(["dpop", "mcp:tools"]);
    expect(claimsOf(tokens.access_token).cnf).toEqual({ jkt });
  });

  it("RFC 9449 §7: calls the MCP endpoint, and RFC 9068 §4: validates what it calls with", async () => {
    const { tokens } = await connected();
    expect((await callMcp(tokens.access_token)).status).toBe(200);
    const proof = await dpop.generateProof(
      tokenKeys,
      `${server.url}/mcp`,
      "GET",
      undefined,
      tokens.access_token,
    );
    const request = new Request(`${server.url}/mcp`, {
      headers: { authorization: `DPoP ${tokens.access_token}`, dpop: proof },
    });
    const validation = { requireDPoP: true, ...insecure };
    const claims = await oauth.validateJwtAccessToken(as, request, `${server.url}/mcp`, validation);
    expect(claims.cnf).toEqual({ jkt });
  });

  it("RFC 9449 §7.2: a bound token as a bearer token is a challenge that the library reads", async () => {
    const { tokens } = await connected();
    const bare = oauth.protectedResourceRequest(
      tokens.access_token,
      "POST",
      new URL(`${server.url}/mcp`),
      new Headers(MCP_HEADERS),
      initialize,
      insecure,
    );
    await expect(bare).rejects.toMatchObject({
      name: "WWWAuthenticateChallengeError",
      status: 401,
      cause: [{ scheme: "dpop", parameters: { error: "invalid_token" } }],
    });
  });

  it("RFC 9449 §5: refreshes", async () => {
    const { tokens } = await connected();
    const response = await oauth.refreshTokenGrantRequest(
      as,
      client,
      byKey(),
      tokens.refresh_token ?? "",
      options(),
    );
    const fresh = await oauth.processRefreshTokenResponse(as, client, response);
    expect([fresh.token_type, claimsOf(fresh.access_token).cnf]).toEqual(["dpop", { jkt }]);
    expect((await callMcp(fresh.access_token)).status).toBe(200);
  });

  const ownToken = async () => {
    const [tokens] = await retried(async () => {
      const response = await oauth.clientCredentialsGrantRequest(as, client, byKey(), {}, options());
      return oauth.processClientCredentialsResponse(as, client, response);
    });
    return tokens;
  };

  it("RFC 6749 §4.4: acts for itself, and RFC 8693: exchanges", async () => {
    const own = await ownToken();
    expect([own.token_type, claimsOf(own.access_token).cnf]).toEqual(["dpop", { jkt }]);
    const parameters = {
      subject_token: own.access_token,
      subject_token_type: TOKEN_TYPES.accessToken,
      audience: API,
    };
    const response = await oauth.genericTokenEndpointRequest(
      as,
      client,
      byKey(),
      GRANT_TYPES.tokenExchange,
      parameters,
      options(),
    );
    const exchanged = await oauth.processGenericTokenEndpointResponse(as, client, response);
    expect([exchanged.token_type, claimsOf(exchanged.access_token)]).toEqual([
      "dpop",
      expect.objectContaining({ aud: API, cnf: { jkt } }),
    ]);
  });

  it("RFC 9449 §5.2: without a proof the registered client gets nothing, and reads why", async () => {
    const response = await oauth.clientCredentialsGrantRequest(as, client, byKey(), {}, insecure);
    await expect(oauth.processClientCredentialsResponse(as, client, response)).rejects.toMatchObject({
      name: "ResponseBodyError",
      error: "invalid_dpop_proof",
      status: 400,
    });
  });

  it.each(["ES384", "RS256", "PS256", "Ed25519"])("RFC 9449 §5.1: with a key for %s", async (alg) => {
    const keys = alg === "ES384" ? await p384() : await oauth.generateKeyPair(alg);
    DPoP = oauth.DPoP(client, keys);
    const tokens = await ownToken();
    expect(claimsOf(tokens.access_token).cnf).toEqual({ jkt: await DPoP.calculateThumbprint() });
  });

  const p384 = () =>
    crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-384" }, false, ["sign", "verify"]);
});

describe("openid-client, over real HTTP, where a nonce is required", () => {
  it("RFC 9126, RFC 9449: a pushed request, a bound code flow, a refresh and a call", async () => {
    const { client_id } = await registered();
    const config = await openid.discovery(
      new URL(server.url),
      client_id,
      undefined,
      openid.PrivateKeyJwt({ key: assertionKeys.privateKey, kid: "k1" }),
      { algorithm: "oauth2", execute: [openid.allowInsecureRequests] },
    );
    const DPoP = openid.getDPoPHandle(config, await openid.randomDPoPKeyPair());
    const jkt = await DPoP.calculateThumbprint();
    const pkceCodeVerifier = openid.randomPKCECodeVerifier();
    const expectedState = openid.randomState();
    const parameters = {
      redirect_uri: REDIRECT_URI,
      scope: "mcp:tools",
      resource: `${server.url}/mcp`,
      code_challenge: await openid.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: "S256",
      state: expectedState,
    };
    const url = await openid.buildAuthorizationUrlWithPAR(config, parameters, { DPoP });
    expect([...url.searchParams.keys()].sort()).toEqual(["client_id", "request_uri"]);
    const checks = { pkceCodeVerifier, expectedState };
    const tokens = await openid.authorizationCodeGrant(config, await answeredBy(url), checks, undefined, {
      DPoP,
    });
    expect([tokens.token_type, claimsOf(tokens.access_token).cnf]).toEqual(["dpop", { jkt }]);
    const fresh = await openid.refreshTokenGrant(config, tokens.refresh_token ?? "", undefined, { DPoP });
    expect(claimsOf(fresh.access_token).cnf).toEqual({ jkt });
    const response = await openid.fetchProtectedResource(
      config,
      fresh.access_token,
      new URL(`${server.url}/mcp`),
      "POST",
      initialize,
      new Headers(MCP_HEADERS),
      { DPoP },
    );
    expect(response.status).toBe(200);
  });
});

describe("dpop, with nothing but fetch", () => {
  it("RFC 9449 §5, §7, §8: asks for a token, hears of the nonce, asks again, and calls", async () => {
    const c = connect(server.t);
    const app = await c.registerConfidential({ grant_types: ["client_credentials"], scope: "mcp:tools" });
    const keys = await dpop.generateKeyPair("ES256");
    const post = async (url: string, body: BodyInit, headers: Record<string, string>, token?: string) => {
      const send = async (nonce?: string) => {
        const proof = await dpop.generateProof(keys, url, "POST", nonce, token);
        return fetch(url, { method: "POST", body, headers: { ...headers, dpop: proof } });
      };
      const first = await send();
      const nonce = first.headers.get("dpop-nonce") ?? "";
      const { error } = await first.json();
      expect(error).toBe("use_dpop_nonce");
      return send(nonce);
    };
    const authorization = `Basic ${btoa(`${app.clientId}:${app.secret}`)}`;
    const form = new URLSearchParams({ grant_type: "client_credentials", resource: `${server.url}/mcp` });
    const answer = await post(`${server.url}/token`, form, { authorization });
    const { token_type, access_token } = await answer.json();
    expect([token_type, claimsOf(access_token).cnf]).toEqual([
      "DPoP",
      { jkt: await dpop.calculateThumbprint(keys.publicKey) },
    ]);
    const headers = { ...MCP_HEADERS, authorization: `DPoP ${access_token}` };
    const called = await post(`${server.url}/mcp`, initialize, headers, access_token);
    expect(called.status).toBe(200);
  });
});
