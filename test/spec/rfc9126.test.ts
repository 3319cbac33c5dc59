import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { PublicResponse } from "@/lib/outbound/public-fetch";
import {
  type App,
  approvalOf,
  basic,
  newBrowser,
  type Person,
  refusalOf,
  tokensOf,
} from "@/test/support/client";
import { twoInstances, unique } from "@/test/support/context";
import { denialsOf } from "@/test/support/denials";
import { dumpOf, unchanged } from "@/test/support/digest";
import { operate, PUBLIC_ENV, type PublicServer, publicServer } from "@/test/support/public-server";
import { linkOf, push, pushedCode } from "@/test/support/pushed";

const ISSUER = "https://auth.example.com";

let s: PublicServer;
let other: PublicServer;
let close: () => Promise<void>;
let app: App;
let confidential: App;
let resource: string;
let ada: Person;

beforeAll(async () => {
  const [first, second, end] = await twoInstances({ env: PUBLIC_ENV });
  [s, other, close] = [operate(first), operate(second), end];
  resource = await s.createResource(["read", "write"]);
  app = await s.createApp();
  confidential = await s.createApp({ token_endpoint_auth_method: "client_secret_basic" });
  ada = await s.c.signIn();
});
afterAll(() => close());

type Params = Record<string, string | readonly string[] | undefined>;
const pushed = (params: Params = {}, as = app) => push(s.c, as, { resource, state: "st", ...params });
const link = async (params: Params = {}, as = app) => linkOf(as, await pushed(params, as));
const from = () => ({ person: ada, browser: newBrowser() });

/** What makes an answer a page of ours and no redirect. */
const pageOf = ({ status, headers }: Response) => [
  status,
  headers.get("location"),
  headers.get("content-type"),
];
const PAGE = [400, null, "text/html; charset=utf-8"];

describe("RFC 9126 §2: pushing a request", () => {
  it("§2.2: 201 with a request_uri that nobody can guess, and how long it lives", async () => {
    const response = await pushed();
    const { request_uri, ...rest } = await response.json();
    expect([response.status, rest, response.headers.get("cache-control")]).toEqual([
      201,
      { expires_in: 60 },
      "no-store",
    ]);
    // 256 bits, where the section wants 128 at least.
    expect(request_uri).toMatch(/^urn:ietf:params:oauth:request_uri:[\w-]{43}$/);
    expect(await dumpOf(s.t.ctx)).not.toContain(request_uri);
  });

  it("§2.1: AUTHGENT_PAR_TTL is how long", async () => {
    const brief = await publicServer({ env: { AUTHGENT_PAR_TTL: "5" } });
    expect((await (await push(brief.c, app)).json()).expires_in).toBe(5);
  });

  it("§5: the metadata names the endpoint, and that pushing is not required", async () => {
    const metadata = await (await s.c.call("/.well-known/oauth-authorization-server")).json();
    expect([
      metadata.pushed_authorization_request_endpoint,
      metadata.require_pushed_authorization_requests,
    ]).toEqual([`${ISSUER}/par`, false]);
  });

  it("§2.1: a confidential client proves itself as at the token endpoint", async () => {
    expect((await pushed({}, confidential)).status).toBe(201);
    const fields = s.c.requestOf(confidential, { resource });
    const inBody = { ...fields, client_secret: confidential.secret };
    expect((await s.c.form("/par", inBody)).status).toBe(201);
    const wrong = basic({ ...confidential, secret: "wrong" });
    for (const headers of [{}, wrong]) {
      const response = await unchanged(s.t, () => s.c.form("/par", fields, headers));
      expect([response.headers.get("www-authenticate")?.slice(0, 6), await refusalOf(response)]).toEqual([
        "Basic ",
        { status: 401, error: "invalid_client" },
      ]);
    }
  });

  it("§2.1: no secret is kept with the request", async () => {
    const fields = { ...s.c.requestOf(confidential, { resource }), client_secret: confidential.secret };
    expect((await s.c.form("/par", fields)).status).toBe(201);
    expect(await dumpOf(s.t.ctx)).not.toContain(confidential.secret);
  });

  it.each(["GET", "PUT", "DELETE"])("§2.3: %s is 405", async (method) => {
    const response = await s.c.call("/par", { method });
    expect([response.status, response.headers.get("allow")]).toEqual([405, "POST, OPTIONS"]);
  });

  it("RFC 10017: a browser client may push", async () => {
    const response = await s.c.form("/par", s.c.requestOf(app), { origin: "https://spa.example" });
    expect([response.status, response.headers.get("access-control-allow-origin")]).toEqual([201, "*"]);
  });
});

