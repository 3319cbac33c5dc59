import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { findStandingGrant } from "@/lib/services/grants";
import { listSessions } from "@/lib/services/sessions";
import { type App, approvalOf, connect, newBrowser, type Person, refusalOf } from "@/test/support/client";
import { testContext } from "@/test/support/context";
import { CROSS_SITE } from "@/test/support/cross-site";
import { unchanged } from "@/test/support/digest";
import { type PublicServer, publicServer } from "@/test/support/public-server";

const ORIGIN = "https://auth.example.com";

let s: PublicServer;
let app: App;
let resource: string;
let ada: Person;
let browser: string;

beforeAll(async () => {
  s = await publicServer();
  app = await s.createApp();
  resource = await s.createResource(["read", "write"]);
});
beforeEach(async () => {
  ada = await s.c.signIn();
  browser = newBrowser();
});

/** An open question for Ada, in her browser. */
async function question(params = {}, as = app): Promise<string> {
  const asked = await s.c.authorize(s.c.requestOf(as, { resource, ...params }), { person: ada, browser });
  return approvalOf(asked) ?? "";
}
const cookies = () => s.c.cookies({ person: ada, browser });
const FORBIDDEN = { status: 403, error: "forbidden" };

describe("153, 154: what an app says of itself", () => {
  it.each([
    ["an override of direction", "evil\u202egpj.exe"],
    ["an isolate", "a\u2066b"],
    ["a zero-width space", "pay\u200bpal"],
    ["a line break", "a\nb"],
    ["a tag character", "a\u{e0041}"],
    ["a pile of marks", `a${"\u0301".repeat(9)}`],
    ["an invisible letter", "a\u3164b"],
    ["an escape sequence", "a\u001b[31mb"],
    ["5,000 characters", "x".repeat(5000)],
  ])("%s in its name is refused when it registers", async (_, name) => {
    const response = await unchanged(s.t, () =>
      s.c.json("/register", { client_name: name, redirect_uris: ["http://127.0.0.1/cb"] }),
    );
    expect(await refusalOf(response)).toEqual({ status: 400, error: "invalid_client_metadata" });
  });

  it.each([
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</title><b>",
    "{{7*7}}",
    '" onclick="x',
  ])("the name %s is text on the page that sends people back", async (name) => {
    const native = await s.createApp({ client_name: name, redirect_uris: ["com.example.app:/cb"] });
    const response = await s.c.consent(await question({}, native), { person: ada, browser });
    const page = await response.text();
    const escaped = name
      .replaceAll("&", "&amp;")
      .replaceAll("<", "&lt;")
      .replaceAll(">", "&gt;")
      .replaceAll('"', "&quot;");
    expect([response.status, page.includes(`<bdi>${escaped}</bdi>`)]).toEqual([200, true]);
    expect(/<script|<img|<b>|onclick="x/.test(page)).toBe(false);
  });

  it("159: every page is sent with headers that let nothing run and nothing frame it", async () => {
    const native = await s.createApp({ redirect_uris: ["com.example.app:/cb"] });
    const pages = [
      await s.c.consent(await question({}, native), { person: ada, browser }),
      await s.c.call("/authorize?client_id=unknown"),
      await s.c.form("/approve/x/decision", { decision: "allow" }, cookies()),
    ];
    for (const { headers } of pages) {
      const policy = headers.get("content-security-policy") ?? "";
      expect(policy).toContain("default-src 'none'");
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).not.toContain("unsafe");
      expect(Object.fromEntries(headers)).toMatchObject({
        "x-frame-options": "DENY",
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
        "cache-control": "no-store",
        "strict-transport-security": "max-age=63072000; includeSubDomains",
        "cross-origin-opener-policy": "same-origin",
      });
    }
  });
});

