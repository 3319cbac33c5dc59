import * as oauth from "oauth4webapi";
import * as client from "openid-client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createResource } from "@/lib/services/resources";
import { approvalOf, connect, newBrowser } from "@/test/support/client";
import { unique } from "@/test/support/context";
import { MCP_TOOL, PAYMENT, param, pay, tool } from "@/test/support/details-types";
import { listening } from "@/test/support/listening";
import { claimsOf } from "@/test/support/signer";

const REDIRECT_URI = "http://127.0.0.1:7777/callback";

let server: Awaited<ReturnType<typeof listening>>;
let bank: string;

beforeAll(async () => {
  server = await listening();
  bank = `https://${unique("bank")}.example/v1`;
  const types = { authorizationDetailsTypes: [PAYMENT, MCP_TOOL], dpopBoundAccessTokensRequired: false };
  const nothing = { scopes: [], aliases: [], introspectionClients: [] };
  await createResource(server.t.ctx, { resource: bank, name: "A bank", ...nothing, ...types }, "test");
});
afterAll(() => server.close());

/** The person's part: opens the address the library made, signs in, and ticks these. */
async function answeredBy(url: URL, details: readonly number[]): Promise<URL> {
  const c = connect(server.t);
  const from = { person: await c.signIn(), browser: newBrowser() };
  const asked = await c.call(`${url.pathname}${url.search}`, { headers: c.cookies(from) });
  const answered = await c.consent(approvalOf(asked) ?? "", { ...from, details });
  return new URL(answered.headers.get("location") ?? "");
}

describe("RFC 9396 with openid-client, over real HTTP", () => {
  it("§3, §6, §7 and RFC 9126: pushed, of two one is ticked, redeemed, and narrowed with each refresh", async () => {
    const registered = await connect(server.t).registerConfidential({
      redirect_uris: [REDIRECT_URI],
      authorization_details_types: ["payment", "mcp_tool"],
    });
    const config = await client.discovery(
      new URL(server.url),
      registered.clientId,
      undefined,
      client.ClientSecretBasic(registered.secret),
      { algorithm: "oauth2", execute: [client.allowInsecureRequests] },
    );
    expect(config.serverMetadata().authorization_details_types_supported).toEqual(
      expect.arrayContaining(["payment", "mcp_tool"]),
    );
    const pkceCodeVerifier = client.randomPKCECodeVerifier();
    const expectedState = client.randomState();
    const url = await client.buildAuthorizationUrlWithPAR(config, {
      redirect_uri: REDIRECT_URI,
      resource: bank,
      authorization_details: param(pay(40), tool("search")),
      code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: "S256",
      state: expectedState,
    });
    expect([...url.searchParams.keys()].sort()).toEqual(["client_id", "request_uri"]);

    const callback = await answeredBy(url, [0]);
    const tokens = await client.authorizationCodeGrant(config, callback, { pkceCodeVerifier, expectedState });
    expect([tokens.scope, tokens.authorization_details]).toEqual(["", [pay(40)]]);

    const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token ?? "", {
      authorization_details: param(pay(15)),
    });
    expect(refreshed.authorization_details).toEqual([pay(15)]);
    expect(claimsOf(refreshed.access_token).authorization_details).toEqual([pay(15)]);
    const introspection = await client.tokenIntrospection(config, refreshed.access_token);
    expect(introspection.authorization_details).toEqual([pay(15)]);

    const wider = client.refreshTokenGrant(config, refreshed.refresh_token ?? "", {
      authorization_details: param(tool("search")),
    });
    await expect(wider).rejects.toMatchObject({ status: 400, error: "invalid_authorization_details" });
  });
});

describe("RFC 9396 with oauth4webapi, over real HTTP", () => {
  const insecure = { [oauth.allowInsecureRequests]: true };

  it("§5: an error of the authorization endpoint is read as one", async () => {
    const issuer = new URL(server.url);
    const discovered = await oauth.discoveryRequest(issuer, { algorithm: "oauth2", ...insecure });
    const as = await oauth.processDiscoveryResponse(issuer, discovered);
    const { clientId } = await connect(server.t).registerPublic({ redirect_uris: [REDIRECT_URI] });
    const url = new URL(as.authorization_endpoint ?? "");
    url.search = new URLSearchParams({
      response_type: "code",
      client_id: clientId,
      redirect_uri: REDIRECT_URI,
      resource: bank,
      authorization_details: param({ type: "loan" }),
      code_challenge: await oauth.calculatePKCECodeChallenge(oauth.generateRandomCodeVerifier()),
      code_challenge_method: "S256",
      state: "s",
    }).toString();
    const response = await connect(server.t).call(`${url.pathname}${url.search}`);
    const answer = new URL(response.headers.get("location") ?? "");
    expect(() => oauth.validateAuthResponse(as, { client_id: clientId }, answer, "s")).toThrow(
      expect.objectContaining({
        error: "invalid_authorization_details",
        error_description: `Correct authorization_details[0]: ${bank} has no type loan. It has: payment, mcp_tool.`,
      }),
    );
  });
});