describe("RFC 9126 §2.3: what is refused when it is pushed, to the client itself", () => {
  const refusals: [string, Params, string][] = [
    ["§2.1: a request_uri", { request_uri: "urn:ietf:params:oauth:request_uri:x" }, "invalid_request"],
    ["a request object", { request: "eyJhbGciOiJub25lIn0.e30." }, "request_not_supported"],
    ["an unregistered redirect_uri", { redirect_uri: "https://evil.example/cb" }, "invalid_request"],
    ["a scope nobody knows", { scope: "nobody:knows" }, "invalid_scope"],
    ["a resource nobody knows", { resource: "https://nobody.example" }, "invalid_target"],
    ["a resource with a fragment", { resource: `https://nobody.example#x` }, "invalid_target"],
    ["another response_type", { response_type: "token" }, "unsupported_response_type"],
    ["no response_type", { response_type: undefined }, "invalid_request"],
    ["§2.1, RFC 7636: no code_challenge", { code_challenge: undefined }, "invalid_request"],
    ["RFC 7636: the plain method", { code_challenge_method: "plain" }, "invalid_request"],
    ["RFC 7636: no method", { code_challenge_method: undefined }, "invalid_request"],
    ["a parameter twice", { state: ["a", "b"] }, "invalid_request"],
    ["two resources", { resource: ["https://a.example", "https://b.example"] }, "invalid_target"],
    ["a state beyond 4 KiB", { state: "s".repeat(4097) }, "invalid_request"],
    ["a nonce beyond 4 KiB", { nonce: "n".repeat(4097) }, "invalid_request"],
    ["prompt=none with another", { prompt: "none login" }, "invalid_request"],
  ];
  it.each(refusals)("%s", async (_, params, error) => {
    for (const as of [app, confidential]) {
      const response = await unchanged(s.t, () => pushed(params, as));
      expect(await refusalOf(response)).toEqual({ status: 400, error });
    }
  });

  it("a client that may have no codes", async () => {
    const service = await s.createService();
    const response = await unchanged(s.t, () => push(s.c, service, { redirect_uri: undefined }));
    expect(await refusalOf(response)).toEqual({ status: 400, error: "invalid_request" });
    const both = await s.createService({ redirect_uris: ["https://app.example/cb"] });
    expect(await refusalOf(await push(s.c, both))).toEqual({ status: 400, error: "unauthorized_client" });
  });

  it("a client that is not there, or not any more", async () => {
    const gone = await s.createApp();
    await s.setClientStatus(gone, "disabled");
    for (const nobody of [gone, { ...app, clientId: "app_nobody" }]) {
      const response = await unchanged(s.t, () => push(s.c, nobody));
      expect(await refusalOf(response)).toEqual({ status: 401, error: "invalid_client" });
    }
  });

  it("§2.3: a body that is no form, and one beyond 64 KiB", async () => {
    const json = await unchanged(s.t, () => s.c.json("/par", s.c.requestOf(app)));
    expect(await refusalOf(json)).toEqual({ status: 400, error: "invalid_request" });
    const long = await unchanged(s.t, () => pushed({ padding: "p".repeat(65_536) }));
    expect(await refusalOf(long)).toEqual({ status: 413, error: "content_too_large" });
  });

  it("D26: what a client that proved itself is refused leaves a row, what a name alone is refused does not", async () => {
    const known = await s.createApp({ token_endpoint_auth_method: "client_secret_basic" });
    await pushed({ scope: "nobody:knows" }, known);
    const unproven = await s.createApp();
    await pushed({ scope: "nobody:knows" }, unproven);
    expect(await denialsOf(s.t, known)).toEqual([["request.denied", "invalid_scope", expect.any(String)]]);
    expect(await denialsOf(s.t, unproven)).toEqual([]);
  });
});