describe("157: a post of another site is refused", () => {
  it.each(CROSS_SITE)("%s cannot answer a question", async (_, headers) => {
    const id = await question();
    const csrf = s.c.csrf(`decide ${id}`, { person: ada, browser });
    const fields = { decision: "allow", scope: ["read"], csrf };
    const form = await unchanged(s.t, () =>
      s.c.form(`/approve/${id}/decision`, fields, { ...cookies(), ...headers }),
    );
    const json = await unchanged(s.t, () =>
      s.c.json(`/approvals/${id}/decision`, { decision: "allow" }, { ...cookies(), ...headers }),
    );
    expect([form.status, form.headers.get("location"), await refusalOf(json)]).toEqual([
      403,
      null,
      FORBIDDEN,
    ]);
  });

  it.each(CROSS_SITE)("%s cannot sign anybody out, or take the cookie away", async (_, headers) => {
    const csrf = s.c.csrf("account", { person: ada, browser });
    const withCookie = await unchanged(s.t, () =>
      s.c.form("/logout", { csrf }, { ...cookies(), ...headers }),
    );
    // What a browser sends of SameSite=Lax cookies with such a post: none.
    const without = await unchanged(s.t, () => s.c.form("/logout", {}, headers));
    expect(
      [withCookie, without].map((response) => [response.status, response.headers.get("set-cookie")]),
    ).toEqual([
      [403, null],
      [403, null],
    ]);
  });

  it.each(CROSS_SITE)("%s cannot manage the server with an admin's session", async (_, headers) => {
    const admin = await s.c.signIn("admin");
    const as = { ...s.c.cookies({ person: admin, browser }), ...headers };
    const client = { redirect_uris: ["https://evil.example/cb"] };
    const created = await unchanged(s.t, () => s.c.json("/clients", client, as));
    const patched = await unchanged(s.t, () =>
      s.c.json(`/clients/one?client_id=${app.clientId}`, { status: "disabled" }, as, "PATCH"),
    );
    expect([await refusalOf(created), await refusalOf(patched)]).toEqual([FORBIDDEN, FORBIDDEN]);
  });

  it("JSON as text/plain is refused even from our own origin", async () => {
    const id = await question();
    const response = await unchanged(s.t, () =>
      s.c.call(`/approvals/${id}/decision`, {
        method: "POST",
        body: '{"decision":"allow"}',
        headers: { ...cookies(), origin: ORIGIN, "content-type": "text/plain" },
      }),
    );
    expect(await refusalOf(response)).toEqual({ status: 415, error: "unsupported_media_type" });
  });
});

describe("158: the token of a form", () => {
  const decide = async (id: string, csrf: string, from = { person: ada, browser }) =>
    s.c.form(
      `/approve/${id}/decision`,
      { decision: "allow", scope: ["read"], csrf },
      { ...s.c.cookies(from), origin: ORIGIN },
    );

  it("is none for another question, another purpose, another session or another browser's person", async () => {
    const [id, elsewhere] = [await question(), await question()];
    const eve = await s.c.signIn();
    const sameAda = { user: ada.user, session: await s.c.signInAgain(ada.user) };
    const foreign = [
      s.c.csrf(`decide ${elsewhere}`, { person: ada, browser }),
      s.c.csrf("account", { person: ada, browser }),
      s.c.csrf(`decide ${id}`, { person: eve, browser }),
      s.c.csrf(`decide ${id}`, { person: sameAda, browser }),
      "",
      "x.y",
      "NaN.",
      ".",
    ];
    const statuses = [];
    for (const csrf of foreign) statuses.push((await unchanged(s.t, () => decide(id, csrf))).status);
    expect(statuses).toEqual(new Array(8).fill(403));
  });

  it("ends after ten minutes", async () => {
    const later = await publicServer();
    const person = await later.c.signIn();
    const csrf = later.c.csrf("account", { person, browser });
    later.t.advance(601);
    const response = await unchanged(later.t, () =>
      later.c.form("/logout", { csrf }, { ...later.c.cookies({ person, browser }), origin: ORIGIN }),
    );
    expect(response.status).toBe(403);
  });

  it("used twice answers once: the second post leads to the page and to no code", async () => {
    const id = await question();
    const csrf = s.c.csrf(`decide ${id}`, { person: ada, browser });
    const first = await decide(id, csrf);
    const second = await unchanged(s.t, () => decide(id, csrf));
    expect(new URL(first.headers.get("location") ?? "").searchParams.get("code")).toMatch(/^ac_/);
    expect([second.status, second.headers.get("location")]).toEqual([303, `/approve/${id}`]);
  });

  it("of 20 answers at once one counts", async () => {
    const id = await question();
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        s.c.consent(id, { person: ada, browser, decision: index % 2 ? "allow" : "deny" }),
      ),
    );
    const toTheApp = answers.filter(({ headers }) => headers.get("location")?.startsWith(app.redirectUri));
    expect(toTheApp.length).toBe(1);
  });
});

