import { beforeAll, describe, expect, it } from "vitest";
import { type App, approvalOf, type Connection, connect, newBrowser } from "@/test/support/client";
import { testContext } from "@/test/support/context";

let c: Connection;
let app: App;

beforeAll(async () => {
  c = connect(await testContext());
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
    const tokens = await c.tokensFor(app, { scope: "account:read nobody:knows" });
    expect(tokens.scope).toBe("account:read");
  });
});
