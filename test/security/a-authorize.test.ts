import { beforeAll, describe, expect, it } from "vitest";
import { OutboundError } from "@/lib/outbound/public-fetch";
import { type App, approvalOf, formOf, newBrowser, type Person, pkce, tokensOf } from "@/test/support/client";
import { unique } from "@/test/support/context";
import { unchanged } from "@/test/support/digest";
import { type PublicServer, publicServer } from "@/test/support/public-server";

let s: PublicServer;
let app: App;
let ada: Person;
let resource: string;
let fetched: string[];

beforeAll(async () => {
  fetched = [];
  s = await publicServer({
    fetchPublic: async (url) => {
      fetched.push(url.href);
      throw new OutboundError("unreachable", "nothing here is fetched");
    },
  });
  app = await s.createApp();
  resource = await s.createResource(["read", "write"]);
  ada = await s.c.signIn();
});

/** The request of an app for the resource, from Ada's browser. */
const ask = (params: Record<string, string | readonly string[] | undefined> = {}, as: App = app) =>
  s.c.authorize(s.c.requestOf(as, { resource, state: "st", ...params }), { person: ada });

/** The three things that make an answer a page and no redirect. */
const pageOf = ({ status, headers }: Response) => ({
  status,
  location: headers.get("location"),
  type: headers.get("content-type"),
});
const PAGE = { status: 400, location: null, type: "text/html; charset=utf-8" };

/** Where a refusal was sent, and what it says. */
function sentOf({ status, headers }: Response) {
  const location = new URL(headers.get("location") ?? "about:blank");
  const get = (name: string) => location.searchParams.getAll(name).join();
  return {
    status,
    to: `${location.origin}${location.pathname}`,
    error: get("error"),
    state: get("state"),
    iss: get("iss"),
    code: get("code"),
  };
}
const sent = (error: string, state = "st") => ({
  status: 303,
  to: app.redirectUri,
  error,
  state,
  iss: "https://auth.example.com",
  code: "",
});

describe("redirect URIs", () => {
  it("1: an unregistered redirect_uri is a page and no redirect", async () => {
    const response = await unchanged(s.t, () => ask({ redirect_uri: "https://evil.example/cb" }));
    expect(pageOf(response)).toEqual(PAGE);
  });

  it.each([
    ["a slash more", (uri: string) => `${uri}/`],
    ["a query", (uri: string) => `${uri}?x=1`],
    ["upper case", (uri: string) => uri.replace("/cb", "/CB")],
    ["an upper-case scheme and host", (uri: string) => uri.replace("/cb", "").toUpperCase().concat("/cb")],
    ["the default port", (uri: string) => uri.replace("/cb", ":443/cb")],
    ["a fragment", (uri: string) => `${uri}#f`],
    ["a dot segment", (uri: string) => uri.replace("/cb", "/./cb")],
    ["two dots", (uri: string) => uri.replace("/cb", "/x/../cb")],
    ["percent-encoding", (uri: string) => uri.replace("/cb", "/%63b")],
    ["a user name", (uri: string) => uri.replace("https://", "https://a@")],
    ["a host behind an @", (uri: string) => `${uri}@evil.example`],
    ["white space", (uri: string) => ` ${uri}`],
  ])("4: %s in a redirect_uri is another one", async (_, change) => {
    const response = await unchanged(s.t, () => ask({ redirect_uri: change(app.redirectUri) }));
    expect(pageOf(response)).toEqual(PAGE);
  });

  it("6: a dot of a registered host stands for itself alone", async () => {
    const host = unique("a");
    const dotted = await s.createApp({ redirect_uris: [`https://app.${host}.example/cb`] });
    const response = await ask({ redirect_uri: `https://appX${host}.example/cb` }, dotted);
    expect(pageOf(response)).toEqual(PAGE);
  });

  describe("7: of a loopback redirect_uri only the port and the name may differ", () => {
    let native: App;
    beforeAll(async () => {
      native = await s.createApp({ redirect_uris: ["http://127.0.0.1/cb"] });
    });

    it.each([
      "http://127.0.0.1:53211/cb",
      "http://localhost:53211/cb",
      "http://[::1]:53211/cb",
      "http://localhost/cb",
    ])("%s is accepted", async (uri) => {
      expect(approvalOf(await ask({ redirect_uri: uri }, native))).toMatch(/^[\w-]{22}$/);
    });

    it.each([
      "http://127.0.0.1.evil.example/cb",
      "http://localhost.evil.example/cb",
      "http://127.1/cb",
      "http://2130706433/cb",
      "http://0x7f.0.0.1/cb",
      "http://0.0.0.0/cb",
      "http://127.0.0.2/cb",
      "https://127.0.0.1:53211/cb",
      "http://127.0.0.1:53211/other",
      "http://127.0.0.1:53211/cb?x=1",
      "http://127.0.0.1:70000/cb",
      "http://127.0.0.1:1@evil.example/cb",
      "http://evil.example:1/cb",
      "http://[::ffff:127.0.0.1]/cb",
    ])("%s is refused", async (uri) => {
      expect(pageOf(await unchanged(s.t, () => ask({ redirect_uri: uri }, native)))).toEqual(PAGE);
    });
  });

  it("12: a client without redirect URIs is never redirected to", async () => {
    const service = await s.createService();
    const named = await ask({ redirect_uri: "https://evil.example/cb" }, service);
    const unnamed = await ask({ redirect_uri: undefined }, service);
    expect([pageOf(named), pageOf(unnamed)]).toEqual([PAGE, PAGE]);
  });

  /** Requests that go wrong in one of many ways, the same ones in every run. */
  function malformedRequests(count: number): URLSearchParams[] {
    let seed = 28;
    const pick = <T>(values: readonly T[]): T | undefined => {
      seed = (seed * 48_271) % 2_147_483_647;
      return values[seed % values.length];
    };
    const hostile = [
      "https://evil.example/cb",
      "//evil.example",
      "javascript:alert(1)",
      "",
      "\r\nx: y",
      "%00",
    ];
    return Array.from({ length: count }, () => {
      const params = formOf(s.c.requestOf(app, { resource }));
      const name = pick([...params.keys(), "state", "prompt", "request_uri", "response_mode"]) ?? "";
      const change = pick(["append", "set"] as const) ?? "set";
      params[change](name, pick(hostile) ?? "");
      if (pick([true, false, false])) params.set("redirect_uri", "https://evil.example/cb");
      return params;
    });
  }

  it("28: of 200 malformed requests none is sent to another origin, and none fails", async () => {
    const hosts = ["auth.example.com", new URL(app.redirectUri).host];
    const wrong: string[] = [];
    for (const params of malformedRequests(200)) {
      const { status, headers } = await s.c.call(`/authorize?${params}`, {
        headers: s.c.cookies({ person: ada }),
      });
      const { host } = new URL(headers.get("location") ?? "/", "https://auth.example.com");
      if (status >= 500 || !hosts.includes(host)) wrong.push(`${status} ${host} ${params}`);
    }
    expect(wrong).toEqual([]);
  });
});

