import { beforeEach, describe, expect, it } from "vitest";
import {
  ADMIN_KEY,
  type App,
  approvalOf,
  type Connection,
  connect,
  newBrowser,
  type Person,
  publicServer,
} from "@/test/support/client";
import { type TestContext, testContext } from "@/test/support/context";

let t: TestContext;
let c: Connection;
/** An app the operator registered, the only kind whose remembered consent counts. */
let app: App;
let person: Person;
let browser: string;

beforeEach(async () => {
  t = await testContext({ env: publicServer });
  c = connect(t);
  const redirect_uris = ["https://app.example/callback"];
  const body = { client_name: "Known", redirect_uris, token_endpoint_auth_method: "none" };
  const { client_id } = await (await c.json("/clients", body, { "x-admin-key": ADMIN_KEY })).json();
  app = { clientId: client_id, redirectUri: "https://app.example/callback" };
  person = await c.signIn();
  browser = newBrowser();
});

const ask = (params: Record<string, string>, by: { person?: Person } = { person }, headers = {}) =>
  c.authorize(c.requestOf(app, params), { ...by, browser }, headers);

/** Where a request leads: to sign in, to the question, or to the app with a code or an error. */
function whereTo(response: Response): string {
  const location = response.headers.get("location") ?? "";
  if (location.startsWith("/login?")) return "sign-in";
  if (location.startsWith("/approve/")) return "question";
  const { searchParams } = new URL(location);
  return searchParams.get("error") ?? (searchParams.has("code") ? "code" : location);
}

/** The person answers once, so that the answer stands. */
const remember = () => c.codeFor(app, {}, { person, browser });

describe("OpenID Connect Core §3.1.2.1: prompt", () => {
  it("none: login_required when nobody is signed in", async () => {
    expect(whereTo(await ask({ prompt: "none" }, {}))).toBe("login_required");
  });

  it("none: consent_required when the person was never asked", async () => {
    expect(whereTo(await ask({ prompt: "none" }))).toBe("consent_required");
  });

  it("none: a code when the person allowed it before", async () => {
    await remember();
    expect(whereTo(await ask({ prompt: "none" }))).toBe("code");
  });

  it("none: consent_required for more than the person allowed before", async () => {
    const resource = await c.protect(`https://${app.clientId.slice(4).toLowerCase()}.example/`, {
      scopes: ["a:read", "a:write"],
    });
    await c.codeFor(app, { resource, scope: "a:read" }, { person, browser });
    expect(whereTo(await ask({ prompt: "none", resource, scope: "a:read" }))).toBe("code");
    expect(whereTo(await ask({ prompt: "none", resource, scope: "a:read a:write" }))).toBe(
      "consent_required",
    );
  });

  it("none: consent_required for an app that registered itself, whatever was allowed before (D2)", async () => {
    const own = await c.registerPublic();
    await c.codeFor(own, {}, { person, browser });
    const response = await c.authorize(c.requestOf(own, { prompt: "none" }), { person, browser });
    expect(whereTo(response)).toBe("consent_required");
  });

  it("none: with another value it is invalid_request", async () => {
    expect(whereTo(await ask({ prompt: "none login" }))).toBe("invalid_request");
  });

  it("an unknown value is invalid_request", async () => {
    expect(whereTo(await ask({ prompt: "create" }))).toBe("invalid_request");
  });

  it("without prompt a remembered answer is used, unless a page of another site sent the browser (Q24)", async () => {
    expect(whereTo(await ask({}))).toBe("question");
    await remember();
    expect(whereTo(await ask({}))).toBe("code");
    expect(whereTo(await ask({}, { person }, { "sec-fetch-site": "same-origin" }))).toBe("code");
    expect(whereTo(await ask({}, { person }, { "sec-fetch-site": "cross-site" }))).toBe("question");
    expect(whereTo(await ask({}, { person }, { "sec-fetch-site": "same-site" }))).toBe("question");
  });

  it("consent: the person is asked again", async () => {
    await remember();
    expect(whereTo(await ask({ prompt: "consent" }))).toBe("question");
  });

  it.each(["login", "select_account"])("%s: a new sign-in is asked for, once", async (prompt) => {
    t.advance(1);
    const asked = await ask({ prompt });
    expect(whereTo(asked)).toBe("sign-in");
    const { searchParams } = new URL(asked.headers.get("location") ?? "", "https://auth.example.com");
    const resume = searchParams.get("continue") ?? "";
    expect(resume).toMatch(/^\/authorize\/[\w-]{22}$/);
    const early = await c.call(resume, { headers: c.cookies({ person, browser }) });
    expect(whereTo(early)).toBe("sign-in");
    t.advance(5);
    const again = { ...person, session: await c.signInAgain(person.user) };
    const resumed = await c.call(resume, { headers: c.cookies({ person: again, browser }) });
    expect(whereTo(resumed)).toBe("question");
  });
});

