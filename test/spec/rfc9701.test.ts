import { createLocalJWKSet, decodeProtectedHeader, jwtVerify } from "jose";
import * as oauth from "oauth4webapi";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type App, basic, connect, refusalOf } from "@/test/support/client";
import { listening } from "@/test/support/listening";
import { type PublicServer, publicServer } from "@/test/support/public-server";
import { claimsOf } from "@/test/support/signer";

const ISSUER = "https://auth.example.com";
const JWT = { accept: "application/token-introspection+jwt" };

let s: PublicServer;
/** What runs the resource, and may introspect tokens for it. */
let api: App;
let resource: string;
let token: string;

beforeAll(async () => {
  s = await publicServer();
  api = await s.createService();
  resource = await s.createResource(["read"], { introspection_clients: [api.clientId] });
  token = (await s.c.tokensFor(await s.createApp(), { resource })).access_token;
});

/** The claims of an answer, by the published keys and for the one who asked. */
async function claimsFor(response: Response, audience: string) {
  const jwt = await response.text();
  const jwks = createLocalJWKSet(await s.t.ctx.keys.jwks());
  const expected = { issuer: ISSUER, audience, typ: "token-introspection+jwt", currentDate: s.t.ctx.now() };
  return (await jwtVerify(jwt, jwks, expected)).payload;
}

describe("RFC 9701 JWT Response for OAuth Token Introspection", () => {
  it("§4, §5: who asks for a JWT gets what the JSON says, signed, for them and for now", async () => {
    const asJson = await (await s.c.form("/introspect", { token }, basic(api))).json();
    const response = await s.c.form("/introspect", { token }, { ...basic(api), ...JWT });
    expect([response.status, response.headers.get("content-type")]).toEqual([200, JWT.accept]);
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(await claimsFor(response, api.clientId)).toEqual({
      iss: ISSUER,
      aud: api.clientId,
      iat: Math.floor(s.t.ctx.now().getTime() / 1000),
      token_introspection: asJson,
    });
  });

  it("§5: of a token that does not count it says that, and no more", async () => {
    for (const unknown of ["nothing", (await s.c.tokensFor(await s.createApp())).access_token]) {
      const response = await s.c.form("/introspect", { token: unknown }, { ...basic(api), ...JWT });
      expect((await claimsFor(response, api.clientId)).token_introspection).toEqual({ active: false });
    }
  });

  it("§5: typ keeps it apart from every token", async () => {
    const jwt = await (await s.c.form("/introspect", { token }, { ...basic(api), ...JWT })).text();
    expect(decodeProtectedHeader(jwt).typ).toBe("token-introspection+jwt");
    expect(await s.introspect(jwt)).toEqual({ active: false });
  });

  it("§5: to the operator's key it is for this server itself", async () => {
    const response = await s.c.form("/introspect", { token }, { ...s.operator, ...JWT });
    expect(await claimsFor(response, ISSUER)).toMatchObject({ token_introspection: { active: true } });
  });

  it("§4: who must not ask gets no JWT either", async () => {
    expect(await refusalOf(await s.c.form("/introspect", { token }, JWT))).toEqual({
      status: 401,
      error: "invalid_client",
    });
  });

  it("§4: the aliases answer the same, and other Accept headers get JSON", async () => {
    const alias = await s.c.form("/oauth/introspect", { token }, { ...basic(api), ...JWT });
    expect(alias.headers.get("content-type")).toBe(JWT.accept);
    for (const accept of ["application/json", "*/*", "application/token-introspection+jwt;q=0"]) {
      const response = await s.c.form("/introspect", { token }, { ...basic(api), accept });
      expect(response.headers.get("content-type")).toBe("application/json");
    }
  });

  it("§5: a refresh token's end is in it as in the JSON", async () => {
    const app = await s.createApp({ token_endpoint_auth_method: "client_secret_basic" });
    const { refresh_token } = await s.c.tokensFor(app, { resource });
    const response = await s.c.form("/introspect", { token: refresh_token }, { ...basic(app), ...JWT });
    expect((await claimsFor(response, app.clientId)).token_introspection).toMatchObject({
      active: true,
      refresh_token_timeout: 2_592_000,
      authorization_expires_in: 7_776_000,
    });
  });
});

describe("with a strict client (oauth4webapi), over real HTTP", () => {
  let server: Awaited<ReturnType<typeof listening>>;
  beforeAll(async () => {
    server = await listening();
  });
  afterAll(() => server.close());

  it("RFC 9701 §5: it takes the answer for what it is", async () => {
    const insecure = { [oauth.allowInsecureRequests]: true };
    const issuer = new URL(server.url);
    const found = await oauth.discoveryRequest(issuer, { algorithm: "oauth2", ...insecure });
    const as = await oauth.processDiscoveryResponse(issuer, found);
    const c = connect(server.t);
    const app = await c.registerConfidential();
    const client = { client_id: app.clientId, introspection_signed_response_alg: "ES256" };
    const { access_token } = await c.tokensFor(app);
    const request = await oauth.introspectionRequest(
      as,
      client,
      oauth.ClientSecretBasic(app.secret ?? ""),
      access_token,
      { requestJwtResponse: true, ...insecure },
    );
    const answer = await oauth.processIntrospectionResponse(as, client, request);
    expect(answer).toMatchObject({ active: true, client_id: app.clientId, sub: claimsOf(access_token).sub });
  });
});