describe("clients", () => {
  it("10: an unknown client_id is a page that does not repeat it", async () => {
    const response = await unchanged(s.t, () => ask({ client_id: "<script>alert('x7q')</script>" }));
    expect([pageOf(response), (await response.text()).includes("x7q")]).toEqual([PAGE, false]);
  });

  it("11: a disabled client is a page", async () => {
    const disabled = await s.createApp();
    await s.setClientStatus(disabled, "disabled");
    expect(pageOf(await unchanged(s.t, () => ask({}, disabled)))).toEqual(PAGE);
  });
});

describe("parameters", () => {
  it.each(["client_id", "redirect_uri"])("9: %s twice is a page", async (name) => {
    const value = name === "client_id" ? app.clientId : app.redirectUri;
    expect(pageOf(await unchanged(s.t, () => ask({ [name]: [value, value] })))).toEqual(PAGE);
  });

  it.each([
    ["scope", ["read", "write"]],
    ["code_challenge", [pkce().challenge, pkce().challenge]],
    ["response_type", ["code", "code"]],
    ["nonce", ["a", "b"]],
  ])("9: %s twice is invalid_request", async (name, values) => {
    expect(sentOf(await unchanged(s.t, () => ask({ [name]: values })))).toEqual(sent("invalid_request"));
  });

  it("9: state twice is invalid_request, and neither is given back", async () => {
    expect(sentOf(await ask({ state: ["a", "b"] }))).toEqual(sent("invalid_request", ""));
  });

  it("9: the same resource twice is one (RFC 8707 §2)", async () => {
    expect(approvalOf(await ask({ resource: [resource, resource] }))).toMatch(/^[\w-]{22}$/);
  });

  it.each(["token", "id_token", "code token", "none"])(
    "14: response_type=%s is unsupported_response_type",
    async (responseType) => {
      const response = await unchanged(s.t, () => ask({ response_type: responseType }));
      expect(sentOf(response)).toEqual(sent("unsupported_response_type"));
    },
  );

  it.each(["form_post", "fragment", "web_message"])(
    "15: response_mode=%s is invalid_request",
    async (responseMode) => {
      const response = await unchanged(s.t, () => ask({ response_mode: responseMode }));
      expect(sentOf(response)).toEqual(sent("invalid_request"));
    },
  );

  it("16: without code_challenge public and confidential clients are refused alike", async () => {
    const confidential = await s.createApp({ token_endpoint_auth_method: "client_secret_basic" });
    const first = await unchanged(s.t, () => ask({ code_challenge: undefined }));
    const second = await unchanged(s.t, () => ask({ code_challenge: undefined }, confidential));
    expect([sentOf(first).error, sentOf(second).error]).toEqual(["invalid_request", "invalid_request"]);
  });

  it.each(["plain", undefined, "s256", "S512"])(
    "17: code_challenge_method=%s is invalid_request",
    async (method) => {
      const response = await unchanged(s.t, () => ask({ code_challenge_method: method }));
      expect(sentOf(response)).toEqual(sent("invalid_request"));
    },
  );

  it("17: a challenge that no verifier can match is invalid_request", async () => {
    expect(sentOf(await ask({ code_challenge: "x" }))).toEqual(sent("invalid_request"));
  });

  it("19: code and error carry iss once, the issuer of the metadata byte for byte (RFC 9207)", async () => {
    const { issuer } = await (await s.c.call("/.well-known/oauth-authorization-server")).json();
    const success = await s.c.answerFor(app, { resource });
    const failure = new URL((await ask({ response_type: "token" })).headers.get("location") ?? "");
    expect([success, failure].map(({ searchParams }) => searchParams.getAll("iss"))).toEqual([
      [issuer],
      [issuer],
    ]);
  });

  it("20, D24: a hostile state of 4 KB comes back as it was, in one parameter", async () => {
    const hostile = '&code=x#"><script>\r\nset-cookie: a=b';
    const state = hostile + "s".repeat(4096 - hostile.length);
    const location = await s.c.answerFor(app, { resource, state });
    const { searchParams, hash } = location;
    expect([searchParams.getAll("state"), searchParams.getAll("code").length, hash]).toEqual([
      [state],
      1,
      "",
    ]);
  });

  it("20, D24: a state beyond 4 KB is invalid_request and not given back", async () => {
    const response = await unchanged(s.t, () => ask({ state: "s".repeat(4097) }));
    expect(sentOf(response)).toEqual(sent("invalid_request", ""));
  });

  it("21, D21: a request for unknown scopes only is invalid_scope", async () => {
    const response = await unchanged(s.t, () => ask({ scope: "admin:root everything" }));
    expect(sentOf(response)).toEqual(sent("invalid_scope"));
  });

  it("21, D21: an unknown scope beside a known one is dropped, and never granted", async () => {
    const tokens = await s.c.tokensFor(app, { resource, scope: "read admin:root" });
    expect(tokens.scope).toBe("read");
  });

  it("21: a scope the resource offers but the client was not registered for is not granted", async () => {
    const reader = await s.createApp({ scope: "read" });
    expect(sentOf(await ask({ scope: "write" }, reader)).error).toBe("invalid_scope");
  });

  it.each([
    "https://elsewhere.example/mcp",
    "http://api.example/",
    "https://api.example/#f",
    "/v1",
    "v1",
    "urn:x:y",
  ])("22: resource=%s is invalid_target", async (unknown) => {
    const response = await unchanged(s.t, () => ask({ resource: unknown }));
    expect(sentOf(response)).toEqual(sent("invalid_target"));
  });

  it("23: request and request_uri are refused by name, and nothing is fetched", async () => {
    fetched = [];
    const byValue = await unchanged(s.t, () => ask({ request: "eyJhbGciOiJub25lIn0.e30." }));
    const byReference = await unchanged(s.t, () => ask({ request_uri: "https://evil.example/request.jwt" }));
    expect([sentOf(byValue), sentOf(byReference), fetched]).toEqual([
      sent("request_not_supported"),
      sent("request_uri_not_supported"),
      [],
    ]);
  });
});

