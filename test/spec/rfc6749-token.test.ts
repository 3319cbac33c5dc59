import { beforeAll, describe, expect, it } from "vitest";
import { listGrants, stopGrant } from "@/lib/services/grants";
import {
  type App,
  approvalOf,
  basic,
  type Connection,
  connect,
  newBrowser,
  pkce,
  refusalOf,
  tokensOf,
} from "@/test/support/client";
import { type TestContext, testContext } from "@/test/support/context";

let t: TestContext;
let c: Connection;
let app: App;

beforeAll(async () => {
  t = await testContext();
  c = connect(t);
  app = await c.registerPublic();
});

describe("RFC 6749 OAuth 2.0: the authorization code at the token endpoint", () => {
  it("§4.1.4, §5.1: the answer is not stored and names type, lifetime and scope", async () => {
    const response = await c.redeem(app, await c.codeFor(app));
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(response.headers.get("content-type")).toBe("application/json");
    const tokens = await tokensOf(response);
    expect({ ...tokens, access_token: "", refresh_token: "" }).toEqual({
      access_token: "",
      token_type: "Bearer",
      expires_in: 3600,
      scope: "account:read",
      refresh_token: "",
      refresh_token_timeout: 2_592_000,
      authorization_expires_in: 7_776_000,
    });
    expect(tokens.refresh_token).toMatch(/^rt_[\w-]{43}$/);
  });

  it("§4.1.2: a second use of a code is refused and kills what came from it", async () => {
    const code = await c.codeFor(app);
    const tokens = await tokensOf(await c.redeem(app, code));
    expect((await c.introspect(tokens.access_token)).active).toBe(true);
    expect(await refusalOf(await c.redeem(app, code))).toEqual({ status: 400, error: "invalid_grant" });
    expect(await c.introspect(tokens.access_token)).toEqual({ active: false });
    expect(await refusalOf(await c.refresh(app, tokens.refresh_token))).toEqual({
      status: 400,
      error: "invalid_grant",
    });
  });

  it("§4.1.2: of ten uses at once at most one gets tokens, and they do not outlive the others", async () => {
    const code = await c.codeFor(app);
    const answers = await Promise.all(Array.from({ length: 10 }, () => c.redeem(app, code)));
    const [winner, ...others] = answers.filter(({ status }) => status === 200);
    expect(others).toEqual([]);
    const { access_token } = await tokensOf(winner ?? Response.error());
    expect(await c.introspect(access_token)).toEqual({ active: false });
  });

  it("§4.1.2: a code is good for 60 seconds", async () => {
    const inTime = await c.codeFor(app);
    const late = await c.codeFor(app);
    t.advance(59);
    expect((await c.redeem(app, inTime)).status).toBe(200);
    t.advance(1);
    expect(await refusalOf(await c.redeem(app, late))).toEqual({ status: 400, error: "invalid_grant" });
  });

  it("§4.1.3: a code is no code for another client, and stays good for its own", async () => {
    const code = await c.codeFor(app);
    const other = await c.registerPublic();
    expect(await refusalOf(await c.redeem(other, code))).toEqual({ status: 400, error: "invalid_grant" });
    expect((await c.redeem(app, code)).status).toBe(200);
  });

  it("§4.1.3: redirect_uri may be left out, must be equal when it is sent", async () => {
    const code = await c.codeFor(app);
    expect(
      await refusalOf(await c.redeem(app, code, { redirect_uri: "http://localhost:33418/callback" })),
    ).toEqual({ status: 400, error: "invalid_grant" });
    expect((await c.redeem(app, code, { redirect_uri: app.redirectUri })).status).toBe(200);
  });

  it("§4.1.3: a code of a permission that was taken back meanwhile is refused", async () => {
    const person = await c.signIn();
    const code = await c.codeFor(app, {}, { person });
    const [overview] = await listGrants(t.ctx, person.user.id);
    await stopGrant(t.ctx, { userId: person.user.id, grantId: overview?.grant.id ?? "" });
    expect(await refusalOf(await c.redeem(app, code))).toEqual({ status: 400, error: "invalid_grant" });
  });

  it("§5.1: a client that did not register refresh_token still gets one: clients forget it", async () => {
    const forgetful = await c.registerPublic({ grant_types: ["authorization_code"] });
    expect((await c.tokensFor(forgetful)).refresh_token).toMatch(/^rt_/);
  });
});