describe("RFC 9126 §4: using it", () => {
  it("leads the person to the question, and the app to its code, with state and iss", async () => {
    for (const as of [app, confidential]) {
      const answer = await s.c.answerTo(await link({ nonce: "n", scope: "read" }, as), { person: ada });
      expect(`${answer.origin}${answer.pathname}`).toBe(as.redirectUri);
      expect([...answer.searchParams.keys()].sort()).toEqual(["code", "iss", "state"]);
      expect([answer.searchParams.get("state"), answer.searchParams.get("iss")]).toEqual(["st", ISSUER]);
    }
  });

  it("redeems as any other code does: PKCE, scope and resource are those that were pushed", async () => {
    const code = await pushedCode(s.c, app, { resource, scope: "read" });
    const tokens = await tokensOf(await s.c.redeem(app, code, { resource }));
    expect(tokens.scope).toBe("read");
    const { aud } = await s.introspect(tokens.access_token);
    expect(aud).toBe(resource);
    const second = await pushedCode(s.c, app, { resource });
    const wrong = await s.c.redeem(app, { ...second, verifier: code.verifier });
    expect(await refusalOf(wrong)).toEqual({ status: 400, error: "invalid_grant" });
  });

  it("a state of 4 KiB of anything comes back as it was", async () => {
    const state = `&code=x#"><\r\n é ${"s".repeat(4000)}`;
    const answer = await s.c.answerTo(await link({ state }), { person: ada });
    expect([answer.searchParams.get("state"), answer.searchParams.getAll("code").length]).toEqual([state, 1]);
  });

  it("ignores what stands beside client_id and request_uri (RFC 9101 §5)", async () => {
    const beside = {
      redirect_uri: "https://evil.example/cb",
      state: "other",
      scope: "write",
      response_type: "token",
      code_challenge: "x",
      resource: "https://evil.example",
      prompt: "none",
    };
    const answer = await s.c.answerTo({ ...(await link({ scope: "read" })), ...beside }, { person: ada });
    expect([`${answer.origin}${answer.pathname}`, answer.searchParams.get("state")]).toEqual([
      app.redirectUri,
      "st",
    ]);
    expect(answer.searchParams.get("code")).not.toBe(null);
  });

  it("is for one use: the second is told on a page what to do, and sent nowhere", async () => {
    const once = await link();
    expect((await s.c.authorize(once, from())).status).toBe(303);
    const again = await unchanged(s.t, () => s.c.authorize(once, from()));
    expect(pageOf(again)).toEqual(PAGE);
    const page = await again.text();
    expect(page).toContain("This link no longer works");
    expect(page).toContain("Go back to the app and start again there.");
  });

  it("50 uses at once, on two instances, lead to one question", async () => {
    const once = await link({ prompt: "consent" });
    const uses = Array.from({ length: 50 }, (_, index) => (index % 2 ? s : other).c.authorize(once, from()));
    const answers = await Promise.all(uses);
    const [asked, ...others] = answers.sort((one, another) => one.status - another.status);
    expect(approvalOf(asked ?? Response.error())).toMatch(/^[\w-]{22}$/);
    expect(others.map(pageOf)).toEqual(Array.from({ length: 49 }, () => PAGE));
  });

  it("is its client's: another's name with it is refused, and uses nothing up", async () => {
    const once = await link();
    const thief = await s.createApp();
    const stolen = { ...once, client_id: thief.clientId };
    expect(pageOf(await unchanged(s.t, () => s.c.authorize(stolen, from())))).toEqual(PAGE);
    expect(
      pageOf(await unchanged(s.t, () => s.c.authorize({ ...once, client_id: undefined }, from()))),
    ).toEqual(PAGE);
    expect((await s.c.authorize(once, from())).status).toBe(303);
  });

  it("lives as long as it says, and not longer", async () => {
    const mine = await publicServer();
    const fresh = await linkOf(app, await push(mine.c, app));
    const old = await linkOf(app, await push(mine.c, app));
    mine.t.advance(59);
    expect((await mine.c.authorize(fresh, from())).status).toBe(303);
    mine.t.advance(1);
    expect(pageOf(await mine.c.authorize(old, from()))).toEqual(PAGE);
  });

  it.each(["urn:ietf:params:oauth:request_uri:made-up", "urn:ietf:params:oauth:request_uri:"])(
    "%s was never given out",
    async (request_uri) => {
      const asked = { client_id: app.clientId, request_uri };
      expect(pageOf(await unchanged(s.t, () => s.c.authorize(asked, from())))).toEqual(PAGE);
    },
  );

  it("two of them, or two clients, are a page and use nothing up", async () => {
    const [first, second] = [await link(), await link()];
    const pairs = [
      { ...first, request_uri: [`${first.request_uri}`, `${second.request_uri}`] },
      { ...first, request_uri: ["https://app.example/request", `${first.request_uri}`] },
      { ...first, client_id: [app.clientId, app.clientId] },
    ];
    for (const pair of pairs)
      expect(pageOf(await unchanged(s.t, () => s.c.authorize(pair, from())))).toEqual(PAGE);
    expect((await s.c.authorize(first, from())).status).toBe(303);
  });

  it("a request_uri of the app's own is none of ours (JAR), and is fetched by nobody", async () => {
    const answer = await s.c.answerFor(app, { resource, request_uri: "https://app.example/request" });
    expect(answer.searchParams.get("error")).toBe("request_uri_not_supported");
  });

  it("is checked again: what was withdrawn since is refused, to the client where there is one", async () => {
    const changed = await s.createApp();
    const [first, second] = [await link({}, changed), await link({ prompt: "none" }, changed)];
    const refused = await s.c.answerTo(second, { person: ada });
    const told = ["error", "state", "iss"].map((name) => refused.searchParams.get(name));
    expect(told).toEqual(["consent_required", "st", ISSUER]);
    await s.setClientStatus(changed, "disabled");
    expect(pageOf(await s.c.authorize(first, from()))).toEqual(PAGE);
  });

  it("OIDC Core §3.1.2.1: prompt=login asks for one sign-in, and comes to the question", async () => {
    const mine = await publicServer();
    const [person, browser] = [await mine.c.signIn(), newBrowser()];
    mine.t.advance(1);
    const pushedLogin = await push(mine.c, app, { resource, prompt: "login" });
    const asked = await mine.c.authorize(await linkOf(app, pushedLogin), { person, browser });
    const login = asked.headers.get("location") ?? "";
    const back = new URL(login, ISSUER).searchParams.get("continue") ?? "";
    expect(login).toMatch(/^\/login\?continue=/);
    const resume = (session: string) =>
      mine.c.call(back, { headers: mine.c.cookies({ person: { ...person, session }, browser }) });
    // Coming back without a new sign-in leads to it again, and uses nothing up.
    expect((await resume(person.session)).headers.get("location")).toBe(login);
    mine.t.advance(1);
    const resumed = await resume(await mine.c.signInAgain(person.user));
    expect(approvalOf(resumed)).toMatch(/^[\w-]{22}$/);
  });
});