describe("prompt=none", () => {
  it("25: without a session it is login_required", async () => {
    const response = await s.c.authorize(s.c.requestOf(app, { resource, state: "st", prompt: "none" }));
    expect(sentOf(response)).toEqual(sent("login_required"));
  });

  it("25: without consent it is consent_required", async () => {
    expect(sentOf(await ask({ prompt: "none" }))).toEqual(sent("consent_required"));
  });

  it("25: an app that registered itself is asked about again, whatever was allowed before", async () => {
    const dynamic = await s.c.registerPublic();
    const from = { person: ada, browser: newBrowser() };
    await s.c.tokensFor(dynamic, { resource }, from);
    const silent = await s.c.authorize(s.c.requestOf(dynamic, { resource, prompt: "none" }), from);
    expect(sentOf(silent).error).toBe("consent_required");
  });

  it("25, Q24: a remembered answer is not used when another site sent the browser here", async () => {
    const from = { person: await s.c.signIn(), browser: newBrowser() };
    await s.c.tokensFor(app, { resource }, from);
    const silently = (site: string) =>
      s.c.authorize(s.c.requestOf(app, { resource, prompt: "none" }), from, { "sec-fetch-site": site });
    const errors = [];
    for (const site of ["cross-site", "same-site", "none", "same-origin"])
      errors.push(sentOf(await silently(site)).error);
    expect(errors).toEqual(["consent_required", "consent_required", "", ""]);
  });
});