describe("RFC 6749 OAuth 2.0: the client at the token endpoint", () => {
  it("§2.3.1: the secret is taken by header and by body, whichever was registered", async () => {
    const service = await c.registerConfidential({ grant_types: ["client_credentials"] });
    const grant = { grant_type: "client_credentials" };
    expect((await c.form("/token", grant, basic(service))).status).toBe(200);
    const inBody = { ...grant, client_id: service.clientId, client_secret: service.secret };
    expect((await c.form("/token", inBody)).status).toBe(200);
  });

  it("§2.3.1: both halves of Basic are form-decoded", async () => {
    const service = await c.registerConfidential({ grant_types: ["client_credentials"] });
    const encode = (value: string) => [...value].map((it) => `%${it.charCodeAt(0).toString(16)}`).join("");
    const authorization = `Basic ${btoa(`${encode(service.clientId)}:${encode(service.secret ?? "")}`)}`;
    expect((await c.form("/token", { grant_type: "client_credentials" }, { authorization })).status).toBe(
      200,
    );
  });

  it("§2.3: two methods in one request are refused", async () => {
    const service = await c.registerConfidential({ grant_types: ["client_credentials"] });
    const fields = { grant_type: "client_credentials", client_secret: service.secret };
    expect(await refusalOf(await c.form("/token", fields, basic(service)))).toEqual({
      status: 400,
      error: "invalid_request",
    });
  });

  const wrong: [string, (service: App) => Promise<Response>][] = [
    ["a wrong secret", (service) => c.token({ ...service, secret: "sec_wrong" }, {})],
    ["no secret", (service) => c.form("/token", { client_id: service.clientId })],
    ["an empty secret", (service) => c.form("/token", { client_id: service.clientId, client_secret: "" })],
    ["no client at all", () => c.form("/token", {})],
    ["an unknown client", () => c.form("/token", { client_id: "dyn_nobody" })],
    ["another scheme", () => c.form("/token", {}, { authorization: "Bearer abc" })],
    ["Basic that is not base64", () => c.form("/token", {}, { authorization: "Basic ***" })],
    [
      "a client_id that differs from Basic",
      (service) => c.form("/token", { client_id: "x" }, basic(service)),
    ],
    [
      "a client assertion, which this release does not take",
      (service) => c.form("/token", { client_id: service.clientId, client_assertion: "a.b.c" }),
    ],
  ];
  it.each(wrong)("§5.2: %s is 401 invalid_client with a challenge", async (_what, send) => {
    const response = await send(await c.registerConfidential({ grant_types: ["client_credentials"] }));
    expect(response.headers.get("www-authenticate")).toBe('Basic realm="localhost:8000", charset="UTF-8"');
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(await refusalOf(response)).toEqual({ status: 401, error: "invalid_client" });
  });

  it("§5.2: a public client that is gone gets 401 invalid_client for every grant type", async () => {
    const gone = { clientId: "dyn_gone", redirectUri: "" };
    for (const grant_type of ["authorization_code", "refresh_token", "client_credentials", "no_such"]) {
      expect(await refusalOf(await c.token(gone, { grant_type }))).toEqual({
        status: 401,
        error: "invalid_client",
      });
    }
  });
});

