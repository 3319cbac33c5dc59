import { beforeAll, describe, expect, it } from "vitest";
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

describe("RFC 6749 OAuth 2.0: the authorization endpoint", () => {
  /** Refusals before client and address are known to belong together stay here (§4.1.2.1). */
  const pages: [string, Record<string, string | string[] | undefined>][] = [
    ["an unknown client", { client_id: "dyn_nobody" }],
    ["no client", { client_id: undefined }],
    ["two clients", { client_id: ["a", "b"] }],
    ["another redirect_uri", { redirect_uri: "https://evil.example/callback" }],
    ["a redirect_uri with another path", { redirect_uri: "http://127.0.0.1:33418/callback/" }],
    ["a redirect_uri with a query added", { redirect_uri: "http://127.0.0.1:33418/callback?next=1" }],
    ["two redirect_uris", { redirect_uri: ["http://127.0.0.1:33418/callback", "https://evil.example/"] }],
  ];
  it.each(pages)("§4.1.2.1: %s is told on a page of ours, without a redirect", async (_what, params) => {
    const response = await c.authorize(c.requestOf(app, { state: "s1", ...params }));
    expect(response.status).toBe(400);
    expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(response.headers.get("location")).toBe(null);
    expect(response.headers.get("content-security-policy")).toContain("frame-ancestors 'none'");
  });

  const redirects: [string, Record<string, string | string[] | undefined>, string][] = [
    ["no response_type", { response_type: undefined }, "invalid_request"],
    ["response_type=token", { response_type: "token" }, "unsupported_response_type"],
    ["response_type=code twice", { response_type: ["code", "code"] }, "invalid_request"],
    ["scope twice", { scope: ["account:read", "account:read"] }, "invalid_request"],
    ["a scope with a quote", { scope: 'account:read "' }, "invalid_scope"],
    ["only unknown scopes", { scope: "nobody:knows" }, "invalid_scope"],
    ["response_mode=fragment", { response_mode: "fragment" }, "invalid_request"],
    ["a request object", { request: "eyJhbGciOiJub25lIn0.e30." }, "request_not_supported"],
    ["a request_uri", { request_uri: "https://app.example/request" }, "request_uri_not_supported"],
    ["two different resources", { resource: ["https://a.example", "https://b.example"] }, "invalid_target"],
  ];
  it.each(redirects)("§4.1.2.1: %s is told to the client, with its state", async (_what, params, error) => {
    const response = await c.authorize(c.requestOf(app, { state: "s 1&2", ...params }));
    expect(response.status).toBe(303);
    const location = new URL(response.headers.get("location") ?? "");
    expect(location.origin + location.pathname).toBe(app.redirectUri);
    expect(location.searchParams.get("error")).toBe(error);
    expect(location.searchParams.get("state")).toBe("s 1&2");
    expect(location.searchParams.get("code")).toBe(null);
  });

  it("§4.1.2.1: a client without the grant gets unauthorized_client", async () => {
    const service = await c.registerConfidential({ grant_types: ["client_credentials"] });
    const response = await c.authorize(c.requestOf(service));
    const location = new URL(response.headers.get("location") ?? "");
    expect(location.searchParams.get("error")).toBe("unauthorized_client");
  });

  it("§3.1: unknown parameters are ignored, and empty ones are as if they were absent", async () => {
    const params = { vendor_hint: "x", response_mode: "", max_age: "", scope: "", resource: "" };
    const location = await c.answerFor(app, { state: "s1", ...params });
    expect([...location.searchParams.keys()].sort()).toEqual(["code", "iss", "state"]);
  });

  it("§3.1: POST is answered as GET is", async () => {
    const browser = newBrowser();
    const person = await c.signIn();
    const response = await c.form("/authorize", c.requestOf(app), c.cookies({ person, browser }));
    expect(response.status).toBe(303);
    expect(approvalOf(response)).toMatch(/^[\w-]{22}$/);
  });

  it("§3.1.2.3: redirect_uri may be left out by a client that has one", async () => {
    const location = await c.answerFor(app, { redirect_uri: undefined });
    expect(location.origin + location.pathname).toBe(app.redirectUri);
  });

  it("§3.1.2.3: redirect_uri may not be left out by a client that has two", async () => {
    const two = await c.registerPublic({
      redirect_uris: ["http://127.0.0.1/a", "http://127.0.0.1/b"],
    });
    const response = await c.authorize(c.requestOf(two, { redirect_uri: undefined }));
    expect(response.status).toBe(400);
    expect(response.headers.get("location")).toBe(null);
  });

  it("§3.1.2: the query of a redirect_uri is kept", async () => {
    const uri = "http://127.0.0.1:33418/callback?tenant=a%20b";
    const tenant = await c.registerPublic({ redirect_uris: [uri] });
    const location = await c.answerFor(tenant, { state: "s1" });
    expect(location.href.startsWith(`${uri}&code=`)).toBe(true);
  });

  it("§4.1.1: nobody signed in is sent to sign in and taken back to the request", async () => {
    const response = await c.authorize(c.requestOf(app));
    expect(response.status).toBe(303);
    expect(response.headers.get("location")).toMatch(/^\/login\?continue=%2Fauthorize%2F[\w-]{22}$/);
    expect(response.headers.get("set-cookie")).toMatch(
      /^authgent-browser=brw_[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax$/,
    );
  });

  it("§4.1.1: the state comes back byte for byte, up to 4 KB", async () => {
    const state = `~!@#$%^&*()+ ü${"x".repeat(4000)}`;
    expect((await c.answerFor(app, { state })).searchParams.get("state")).toBe(state);
  });

  it("§4.1.2.1: a person who refuses is access_denied to the client", async () => {
    const from = { person: await c.signIn(), browser: newBrowser() };
    const approval = approvalOf(await c.authorize(c.requestOf(app, { state: "s1" }), from)) ?? "";
    const response = await c.consent(approval, { ...from, decision: "deny" });
    expect(response.status).toBe(303);
    const { searchParams } = new URL(response.headers.get("location") ?? "");
    expect(searchParams.get("error")).toBe("access_denied");
    expect(searchParams.get("state")).toBe("s1");
  });

  it("§3.3: the grant is what the person ticked, and the token response says so", async () => {
    const own = await c.registerPublic();
    const resource = await c.protect(`https://${own.clientId.slice(4).toLowerCase()}.example/`, {
      scopes: ["notes:read", "notes:write"],
    });
    const tokens = await c.tokensFor(
      own,
      { resource, scope: "notes:read notes:write" },
      { allow: ["notes:read"] },
    );
    expect(tokens.scope).toBe("notes:read");
  });

  it("§3.3: unknown scopes are dropped as long as a known one is left", async () => {
    const tokens = await c.tokensFor(app, { scope: "openid account:read nobody:knows" });
    expect(tokens.scope).toBe("account:read");
  });
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
    const { listGrants, stopGrant } = await import("@/lib/services/grants");
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
      error_description: "This client may not have: a:write.",
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
