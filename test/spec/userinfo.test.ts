import { beforeAll, describe, expect, it } from "vitest";
import { listGrants, narrowGrant, stopGrant } from "@/lib/services/grants";
import { type App, type Person, refusalOf } from "@/test/support/client";
import { keyHolder } from "@/test/support/dpop";
import { type PublicServer, publicServer } from "@/test/support/public-server";
import { claimsOf } from "@/test/support/signer";

const ISSUER = "https://auth.example.com";
const METADATA = `${ISSUER}/.well-known/oauth-protected-resource`;

let s: PublicServer;
let app: App;
let ada: Person;

beforeAll(async () => {
  s = await publicServer();
  app = await s.createApp();
});

/** An access token of an app, of somebody new. */
async function tokenFor(params: Record<string, string>): Promise<string> {
  ada = await s.c.signIn();
  return (await s.c.tokensFor(app, params, { person: ada })).access_token;
}

const ask = (authorization: string | undefined, init: RequestInit = {}) =>
  s.c.call("/userinfo", { ...init, headers: { ...(authorization && { authorization }), ...init.headers } });

const bearer = (token: string) => `Bearer ${token}`;

describe("OpenID Connect Core §5.3: the UserInfo endpoint", () => {
  it.each(["GET", "POST"])(
    "§5.3.1: %s with the token in the header answers who the person is",
    async (method) => {
      const response = await ask(bearer(await tokenFor({ scope: "openid profile email" })), { method });
      expect([response.status, response.headers.get("content-type")]).toEqual([200, "application/json"]);
      expect(response.headers.get("cache-control")).toBe("no-store");
      expect(await response.json()).toEqual({
        sub: `user:${ada.user.id}`,
        name: "Ada",
        email: ada.user.email,
        email_verified: true,
      });
    },
  );

  it.each([
    ["openid", ["sub"]],
    ["openid profile", ["sub", "name"]],
    ["openid email", ["sub", "email", "email_verified"]],
  ])("§5.4: scope=%s tells %j", async (scope, claims) => {
    const response = await ask(bearer(await tokenFor({ scope })));
    expect(Object.keys(await response.json())).toEqual(claims);
  });

  it("§5.3.2: sub is that of the ID token", async () => {
    const person = await s.c.signIn();
    const { access_token, id_token = "" } = await s.c.tokensFor(app, { scope: "openid" }, { person });
    expect((await (await ask(bearer(access_token))).json()).sub).toBe(claimsOf(id_token).sub);
  });

  it("§5.3.1: any page's script may ask, as a browser app does", async () => {
    const token = await tokenFor({ scope: "openid" });
    const response = await ask(bearer(token), { headers: { origin: "https://spa.example" } });
    expect(response.headers.get("access-control-allow-origin")).toBe("*");
    const preflight = await s.c.call("/userinfo", { method: "OPTIONS" });
    expect(preflight.headers.get("access-control-allow-methods")).toBe("GET, POST, OPTIONS");
  });
});

describe("OpenID Connect Core §5.3.3: refusals", () => {
  it("no token: 401, and what to ask for", async () => {
    const response = await ask(undefined);
    expect(await refusalOf(response)).toEqual({ status: 401, error: "invalid_token" });
    expect(response.headers.get("www-authenticate")).toBe(
      `Bearer resource_metadata="${METADATA}", scope="openid"`,
    );
  });

  it("a token without openid: 403 insufficient_scope, and what to ask for (RFC 6750 §3.1)", async () => {
    const response = await ask(bearer(await tokenFor({ scope: "account:read" })));
    const challenge = response.headers.get("www-authenticate");
    expect(await refusalOf(response)).toEqual({ status: 403, error: "insufficient_scope" });
    expect(challenge).toBe(
      'Bearer error="insufficient_scope", error_description="The person did not let this app know who they are. ' +
        `Ask for scope=openid.", resource_metadata="${METADATA}", scope="openid"`,
    );
  });

  it("a token for another resource: 401, and to ask without resource", async () => {
    const response = await ask(bearer(await tokenFor({ scope: "openid", resource: `${ISSUER}/mcp` })));
    const { error, error_description } = await response.json();
    expect([response.status, error, error_description]).toEqual([
      401,
      "invalid_token",
      `The token is for ${ISSUER}/mcp. Ask for one with scope=openid and without resource.`,
    ]);
  });

  it("a client's own token is nobody's sign-in", async () => {
    const service = await s.createService();
    const own = await s.c.token(service, { grant_type: "client_credentials" });
    const response = await ask(bearer((await own.json()).access_token));
    expect(await refusalOf(response)).toEqual({ status: 403, error: "insufficient_scope" });
  });

  it("an app that was stopped learns nothing more", async () => {
    const token = await tokenFor({ scope: "openid" });
    const [given] = await listGrants(s.t.ctx, ada.user.id);
    await stopGrant(s.t.ctx, { userId: ada.user.id, grantId: given?.grant.id ?? "" });
    expect(await refusalOf(await ask(bearer(token)))).toEqual({ status: 401, error: "invalid_token" });
  });

  it("what the person took back is not told again", async () => {
    const token = await tokenFor({ scope: "openid profile email" });
    const [given] = await listGrants(s.t.ctx, ada.user.id);
    const narrowed = { userId: ada.user.id, grantId: given?.grant.id ?? "", keep: ["openid", "profile"] };
    await narrowGrant(s.t.ctx, narrowed);
    expect(await (await ask(bearer(token))).json()).toEqual({ sub: `user:${ada.user.id}`, name: "Ada" });
  });

  it.each([true, false])(
    "a token in the body is refused, with one in the header or without: %s",
    async (beside) => {
      const token = await tokenFor({ scope: "openid" });
      const headers = beside ? { authorization: bearer(token) } : {};
      const response = await s.c.form("/userinfo", { access_token: token }, headers);
      expect(await refusalOf(response)).toEqual({ status: 400, error: "invalid_request" });
    },
  );

  it("a token in the query is none", async () => {
    const response = await s.c.call(`/userinfo?access_token=${await tokenFor({ scope: "openid" })}`);
    expect(await refusalOf(response)).toEqual({ status: 401, error: "invalid_token" });
  });
});

describe("RFC 9449 §7: a token that is bound to a key", () => {
  it("counts with a proof for this address, and not as a bearer token", async () => {
    const key = await keyHolder(s);
    const person = await s.c.signIn();
    const { access_token: accessToken } = await key.tokensFor(app, { scope: "openid" }, { person });
    const dpop = await key.proof({ path: "/userinfo", method: "GET", accessToken });
    const response = await ask(`DPoP ${accessToken}`, { headers: { dpop } });
    expect(await response.json()).toEqual({ sub: `user:${person.user.id}` });
    const elsewhere = await key.proof({ path: "/mcp", method: "GET", accessToken });
    const answers = [
      await ask(`DPoP ${accessToken}`, { headers: { dpop: elsewhere } }),
      await ask(`DPoP ${accessToken}`),
      await ask(bearer(accessToken)),
    ];
    expect(await Promise.all(answers.map(refusalOf))).toEqual([
      { status: 401, error: "invalid_dpop_proof" },
      { status: 401, error: "invalid_dpop_proof" },
      { status: 401, error: "invalid_token" },
    ]);
  });
});
