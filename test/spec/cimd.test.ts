import { beforeEach, describe, expect, it } from "vitest";
import { OutboundError, type PublicResponse } from "@/lib/outbound/public-fetch";
import {
  type App,
  approvalOf,
  type Connection,
  connect,
  newBrowser,
  publicServer,
  refusalOf,
} from "@/test/support/client";
import { type TestContext, testContext, unique } from "@/test/support/context";

const REDIRECT = "https://app.example/callback";

/** A web site with one document, as the app's maker runs it: what it answers, and what it was asked. */
type Site = {
  app: App;
  answer: () => PublicResponse;
  asked: { etag?: string }[];
  /** Serves a document with these members changed and these headers. */
  serve(members?: Record<string, unknown>, headers?: Record<string, string>): void;
};

function openSite(): Site {
  const clientId = `https://${unique()}.example/client.json`;
  const site: Site = {
    app: { clientId, redirectUri: REDIRECT },
    answer: () => ({ status: 404, headers: new Headers(), body: "" }),
    asked: [],
    serve(members = {}, headers = {}) {
      const document = { client_id: clientId, client_name: "Notes", redirect_uris: [REDIRECT], ...members };
      site.answer = () => answerWith(JSON.stringify(document), headers);
    },
  };
  site.serve();
  return site;
}

const answerWith = (body: string, headers: Record<string, string> = {}, status = 200): PublicResponse => ({
  status,
  headers: new Headers({ "content-type": "application/json", ...headers }),
  body,
});

let t: TestContext;
let c: Connection;
let site: Site;

beforeEach(async () => {
  site = openSite();
  t = await testContext({
    env: { ...publicServer, AUTHGENT_TOKEN_RATE_LIMIT: "10000" },
    fetchPublic: async (_url, { etag }) => {
      site.asked.push(etag ? { etag } : {});
      return site.answer();
    },
  });
  c = connect(t);
});

/** The status of a new authorization request: 303 to sign in or to the question, 400 on a page of ours. */
const ask = async (params: Record<string, string> = {}) =>
  (await c.authorize(c.requestOf(site.app, params))).status;