describe("who may answer", () => {
  it("160: nobody signed in, an agent's token and the operator's key answer nothing", async () => {
    const id = await question();
    const { access_token } = await s.c.tokensFor(app, { resource }, { person: ada });
    const answers = [];
    for (const headers of [
      { origin: ORIGIN },
      { origin: ORIGIN, authorization: `Bearer ${access_token}` },
      { origin: ORIGIN, ...s.operator },
    ]) {
      const response = await unchanged(s.t, () =>
        s.c.json(`/approvals/${id}/decision`, { decision: "allow" }, headers),
      );
      answers.push(await refusalOf(response));
    }
    expect(answers).toEqual(new Array(3).fill({ status: 401, error: "invalid_token" }));
  });

  it("161: another person's question is as unknown as one that never was, to an admin too", async () => {
    const id = await question();
    await s.c.call(`/authorize/${id}`, { headers: cookies() });
    const answers = [];
    for (const [person, asked] of [
      [await s.c.signIn(), id],
      [await s.c.signIn("admin"), id],
      [ada, "never-was"],
    ] as const) {
      const headers = { ...s.c.cookies({ person, browser }), origin: ORIGIN };
      const response = await unchanged(s.t, () =>
        s.c.json(`/approvals/${asked}/decision`, { decision: "allow" }, headers),
      );
      answers.push(await response.text());
    }
    expect(new Set(answers).size).toBe(1);
    expect(JSON.parse(answers[0] ?? "")).toMatchObject({ status: 404, error: "not_found" });
  });

  it("161: nobody stops or narrows what is another person's", async () => {
    await s.c.tokensFor(app, { resource }, { person: ada, browser });
    const grant = await findStandingGrant(s.t.ctx, { userId: ada.user.id, clientId: app.clientId, resource });
    const eve = { person: await s.c.signIn("admin"), browser };
    const attempts = [
      () => s.c.post(`/me/grants/${grant?.id}/stop`, "account", {}, eve),
      () => s.c.post(`/me/grants/${grant?.id}/narrow`, "account", { scope: "read" }, eve),
    ];
    for (const attempt of attempts) {
      const response = await unchanged(s.t, attempt);
      expect(response.headers.get("location")).toBe("/me?done=already-stopped");
    }
  });

  it("161: nobody ends another person's session", async () => {
    const [session] = await listSessions(s.t.ctx, ada.user.id);
    const eve = { person: await s.c.signIn("admin"), browser };
    await unchanged(s.t, () => s.c.post(`/me/sessions/${session?.idHash}/stop`, "account", {}, eve));
    expect(await listSessions(s.t.ctx, ada.user.id)).toHaveLength(1);
  });

  it("168: a cookie of the attacker's choice is no session, and a browser value of another shape is replaced", async () => {
    const headers = { cookie: "__Host-authgent=ses_chosen; __Host-authgent-browser=chosen" };
    const asked = await s.c.authorize(s.c.requestOf(app, { resource }), {}, headers);
    expect(asked.headers.get("location")).toMatch(/^\/login\?continue=%2Fauthorize%2F[\w-]{22}$/);
    expect(asked.headers.get("set-cookie")).toMatch(
      /^__Host-authgent-browser=brw_[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax; Secure$/,
    );
  });

  it("168: after signing out the old cookie is worth nothing, on the server", async () => {
    const id = await question();
    const gone = await s.c.post("/logout", "account", {}, { person: ada, browser });
    expect([gone.status, gone.headers.get("set-cookie")]).toEqual([
      303,
      "__Host-authgent=; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=0",
    ]);
    const again = await s.c.json(
      `/approvals/${id}/decision`,
      { decision: "allow" },
      { ...cookies(), origin: ORIGIN },
    );
    expect(again.status).toBe(401);
  });

  it.each([
    "https://evil.example/",
    "//evil.example",
    "/\\evil.example",
    "javascript:alert(1)",
    "/x\r\ny: z",
  ])("168: after signing out nobody is sent to %j", async (continueTo) => {
    const gone = await s.c.post("/logout", "account", { continue: continueTo }, { person: ada, browser });
    expect(gone.headers.get("location")).toBe("/login?signed-out");
  });
});

describe("what may be allowed", () => {
  it("2: a scope that the app did not ask for is not granted, by form or by JSON", async () => {
    const byForm = await s.c.consent(await question({ scope: "read" }), {
      person: ada,
      browser,
      scope: ["read", "write"],
    });
    const eve = { person: await s.c.signIn(), browser: newBrowser() };
    const asked = await s.c.authorize(s.c.requestOf(app, { resource, scope: "read" }), eve);
    await s.c.json(
      `/approvals/${approvalOf(asked)}/decision`,
      { decision: "allow", scope: ["read", "write", "admin:all"] },
      { ...s.c.cookies(eve), origin: ORIGIN },
    );
    expect(byForm.status).toBe(303);
    for (const { user } of [ada, eve.person]) {
      const grant = await findStandingGrant(s.t.ctx, { userId: user.id, clientId: app.clientId, resource });
      expect(grant?.scope).toEqual(["read"]);
    }
  });

  it("D19: a member cannot grant what takes an admin by asking before signing in", async () => {
    const scopes = [
      { name: "read", description: "Read", risk: "low" },
      { name: "wipe", description: "Wipe", risk: "high", minimum_role: "admin" },
    ];
    const guarded = await s.createResource([], { scopes });
    const asked = await s.c.authorize(s.c.requestOf(app, { resource: guarded }), { browser });
    const id = /authorize%2F([\w-]{22})$/.exec(asked.headers.get("location") ?? "")?.[1] ?? "";
    await s.c.call(`/authorize/${id}`, { headers: cookies() });
    await s.c.consent(id, { person: ada, browser, scope: ["read", "wipe"] });
    const grant = await findStandingGrant(s.t.ctx, {
      userId: ada.user.id,
      clientId: app.clientId,
      resource: guarded,
    });
    expect(grant?.scope).toEqual(["read"]);
  });

  it("D2: auto_approve skips the page for this machine, and for nothing that came from elsewhere", async () => {
    const t = await testContext({ env: { AUTHGENT_CONSENT_MODE: "auto_approve" } });
    const c = connect(t);
    const local = await c.registerPublic();
    const from = { person: await c.signIn(), browser };
    const here = await c.authorize(c.requestOf(local), from);
    const tunnelled = await c.authorize(c.requestOf(local), from, { "x-forwarded-for": "203.0.113.1" });
    const rebound = await c.authorize(c.requestOf(local), from, { host: "evil.example" });
    const anonymous = await c.authorize(c.requestOf(local), { browser });
    expect(new URL(here.headers.get("location") ?? "").searchParams.get("code")).toMatch(/^ac_/);
    expect([approvalOf(tunnelled), approvalOf(rebound)].map((id) => id?.length)).toEqual([22, 22]);
    expect(anonymous.headers.get("location")).toMatch(/^\/login\?continue=/);
  });
});
