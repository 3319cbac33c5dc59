import * as client from "openid-client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { GRANT_TYPES, TOKEN_TYPES } from "@/lib/oauth/token-types";
import { createTrustedIssuer } from "@/lib/services/trusted-issuers";
import { approvalOf, connect, newBrowser, type Person } from "@/test/support/client";
import { unique } from "@/test/support/context";
import { delegation, type TestAgent } from "@/test/support/delegation";
import { foreignIssuer } from "@/test/support/foreign-issuer";
import { listening } from "@/test/support/listening";
import { claimsOf } from "@/test/support/signer";

let server: Awaited<ReturnType<typeof listening>>;
let idp: Awaited<ReturnType<typeof foreignIssuer>>;
let d: ReturnType<typeof delegation>;
let resource: string;

beforeAll(async () => {
  server = await listening();
  d = delegation(connect(server.t));
  resource = await connect(server.t).protect(`https://${unique("api")}.example/v1`, {
    scopes: ["read", "write"],
  });
  idp = await foreignIssuer();
  await createTrustedIssuer(
    server.t.ctx,
    {
      issuer: idp.issuer,
      name: "Example",
      purposes: ["id_jag", "chaining"],
      people: { create: true, allowedDomains: [] },
      jwksUri: null,
      audiences: [],
      scope: null,
      workloads: [],
      status: "active",
    },
    "operator",
  );
});
afterAll(async () => {
  await server.close();
  await idp.close();
});

/** The library's view of this server, as an agent. */
const configuredAs = (agent: TestAgent) =>
  client.discovery(new URL(server.url), agent.clientId, undefined, client.ClientSecretBasic(agent.secret), {
    algorithm: "oauth2",
    execute: [client.allowInsecureRequests],
  });

/** The person's part: opens the address the library made, signs in, allows. */
async function answeredBy(url: URL, from: { person: Person; browser: string }): Promise<URL> {
  const c = connect(server.t);
  const asked = await c.call(`${url.pathname}${url.search}`, { headers: c.cookies(from) });
  const answered = await c.consent(approvalOf(asked) ?? "", from);
  return new URL(answered.headers.get("location") ?? "");
}

/** What an enterprise says of its person, for a client at a resource. */
function assertion(agent: TestAgent, typ: string, more: Record<string, unknown> = {}): Promise<string> {
  const iat = Math.floor(server.t.ctx.now().getTime() / 1000);
  const claims = {
    sub: "alice",
    aud: server.url,
    client_id: agent.clientId,
    jti: unique("jti-"),
    iat,
    exp: iat + 300,
  };
  return idp.sign({ ...claims, scope: "read", ...more }, { typ });
}

const refusal = (request: Promise<unknown>) =>
  request.then(
    () => "granted",
    (error: unknown) => {
      if (!(error instanceof client.ResponseBodyError)) throw error;
      return [error.status, error.error];
    },
  );

describe("interoperability with openid-client, over real HTTP", () => {
  it.each(["a secret", "none"])(
    "OIDC Core §3.1: signs a person in with %s, asks who, and refreshes",
    async (proof) => {
      const c = connect(server.t);
      const app = await (proof === "none" ? c.registerPublic() : c.registerConfidential());
      const auth = app.secret ? client.ClientSecretBasic(app.secret) : client.None();
      const execute = [client.allowInsecureRequests, client.enableNonRepudiationChecks];
      const config = await client.discovery(new URL(server.url), app.clientId, undefined, auth, { execute });
      const [pkceCodeVerifier, expectedState] = [client.randomPKCECodeVerifier(), client.randomState()];
      const [expectedNonce, maxAge] = [client.randomNonce(), 300];
      const url = client.buildAuthorizationUrl(config, {
        redirect_uri: app.redirectUri,
        scope: "openid profile email",
        code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
        code_challenge_method: "S256",
        state: expectedState,
        nonce: expectedNonce,
        max_age: String(maxAge),
      });
      const from = { person: await c.signIn(), browser: newBrowser() };
      const checks = { pkceCodeVerifier, expectedState, expectedNonce, maxAge, idTokenExpected: true };
      const tokens = await client.authorizationCodeGrant(config, await answeredBy(url, from), checks);
      const { id, name, email } = from.person.user;
      const told = { sub: `user:${id}`, name, email, email_verified: true };
      expect(tokens.claims()).toMatchObject({ ...told, nonce: expectedNonce });
      expect(await client.fetchUserInfo(config, tokens.access_token, `user:${id}`)).toEqual(told);
      const fresh = await client.refreshTokenGrant(config, tokens.refresh_token ?? "");
      expect(fresh.claims()).toMatchObject(told);
      await expect(client.fetchUserInfo(config, fresh.access_token, "user:somebody")).rejects.toThrow();
    },
  );

  it("RFC 8693 §2: exchanges a token, and reads a refusal", async () => {
    const [orchestrator, search] = [await d.createAgent(["read", "write"]), await d.createAgent(["read"])];
    const own = await client.clientCredentialsGrant(await configuredAs(orchestrator), {
      scope: "read write",
    });
    const config = await configuredAs(search);
    const params = {
      subject_token: own.access_token,
      subject_token_type: TOKEN_TYPES.accessToken,
      audience: resource,
    };
    const answer = await client.genericGrantRequest(config, GRANT_TYPES.tokenExchange, params);
    expect([answer.issued_token_type, answer.token_type, answer.scope, answer.expires_in]).toEqual([
      TOKEN_TYPES.accessToken,
      "bearer",
      "read",
      300,
    ]);
    expect(claimsOf(answer.access_token).act).toEqual({ sub: `client:${search.clientId}` });
    const wide = client.genericGrantRequest(config, GRANT_TYPES.tokenExchange, { ...params, scope: "write" });
    expect(await refusal(wide)).toEqual([400, "invalid_scope"]);
  });

  it("draft-ietf-oauth-identity-assertion-authz-grant-04 §4.3: redeems an ID-JAG, once", async () => {
    const agent = await d.createAgent(["read"]);
    const config = await configuredAs(agent);
    const params = { assertion: await assertion(agent, "oauth-id-jag+jwt", { resource }) };
    const answer = await client.genericGrantRequest(config, GRANT_TYPES.jwtBearer, params);
    expect(claimsOf(answer.access_token)).toMatchObject({
      aud: resource,
      scope: "read",
      chained_from: idp.issuer,
    });
    expect(await refusal(client.genericGrantRequest(config, GRANT_TYPES.jwtBearer, params))).toEqual([
      400,
      "invalid_grant",
    ]);
  });

  it("RFC 7523 §2.1: redeems the grant of another domain", async () => {
    const agent = await d.createAgent(["read"]);
    const params = { assertion: await assertion(agent, "JWT"), resource };
    const answer = await client.genericGrantRequest(await configuredAs(agent), GRANT_TYPES.jwtBearer, params);
    expect(claimsOf(answer.access_token)).toMatchObject({
      aud: resource,
      act: { sub: `client:${agent.clientId}` },
      human_root: true,
    });
  });
});