describe("Client ID Metadata Document (draft-ietf-oauth-client-id-metadata-document-02)", () => {
  it("§4: an app whose client_id is the URL of its document needs no registration", async () => {
    const tokens = await c.tokensFor(site.app);
    expect(tokens.refresh_token).toMatch(/^rt_/);
    expect((await c.introspect(tokens.access_token)).client_id).toBe(site.app.clientId);
    expect(site.asked.length).toBe(1);
  });

  const identifiers: [string, string][] = [
    ["without a path", "https://app.example"],
    ["with only a slash for a path", "https://app.example/"],
    ["with a dot segment", "https://app.example/a/../client.json"],
    ["with an encoded dot segment", "https://app.example/%2e%2e/client.json"],
    ["with a fragment", "https://app.example/client.json#x"],
    ["with a user name", "https://ada@app.example/client.json"],
    ["by http", "http://app.example/client.json"],
    ["by http on loopback, for a public server", "http://127.0.0.1:9999/client.json"],
    ["not in its normal form", "https://APP.example/client.json"],
  ];
  it.each(identifiers)("§3: a client_id %s is refused, and nothing is fetched", async (_what, client_id) => {
    expect(await ask({ client_id })).toBe(400);
    expect(site.asked).toEqual([]);
  });

  const documents: [string, () => PublicResponse | Record<string, unknown>][] = [
    ["that answers 404", () => answerWith("{}", {}, 404)],
    ["that answers 301", () => answerWith("{}", { location: "https://evil.example" }, 301)],
    ["that answers 204", () => answerWith("", {}, 204)],
    ["that answers 304 to a first request", () => answerWith("", {}, 304)],
    ["of text/plain (client quirk Q21)", () => answerWith("{}", { "content-type": "text/plain" })],
    ["of text/html", () => answerWith("{}", { "content-type": "text/html" })],
    ["that is not JSON", () => answerWith("<html>")],
    ["that is a JSON list", () => answerWith("[]")],
    ["of another client_id", () => ({ client_id: "https://other.example/client.json" })],
    ["without client_id", () => ({ client_id: undefined })],
    ["without client_name", () => ({ client_name: undefined })],
    ["without redirect_uris", () => ({ redirect_uris: undefined })],
    ["with a javascript: redirect", () => ({ redirect_uris: ["javascript:alert(1)"] })],
    ["with a client_secret", () => ({ client_secret: "x" })],
    ["with client_secret_expires_at", () => ({ client_secret_expires_at: 0 })],
    ["that asks for client_secret_basic", () => ({ token_endpoint_auth_method: "client_secret_basic" })],
    ["that asks for client_secret_jwt", () => ({ token_endpoint_auth_method: "client_secret_jwt" })],
    ["that signs and has no keys", () => ({ token_endpoint_auth_method: "private_key_jwt" })],
    ["with a private key", () => ({ jwks: { keys: [{ kty: "EC", crv: "P-256", x: "x", y: "y", d: "d" }] } })],
  ];
  it.each(documents)(
    "§4: a document %s is told on a page of ours, without a redirect",
    async (_what, made) => {
      const answer = made();
      if ("status" in answer) site.answer = () => answer as PublicResponse;
      else site.serve(answer);
      const response = await c.authorize(c.requestOf(site.app));
      expect(response.status).toBe(400);
      expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
      expect(response.headers.get("location")).toBe(null);
    },
  );

  it("§4: application/*+json is JSON too", async () => {
    site.serve({}, { "content-type": "application/client-metadata+json; charset=utf-8" });
    expect(await ask()).toBe(303);
  });

  it("§4: a redirect_uri that the document does not list is told on a page", async () => {
    expect(await ask({ redirect_uri: "https://evil.example/callback" })).toBe(400);
  });

  it("client quirk Q24: the person is asked every time, and prompt=none is consent_required", async () => {
    const by = { person: await c.signIn(), browser: newBrowser() };
    await c.codeFor(site.app, {}, by);
    expect(approvalOf(await c.authorize(c.requestOf(site.app), by))).toMatch(/^[\w-]{22}$/);
    const silent = await c.authorize(c.requestOf(site.app, { prompt: "none" }), by);
    expect(new URL(silent.headers.get("location") ?? "").searchParams.get("error")).toBe("consent_required");
  });

  it("client quirk Q21: grants we do not offer are ignored, and a document never buys client_credentials", async () => {
    site.serve({ grant_types: ["authorization_code", "implicit", "client_credentials"] });
    await c.tokensFor(site.app);
    expect(await refusalOf(await c.token(site.app, { grant_type: "client_credentials" }))).toEqual({
      status: 400,
      error: "unauthorized_client",
    });
  });
});

describe("Client ID Metadata Document: clients in wide use", () => {
  it("Q18: Claude Code lists loopback without a port and comes from any", async () => {
    site.serve({ redirect_uris: ["http://localhost/callback", "http://127.0.0.1/callback"] });
    for (const host of ["localhost:51234", "127.0.0.1:8", "[::1]:65535", "localhost"]) {
      expect(await ask({ redirect_uri: `http://${host}/callback` })).toBe(303);
    }
    for (const uri of [
      "http://localhost:51234/callback/",
      "http://localhost:51234/other",
      "http://localhost.evil.example/callback",
      "https://localhost:51234/callback",
      "http://localhost:99999/callback",
    ]) {
      expect(await ask({ redirect_uri: uri })).toBe(400);
    }
  });

  it("Q18: VS Code lists a root path, where no path is the same", async () => {
    site.serve({ redirect_uris: ["http://127.0.0.1:33418/", "https://vscode.dev/redirect"] });
    expect(await ask({ redirect_uri: "http://127.0.0.1:50000" })).toBe(303);
    expect(await ask({ redirect_uri: "https://vscode.dev/redirect" })).toBe(303);
    expect(await ask({ redirect_uri: "https://vscode.dev/redirect/" })).toBe(400);
  });

  it("Q19: what prefers private_key_jwt is held to it, although its document lists none", async () => {
    site.serve({
      token_endpoint_auth_method: "private_key_jwt",
      token_endpoint_auth_methods_supported: ["none", "private_key_jwt"],
      jwks_uri: "https://chatgpt.com/oauth/jwks.json",
    });
    const response = await c.redeem(site.app, await c.codeFor(site.app));
    expect(await refusalOf(response)).toEqual({ status: 401, error: "invalid_client" });
  });
});