describe("RFC 9126 §5, §6: where pushing is required", () => {
  it("§6: of a client that registered it", async () => {
    const strict = await s.createApp({ require_pushed_authorization_requests: true });
    const answer = await unchanged(s.t, () =>
      s.c.answerFor(strict, { resource, state: "st" }, { person: ada }),
    );
    expect([
      answer.searchParams.get("error"),
      answer.searchParams.get("state"),
      answer.searchParams.get("iss"),
    ]).toEqual(["invalid_request", "st", ISSUER]);
    expect((await s.c.redeem(strict, await pushedCode(s.c, strict, { resource }))).status).toBe(200);
  });

  it("§5: of everybody, where the operator set AUTHGENT_REQUIRE_PAR, and the metadata says so", async () => {
    const strict = await publicServer({ env: { AUTHGENT_REQUIRE_PAR: "true" } });
    const metadata = await (await strict.c.call("/.well-known/oauth-authorization-server")).json();
    expect(metadata.require_pushed_authorization_requests).toBe(true);
    const plain = await strict.c.answerFor(app, { resource });
    expect(plain.searchParams.get("error")).toBe("invalid_request");
    // A request_uri of somebody else's is no way around it.
    const foreign = await strict.c.answerFor(app, { resource, request_uri: "https://app.example/request" });
    expect(foreign.searchParams.get("error")).toBe("invalid_request");
    expect((await strict.c.redeem(app, await pushedCode(strict.c, app, { resource }))).status).toBe(200);
  });
});

describe("an app that describes itself (draft-ietf-oauth-client-id-metadata-document-02)", () => {
  it("§4: may be met at this endpoint first", async () => {
    const clientId = `https://${unique("app")}.example/client.json`;
    const redirectUri = "https://app.example/cb";
    const document = { client_id: clientId, client_name: "Notes", redirect_uris: [redirectUri] };
    const fetched: string[] = [];
    const mine = await publicServer({
      fetchPublic: async (url): Promise<PublicResponse> => {
        fetched.push(url.href);
        const headers = new Headers({ "content-type": "application/json" });
        return { status: 200, headers, body: JSON.stringify(document) };
      },
    });
    const notes = { clientId, redirectUri };
    const code = await pushedCode(mine.c, notes);
    expect((await mine.c.redeem(notes, code)).status).toBe(200);
    expect(fetched).toEqual([clientId]);
  });

  it("§4: whose document cannot be read is refused", async () => {
    const nobody = {
      clientId: `https://${unique("app")}.example/client.json`,
      redirectUri: "https://a.example",
    };
    const mine = await publicServer({
      fetchPublic: async () => ({ status: 404, headers: new Headers(), body: "" }),
    });
    const response = await unchanged(mine.t, () => push(mine.c, nobody));
    expect(await refusalOf(response)).toEqual({ status: 401, error: "invalid_client" });
  });
});