describe("OpenID Connect Core §3.1.2.1: max_age", () => {
  it("an older sign-in is not enough, a younger one is", async () => {
    t.advance(100);
    expect(whereTo(await ask({ max_age: "99" }))).toBe("sign-in");
    expect(whereTo(await ask({ max_age: "100" }))).toBe("question");
  });

  it("0 asks for a new sign-in, and that one satisfies it", async () => {
    t.advance(1);
    const asked = await ask({ max_age: "0" });
    expect(whereTo(asked)).toBe("sign-in");
    const { searchParams } = new URL(asked.headers.get("location") ?? "", "https://auth.example.com");
    const again = { ...person, session: await c.signInAgain(person.user) };
    t.advance(30);
    const resumed = await c.call(searchParams.get("continue") ?? "", {
      headers: c.cookies({ person: again, browser }),
    });
    expect(approvalOf(resumed)).toMatch(/^[\w-]{22}$/);
  });

  it("with prompt=none an older sign-in is login_required", async () => {
    await remember();
    t.advance(100);
    expect(whereTo(await ask({ prompt: "none", max_age: "50" }))).toBe("login_required");
  });

  it.each(["-1", "1.5", "soon", "12345678901"])("%s is invalid_request", async (max_age) => {
    expect(whereTo(await ask({ max_age }))).toBe("invalid_request");
  });
});

describe("A question belongs to one browser and one person", () => {
  it("another browser cannot take the request up", async () => {
    const id = approvalOf(await ask({})) ?? "";
    const answer = await c.consent(id, { person, browser: newBrowser() });
    expect([answer.status, answer.headers.get("location")]).toEqual([403, null]);
    expect((await c.consent(id, { person, browser })).status).toBe(303);
  });

  it("another person in the same browser cannot answer what the first one opened", async () => {
    const id = approvalOf(await ask({})) ?? "";
    await c.call(`/authorize/${id}`, { headers: c.cookies({ person, browser }) });
    expect((await c.consent(id, { person: await c.signIn(), browser })).status).toBe(403);
  });

  it("the first answer stands: a second one leads to the page and not to a second code", async () => {
    const id = approvalOf(await ask({})) ?? "";
    const first = await c.consent(id, { person, browser });
    expect(whereTo(first)).toBe("code");
    expect((await c.consent(id, { person, browser, decision: "deny" })).headers.get("location")).toBe(
      `/approve/${id}`,
    );
  });

  it("has ten minutes to be answered", async () => {
    const id = approvalOf(await ask({})) ?? "";
    t.advance(600);
    expect((await c.consent(id, { person, browser })).headers.get("location")).toBe(`/approve/${id}`);
  });

  it("nothing ticked is no answer", async () => {
    const id = approvalOf(await ask({})) ?? "";
    const response = await c.consent(id, { person, browser, scope: [] });
    expect(response.headers.get("location")).toBe(`/approve/${id}?nothing-ticked`);
  });

  it("scopes the app did not ask for cannot be slipped into the form", async () => {
    const { code, verifier } = await c.codeFor(
      app,
      { scope: "account:read" },
      {
        person,
        browser,
        allow: ["account:read", "admin:all"],
      },
    );
    expect((await (await c.redeem(app, { code, verifier })).json()).scope).toBe("account:read");
  });

  it("the API's answer needs the person's session and our own origin, and a second one is 409 (D30)", async () => {
    const id = approvalOf(await ask({})) ?? "";
    const decide = (headers: Record<string, string>) =>
      c.json(`/approvals/${id}/decision`, { decision: "allow" }, headers);
    const cookie = c.cookies({ person, browser });
    expect((await decide({})).status).toBe(401);
    expect((await decide({ "x-admin-key": ADMIN_KEY })).status).toBe(401);
    expect((await decide(cookie)).status).toBe(403);
    expect((await decide({ ...cookie, origin: "https://evil.example" })).status).toBe(403);
    const own = { ...cookie, origin: "https://auth.example.com" };
    const { status, redirect_to } = await (await decide(own)).json();
    expect(status).toBe("approved");
    expect(new URL(redirect_to).searchParams.get("code")).toMatch(/^ac_/);
    expect((await decide(own)).status).toBe(409);
  });

  it("an app's own scheme is answered by a page with a link, not by a redirect", async () => {
    const uri = "cursor://anysphere.cursor-mcp/oauth/callback";
    const own = await c.registerPublic({ redirect_uris: [uri] });
    const id = approvalOf(await c.authorize(c.requestOf(own), { person, browser })) ?? "";
    const response = await c.consent(id, { person, browser });
    expect([response.status, response.headers.get("location")]).toEqual([200, null]);
    expect(await response.text()).toContain(`${uri}?code=ac_`);
  });
});

describe("Consent modes (product decision D2)", () => {
  it("auto_approve skips the page, never the sign-in", async () => {
    const local = connect(await testContext({ env: { AUTHGENT_CONSENT_MODE: "auto_approve" } }));
    const own = await local.registerPublic();
    expect(whereTo(await local.authorize(local.requestOf(own), { browser }))).toBe("sign-in");
    const by = { person: await local.signIn(), browser };
    expect(whereTo(await local.authorize(local.requestOf(own), by))).toBe("code");
  });
});
