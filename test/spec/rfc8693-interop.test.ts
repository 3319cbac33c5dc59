import * as oauth from "oauth4webapi";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { GRANT_TYPES, TOKEN_TYPES } from "@/lib/oauth/token-types";
import { listening } from "@/test/support/listening";
import { claimsOf } from "@/test/support/signer";

/** The library refuses plain http unless told that it is a test. */
const insecure = { [oauth.allowInsecureRequests]: true };
const API = "https://api.example";
const OTHER_DOMAIN = "https://as.other.example";
const SUBJECT_TYPE = { subject_token_type: TOKEN_TYPES.accessToken };

type Agent = Awaited<ReturnType<typeof registered>>;

let server: Awaited<ReturnType<typeof listening>>;
let as: oauth.AuthorizationServer;
let planner: Agent;
let search: Agent;
let reader: Agent;
let root: string;

beforeAll(async () => {
  server = await listening();
  const { ctx } = server.t;
  ctx.settings = { ...ctx.settings, trustedChainingTargets: [OTHER_DOMAIN], maxDelegationDepth: 2 };
  const issuer = new URL(server.url);
  const response = await oauth.discoveryRequest(issuer, { algorithm: "oauth2", ...insecure });
  as = await oauth.processDiscoveryResponse(issuer, response);
  planner = await registered("docs:read docs:write");
  search = await registered("docs:read docs:write");
  reader = await registered("docs:read");
  root = (await ownToken(planner)).access_token;
});

afterAll(() => server.close());

/** A confidential client that registered itself to act for itself and for others. */
async function registered(scope: string) {
  const metadata = { grant_types: ["client_credentials", GRANT_TYPES.tokenExchange], scope };
  const response = await oauth.dynamicClientRegistrationRequest(as, metadata, insecure);
  const client = await oauth.processDynamicClientRegistrationResponse(response);
  return { client, auth: oauth.ClientSecretBasic(String(client.client_secret)) };
}

async function ownToken({ client, auth }: Agent): Promise<oauth.TokenEndpointResponse> {
  const response = await oauth.clientCredentialsGrantRequest(as, client, auth, {}, insecure);
  return oauth.processClientCredentialsResponse(as, client, response);
}

/** One exchange as the library drives it. */
async function exchanged(
  { client, auth }: Agent,
  subjectToken: string,
  fields: Record<string, string> = {},
  options: oauth.ProcessTokenResponseOptions = {},
) {
  const parameters = { subject_token: subjectToken, ...SUBJECT_TYPE, audience: API, ...fields };
  const grantType = GRANT_TYPES.tokenExchange;
  const response = await oauth.genericTokenEndpointRequest(as, client, auth, grantType, parameters, insecure);
  return oauth.processGenericTokenEndpointResponse(as, client, response, options);
}

/** What a resource server makes of a token, by the published keys alone. */
const validated = (token: string) =>
  oauth.validateJwtAccessToken(
    as,
    new Request(API, { headers: { authorization: `Bearer ${token}` } }),
    API,
    insecure,
  );

describe("token exchange with a strict client (oauth4webapi), over real HTTP", () => {
  it("RFC 8414 §2: the metadata says that tokens can be exchanged", () => {
    expect(as.grant_types_supported).toContain(GRANT_TYPES.tokenExchange);
  });

  it("§2.2.1: with an actor token, audience, scope and type; the answer is read in full", async () => {
    const { access_token, ...answer } = await exchanged(search, root, {
      actor_token: (await ownToken(search)).access_token,
      actor_token_type: TOKEN_TYPES.accessToken,
      scope: "docs:read",
      requested_token_type: TOKEN_TYPES.accessToken,
    });
    expect(answer).toEqual({
      issued_token_type: TOKEN_TYPES.accessToken,
      token_type: "bearer",
      expires_in: 300,
      scope: "docs:read",
    });
    const claims = await validated(access_token);
    expect([claims.sub, claims.client_id, claims.act]).toEqual([
      `client:${planner.client.client_id}`,
      search.client.client_id,
      { sub: `client:${search.client.client_id}` },
    ]);
  });

  it("§4.1: two hops make a chain that introspection shows", async () => {
    const first = await exchanged(search, root);
    const second = await exchanged(reader, first.access_token, { resource: API });
    expect(second.scope).toBe("docs:read");
    const { client, auth } = reader;
    const response = await oauth.introspectionRequest(as, client, auth, second.access_token, insecure);
    const found = await oauth.processIntrospectionResponse(as, client, response);
    expect([found.active, found.sub, found.act]).toEqual([
      true,
      `client:${planner.client.client_id}`,
      { sub: `client:${reader.client.client_id}`, act: { sub: `client:${search.client.client_id}` } },
    ]);
  });

  it("§2.2.1: a grant for another domain is N_A, which a caller has to say that it expects", async () => {
    const fields = { requested_token_type: TOKEN_TYPES.jwt, audience: OTHER_DOMAIN };
    const expected = { recognizedTokenTypes: { n_a: () => {} } };
    const { access_token, ...answer } = await exchanged(search, root, fields, expected);
    expect(answer).toEqual({
      issued_token_type: TOKEN_TYPES.jwt,
      token_type: "n_a",
      expires_in: 60,
      scope: "docs:read docs:write",
    });
    expect(claimsOf(access_token).aud).toBe(OTHER_DOMAIN);
    await expect(exchanged(search, root, fields)).rejects.toMatchObject({
      name: "UnsupportedOperationError",
      message: "unsupported `token_type` value",
    });
  });
});

describe("§2.2.2: a refusal is the library's own error, with what a program reads of it", () => {
  type Attempt = () => Promise<unknown>;
  const attempts: [string, Attempt, Record<string, unknown>][] = [
    [
      "more scope than the subject token has",
      async () => {
        const { access_token } = await exchanged(search, root, { scope: "docs:read" });
        return exchanged(search, access_token, { scope: "docs:write" });
      },
      { error: "invalid_scope", cause: { error_code: "scope_escalation" } },
    ],
    [
      "one agent more than a chain may have",
      async () => {
        const first = await exchanged(search, root);
        const second = await exchanged(reader, first.access_token);
        return exchanged(planner, second.access_token, { scope: "docs:read" });
      },
      { error: "invalid_request", cause: { error_code: "delegation_depth_exceeded" } },
    ],
    [
      "a subject token that was revoked",
      async () => {
        const { access_token } = await ownToken(planner);
        const { client, auth } = planner;
        const response = await oauth.revocationRequest(as, client, auth, access_token, insecure);
        await oauth.processRevocationResponse(response);
        return exchanged(search, access_token);
      },
      { error: "invalid_request", cause: { error: "invalid_request" } },
    ],
    [
      "a target that cannot be one",
      () => exchanged(search, root, { audience: "not a name" }),
      { error: "invalid_target", cause: { error: "invalid_target" } },
    ],
  ];

  it.each(attempts)("%s", async (_, attempt, refusal) => {
    await expect(attempt()).rejects.toMatchObject({
      name: "ResponseBodyError",
      code: oauth.RESPONSE_BODY_ERROR,
      status: 400,
      ...refusal,
    });
  });
});