describe("Client ID Metadata Document: caching (RFC 9111, draft §4.4)", () => {
  const lifetimes: [string, Record<string, string>, number][] = [
    ["max-age", { "cache-control": "max-age=300" }, 300],
    ["s-maxage before max-age", { "cache-control": "max-age=10, s-maxage=600" }, 600],
    ["max-age less Age", { "cache-control": "max-age=300", age: "100" }, 200],
    ["no-store, for a minute all the same", { "cache-control": "no-store" }, 60],
    ["nothing, for a minute", {}, 60],
    ["a year, for a day", { "cache-control": "max-age=31536000" }, 86_400],
  ];
  it.each(lifetimes)("by %s", async (_what, headers, seconds) => {
    site.serve({}, headers);
    await ask();
    t.advance(seconds - 1);
    expect(await ask()).toBe(303);
    expect(site.asked.length).toBe(1);
    t.advance(1);
    expect(await ask()).toBe(303);
    expect(site.asked.length).toBe(2);
  });

  it("an unchanged document is asked for by its entity tag, and 304 keeps it", async () => {
    site.serve({}, { etag: '"v1"' });
    await ask();
    t.advance(60);
    site.answer = () => answerWith("", { "cache-control": "max-age=120" }, 304);
    expect(await ask()).toBe(303);
    t.advance(119);
    expect(await ask()).toBe(303);
    expect(site.asked).toEqual([{}, { etag: '"v1"' }]);
  });

  it("a hundred requests at once fetch one document once", async () => {
    const statuses = await Promise.all(Array.from({ length: 100 }, () => ask()));
    expect(new Set(statuses)).toEqual(new Set([303]));
    expect(site.asked.length).toBe(1);
  });

  it("a failure is not remembered: the next request asks again", async () => {
    const { answer } = site;
    site.answer = () => answerWith("", {}, 500);
    expect(await ask()).toBe(400);
    site.answer = answer;
    expect(await ask()).toBe(303);
    expect(site.asked.length).toBe(2);
  });

  it("a changed document counts: an address taken out of it gets no code and redeems none", async () => {
    await ask();
    t.advance(30);
    const code = await c.codeFor(site.app);
    site.serve({ redirect_uris: ["https://app.example/new"], client_name: "Renamed" });
    t.advance(30);
    expect(await ask({ redirect_uri: "https://app.example/new" })).toBe(303);
    expect(await ask()).toBe(400);
    expect(await refusalOf(await c.redeem(site.app, code))).toEqual({ status: 400, error: "invalid_grant" });
  });
});

describe("Client ID Metadata Document: an outage at the app's maker (client quirk Q22)", () => {
  it("stops new consent, while what was allowed goes on refreshing", async () => {
    const { refresh_token } = await c.tokensFor(site.app);
    t.advance(3600);
    site.answer = () => {
      throw new OutboundError("unreachable", "the host is down");
    };
    expect(await ask()).toBe(400);
    const response = await c.refresh(site.app, refresh_token);
    expect(response.status).toBe(200);
  });

  it("is not got round by asking until the budget for fetching is spent", async () => {
    await c.tokensFor(site.app);
    t.advance(3600);
    site.answer = () => {
      throw new OutboundError("unreachable", "the host is down");
    };
    const statuses = [];
    for (let asked = 0; asked < 8; asked++) statuses.push(await ask());
    expect(statuses).toEqual([...new Array(6).fill(400), 429, 429]);
  });

  it("the page and the log tell a fetch that failed from an app that is unknown", async () => {
    site.answer = () => {
      throw new OutboundError("timeout", "took too long");
    };
    const page = await (await c.authorize(c.requestOf(site.app))).text();
    expect(page).toContain(new URL(site.app.clientId).host);
    expect(page).toContain("did not arrive in time");
    expect(t.lines.join("")).toContain("client metadata document did not arrive in time");
  });

  it("at /token an app that was never seen is 401 invalid_client, and nothing is fetched", async () => {
    expect(await refusalOf(await c.refresh(site.app, "rt_x"))).toEqual({
      status: 401,
      error: "invalid_client",
    });
    expect(site.asked).toEqual([]);
  });
});