describe("RFC 6749 OAuth 2.0: the form of a token request", () => {
  it("§3.2: a parameter sent twice is refused", async () => {
    const body = new URLSearchParams([
      ["client_id", app.clientId],
      ["grant_type", "authorization_code"],
      ["grant_type", "refresh_token"],
    ]);
    expect(await refusalOf(await c.call("/token", { method: "POST", body }))).toEqual({
      status: 400,
      error: "invalid_request",
    });
  });

  it("§3.2: another media type is refused", async () => {
    const response = await c.json("/token", { grant_type: "client_credentials", client_id: app.clientId });
    expect(await refusalOf(response)).toEqual({ status: 400, error: "invalid_request" });
  });

  it("§3.2: GET is no way to ask for a token", async () => {
    const response = await c.call(`/token?grant_type=authorization_code&client_id=${app.clientId}`);
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe("POST, OPTIONS");
  });

  it("§5.2: an unknown grant type is unsupported_grant_type", async () => {
    expect(await refusalOf(await c.token(app, { grant_type: "password" }))).toEqual({
      status: 400,
      error: "unsupported_grant_type",
    });
  });

  it("§5.2: a grant type the client is not registered for is unauthorized_client", async () => {
    expect(await refusalOf(await c.token(app, { grant_type: "client_credentials" }))).toEqual({
      status: 400,
      error: "unauthorized_client",
    });
  });

  it("§5.2: a missing parameter is named", async () => {
    const response = await c.token(app, { grant_type: "refresh_token" });
    expect(response.status).toBe(400);
    expect(await response.json()).toEqual({
      error: "invalid_request",
      error_description: "Missing or malformed: refresh_token.",
      error_uri: "http://localhost:8000/errors/invalid_request",
    });
  });

  it("§5.2: what a client sent comes back in printable ASCII without quotes and backslashes", async () => {
    const body = new URLSearchParams([
      ['bad"name\\ü', "1"],
      ['bad"name\\ü', "2"],
    ]);
    const { error_description } = await (await c.call("/token", { method: "POST", body })).json();
    expect(error_description).toBe("Send bad?name?? only once.");
  });
});

describe("RFC 6749 OAuth 2.0: client credentials", () => {
  it("§4.4.3: the answer has no refresh token, and the client is its own subject", async () => {
    const service = await c.registerConfidential({ grant_types: ["client_credentials"] });
    const tokens = await tokensOf(await c.token(service, { grant_type: "client_credentials" }));
    expect(Object.keys(tokens)).toEqual(["access_token", "token_type", "expires_in", "scope"]);
    expect(tokens.expires_in).toBe(900);
    expect((await c.introspect(tokens.access_token)).sub).toBe(`client:${service.clientId}`);
  });

  it("§4.4: only confidential clients may register it", async () => {
    const response = await c.json("/register", {
      token_endpoint_auth_method: "none",
      grant_types: ["client_credentials"],
    });
    expect(await refusalOf(response)).toEqual({ status: 400, error: "invalid_client_metadata" });
  });

  it("§3.3: a scope beyond the registration is refused and not dropped", async () => {
    const service = await c.registerConfidential({ grant_types: ["client_credentials"], scope: "a:read" });
    const response = await c.token(service, { grant_type: "client_credentials", scope: "a:read a:write" });
    expect(await response.json()).toEqual({
      error: "invalid_scope",
      error_description: "This client may not have: a:write. It may have: a:read.",
      error_code: "scope_escalation",
      error_uri: "http://localhost:8000/errors/scope_escalation",
    });
  });
});

describe("product decision D4: the paths of an earlier system", () => {
  it("the whole flow works under /oauth by the same code", async () => {
    const registered = await c.json("/oauth/register", {
      redirect_uris: ["http://127.0.0.1/cb"],
      token_endpoint_auth_method: "none",
    });
    const { client_id } = await registered.json();
    const own = { clientId: client_id, redirectUri: "http://127.0.0.1/cb" };
    const from = { person: await c.signIn(), browser: newBrowser() };
    const { verifier, challenge } = pkce();
    const query = new URLSearchParams(
      Object.entries(c.requestOf(own, { code_challenge: challenge })).map(([key, value]) => [
        key,
        `${value}`,
      ]),
    );
    const asked = await c.call(`/oauth/authorize?${query}`, { headers: c.cookies(from) });
    const sent = await c.consent(approvalOf(asked) ?? "", from);
    const code = new URL(sent.headers.get("location") ?? "").searchParams.get("code") ?? "";
    const fields = { grant_type: "authorization_code", client_id, code, code_verifier: verifier };
    const { access_token } = await tokensOf(await c.form("/oauth/token", fields));
    expect((await (await c.form("/oauth/introspect", { token: access_token })).json()).active).toBe(true);
    expect((await c.form("/oauth/revoke", { token: access_token, client_id })).status).toBe(200);
    expect(await (await c.form("/oauth/introspect", { token: access_token })).json()).toEqual({
      active: false,
    });
  });
});