describe("answers", () => {
  it("2: a consent post changes nothing of the request it answers (CVE-2025-4143)", async () => {
    const from = { person: ada, browser: newBrowser() };
    const { verifier, challenge } = pkce();
    const asked = await s.c.authorize(
      s.c.requestOf(app, { resource, scope: "read", state: "st", code_challenge: challenge }),
      from,
    );
    const id = approvalOf(asked) ?? "";
    const answered = await s.c.post(
      `/approve/${id}/decision`,
      `decide ${id}`,
      {
        decision: "allow",
        scope: ["read", "write", "admin:root"],
        redirect_uri: "https://evil.example/steal",
        client_id: "another",
        code_challenge: pkce().challenge,
        resource: "https://evil.example/",
        state: "other",
      },
      from,
    );
    const location = new URL(answered.headers.get("location") ?? "");
    expect([`${location.origin}${location.pathname}`, location.searchParams.get("state")]).toEqual([
      app.redirectUri,
      "st",
    ]);
    const code = location.searchParams.get("code") ?? "";
    const tokens = await tokensOf(await s.c.redeem(app, { code, verifier }));
    const { aud } = await s.introspect(tokens.access_token);
    expect([tokens.scope, aud]).toEqual(["read", resource]);
  });

  it("3: nobody signed in, another person and another browser get no code from a consent post", async () => {
    const browser = newBrowser();
    const eve = await s.c.signIn();
    const asked = await s.c.authorize(s.c.requestOf(app, { resource }), { person: ada, browser });
    const id = approvalOf(asked) ?? "";
    // Ada has seen it: from here on the question is hers.
    await s.c.call(`/authorize/${id}`, { headers: s.c.cookies({ person: ada, browser }) });
    const path = `/approve/${id}/decision`;
    const fields = { decision: "allow", scope: ["read", "write"] };
    const anonymous = await unchanged(s.t, () =>
      s.c.form(path, fields, { ...s.c.cookies({ browser }), origin: "https://auth.example.com" }),
    );
    const otherPerson = await unchanged(s.t, () =>
      s.c.post(path, `decide ${id}`, fields, { person: eve, browser }),
    );
    const otherBrowser = await unchanged(s.t, () =>
      s.c.post(path, `decide ${id}`, fields, { person: ada, browser: newBrowser() }),
    );
    expect([anonymous.status, anonymous.headers.get("location")]).toEqual([
      303,
      `/login?continue=${encodeURIComponent(`/approve/${id}`)}`,
    ]);
    expect(
      [otherPerson, otherBrowser].map(({ status, headers }) => [status, headers.get("location")]),
    ).toEqual([
      [403, null],
      [403, null],
    ]);
  });

  it("26: the page of a refusal cannot be framed", async () => {
    const { headers } = await s.c.authorize(
      s.c.requestOf(app, { redirect_uri: "https://evil.example/cb" }),
      { person: ada },
      { "sec-fetch-dest": "iframe" },
    );
    expect([
      headers.get("content-security-policy")?.includes("frame-ancestors 'none'"),
      headers.get("x-frame-options"),
    ]).toEqual([true, "DENY"]);
  });

  it("27: every redirect is 303, so that no browser repeats a post (RFC 9700 §4.12)", async () => {
    const from = { person: ada, browser: newBrowser() };
    const asked = await s.c.form("/authorize", s.c.requestOf(app, { resource }), s.c.cookies(from));
    const answered = await s.c.consent(approvalOf(asked) ?? "", from);
    const refused = await s.c.form("/authorize", s.c.requestOf(app, { response_type: "token" }));
    const anonymous = await s.c.form("/authorize", s.c.requestOf(app, { resource }));
    expect([asked, answered, refused, anonymous].map(({ status }) => status)).toEqual([303, 303, 303, 303]);
  });
});
