import { sql } from "drizzle-orm";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { rowsOf } from "@/db/client";
import { decisionPurpose } from "@/lib/http/decision";
import { DEVICE_ENTRY_PURPOSE } from "@/lib/http/device-entry";
import { GRANT_TYPES } from "@/lib/oauth/token-types";
import { findApproval } from "@/lib/services/approvals";
import { findByUserCode } from "@/lib/services/device-codes";
import {
  type App,
  type Connection,
  connect,
  newBrowser,
  type Person,
  refusalOf,
  tokensOf,
} from "@/test/support/client";
import { type TestContext, testContext, twoInstances, unique } from "@/test/support/context";
import { devices } from "@/test/support/devices";
import { type PublicServer, publicServer } from "@/test/support/public-server";

/** Wrong, and readable: nobody has this one. */
const WRONG = "BBBB-BBBB";
const ISSUER = "https://auth.example.com";

let s: PublicServer;
let d: ReturnType<typeof devices>;
let app: App;
let files: string;
let person: Person;

beforeAll(async () => {
  s = await publicServer();
  files = await s.createResource(["files:read", "files:write"]);
});

beforeEach(async () => {
  // From an address of its own: wrong codes are counted there.
  s = { ...s, c: connect(s.t) };
  d = devices(s.c, ISSUER);
  app = await s.createApp({ redirect_uris: [], grant_types: [GRANT_TYPES.deviceCode], scope: "files:read" });
  person = await s.c.signIn();
});

const asked = () => d.codes(app, { resource: files, scope: "files:read" });
const stateOf = async (id: string) => (await findApproval(s.t.ctx, id))?.status;

describe("78: polling faster than the interval", () => {
  it("slows down for good, whichever instance is asked", async () => {
    const [one, other, close] = await twoInstances();
    const [here, there] = [devices(connect(one)), devices(connect(other))];
    const client = await here.register();
    const codes = await here.codes(client);
    const answers = [];
    for (const poll of [here.poll, there.poll, here.poll, there.poll])
      answers.push((await (await poll(client, codes)).json()).error_description);
    await close();
    expect(answers).toEqual([
      "The person has not answered yet. Poll again later.",
      "Wait 10 seconds between two polls.",
      "Wait 15 seconds between two polls.",
      "Wait 20 seconds between two polls.",
    ]);
  });
});

describe("79: a device code in another client's hands", () => {
  it("is unknown there, before and after the yes, and slows nobody down", async () => {
    const codes = await asked();
    const thief = await s.createApp({ redirect_uris: [], grant_types: [GRANT_TYPES.deviceCode] });
    expect(await refusalOf(await d.poll(thief, codes))).toEqual({ status: 400, error: "invalid_grant" });
    await d.allow(person, codes, ["files:read"]);
    expect(await refusalOf(await d.poll(thief, codes))).toEqual({ status: 400, error: "invalid_grant" });
    expect((await tokensOf(await d.poll(app, codes))).scope).toBe("files:read");
  });

  it("a confidential client proves itself to ask and to poll", async () => {
    const service = await s.createApp({
      redirect_uris: [],
      grant_types: [GRANT_TYPES.deviceCode],
      token_endpoint_auth_method: "client_secret_basic",
    });
    const named = { clientId: service.clientId, redirectUri: "" };
    const refused = { status: 401, error: "invalid_client" };
    expect(await refusalOf(await d.send("/device/authorize", named))).toEqual(refused);
    const codes = await d.codes(service);
    expect(await refusalOf(await d.poll(named, codes))).toEqual(refused);
    const poll = { device_code: codes.device_code };
    expect(await refusalOf(await d.send("/device/token", named, poll))).toEqual(refused);
  });
});

describe("81: many polls at the same time", () => {
  const tokens = (t: TestContext, clientId: string) =>
    rowsOf(t.ctx.db.execute(sql`select jti from access_tokens where client_id = ${clientId}`));

  it("after the yes: one of 50 gets tokens, on two instances", async () => {
    const [one, other, close] = await twoInstances({ env: { AUTHGENT_TOKEN_RATE_LIMIT: "100000" } });
    const connections = [connect(one), connect(other)] as const;
    const [here, there] = [devices(connections[0]), devices(connections[1])];
    const client = await here.register();
    const codes = await here.codes(client, { resource: "http://localhost:8000/mcp" });
    await here.allow(await connections[0].signIn(), codes, ["mcp:tools"]);
    const polls = Array.from({ length: 50 }, (_, index) => (index % 2 ? here : there).poll(client, codes));
    const statuses = (await Promise.all(polls)).map(({ status }) => status);
    const issued = await tokens(one, client.clientId);
    await close();
    expect(statuses.filter((status) => status === 200)).toHaveLength(1);
    expect(issued).toHaveLength(1);
  });

  it("waiting for the yes: one of 20 gets tokens when it comes", async () => {
    const t = await testContext({ env: { AUTHGENT_TOKEN_RATE_LIMIT: "100000" } });
    const c = connect(t);
    const here = devices(c);
    const client = await here.register();
    const codes = await here.codes(client, { resource: "http://localhost:8000/mcp" });
    const ada = await c.signIn();
    const id = await here.questionOf(ada, codes);
    const polls = Array.from({ length: 20 }, () => here.poll(client, codes, {}, { prefer: "wait=20" }));
    await expect.poll(() => t.ctx.waiting.size).toBeGreaterThan(0);
    await here.decide(ada, id, { scope: ["mcp:tools"] });
    await t.settled();
    const statuses = (await Promise.all(polls)).map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(1);
    expect(await tokens(t, client.clientId)).toHaveLength(1);
  });
});

describe("82: who answers", () => {
  const PATHS = ["/device/approve", "/device/deny", "/device/complete"];

  it.each(PATHS)("%s: nobody without a session, and no operator's key", async (path) => {
    const { user_code } = await asked();
    const body = { user_code, action: "approve", subject: `user:${person.user.id}` };
    expect((await s.c.json(path, body)).status).toBe(401);
    expect((await s.c.json(path, body, s.operator)).status).toBe(401);
    expect((await findByUserCode(s.t.ctx, user_code))?.status).toBe("pending");
  });

  it.each(PATHS)("%s: no agent, with whatever token", async (path) => {
    const { user_code } = await asked();
    const service = await s.createService({ scope: "approvals:decide" });
    const own = await tokensOf(await s.c.token(service, { grant_type: "client_credentials" }));
    const body = { user_code, action: "approve" };
    const refused = await s.c.json(path, body, { authorization: `Bearer ${own.access_token}` });
    expect(refused.status).toBe(403);
    expect((await findByUserCode(s.t.ctx, user_code))?.status).toBe("pending");
  });

  it("a person's own token answers, and the subject is theirs whatever the body says", async () => {
    const codes = await asked();
    const tool = await s.createApp({ scope: "approvals:decide" });
    const { access_token } = await s.c.tokensFor(tool, { scope: "approvals:decide" }, { person });
    const other = await s.c.signIn("admin");
    const body = { user_code: codes.user_code, subject: `user:${other.user.id}`, action: "approve" };
    const answered = await s.c.json("/device/complete", body, { authorization: `Bearer ${access_token}` });
    expect([answered.status, await answered.json()]).toEqual([200, { status: "approved" }]);
    const tokens = await tokensOf(await d.poll(app, codes));
    expect(await s.introspect(tokens.access_token)).toMatchObject({ sub: `user:${person.user.id}` });
  });

  it("an app does not answer its own question with the token of its person", async () => {
    const tool = await s.createApp({
      grant_types: ["authorization_code", GRANT_TYPES.deviceCode],
      scope: "approvals:decide",
    });
    const { access_token } = await s.c.tokensFor(tool, { scope: "approvals:decide" }, { person });
    const codes = await d.codes(tool, { scope: "approvals:decide" });
    const body = { user_code: codes.user_code };
    const refused = await s.c.json("/device/approve", body, { authorization: `Bearer ${access_token}` });
    expect(refused.status).toBe(403);
    expect((await findByUserCode(s.t.ctx, codes.user_code))?.status).toBe("pending");
  });
});

describe("83: a code that somebody else has typed", () => {
  it("is nobody else's to open or to answer, and waits for the first", async () => {
    const codes = await asked();
    const id = await d.questionOf(person, codes);
    const other = await s.c.signIn("admin");
    expect((await d.enter(other, codes.user_code)).status).toBe(403);
    expect((await d.decide(other, id, { scope: ["files:read"] })).status).toBe(403);
    expect((await d.asJson(other, "/device/approve", { user_code: codes.user_code })).status).toBe(403);
    expect(
      (
        await s.c.json(
          `/approvals/${id}/decision`,
          { decision: "allow" },
          {
            ...s.c.cookies({ person: other, browser: newBrowser() }),
            origin: ISSUER,
          },
        )
      ).status,
    ).toBe(404);
    expect(await stateOf(id)).toBe("pending");
    await d.decide(person, id, { scope: ["files:read"] });
    expect(await stateOf(id)).toBe("approved");
  });

  it("of two people at the same moment one gets it", async () => {
    const codes = await asked();
    const people = await Promise.all(Array.from({ length: 4 }, () => s.c.signIn()));
    const entered = await Promise.all(people.map((each) => d.enter(each, codes.user_code)));
    expect(entered.map(({ status }) => status).sort()).toEqual([303, 403, 403, 403]);
  });
});

describe("84: guessing user codes", () => {
  const enterFrom = (connection: Connection, who: Person, typed: string) =>
    devices(connection, ISSUER).enter(who, typed);

  it("a person has five wrong ones, from wherever they try", async () => {
    const { user_code } = await asked();
    for (let tries = 0; tries < 5; tries += 1)
      expect((await enterFrom(connect(s.t), person, WRONG)).headers.get("location")).toBe(
        "/device?error=unknown",
      );
    const closed = await enterFrom(connect(s.t), person, user_code);
    expect(closed.status).toBe(429);
    expect(Number(closed.headers.get("retry-after"))).toBeGreaterThan(500);
    expect((await findByUserCode(s.t.ctx, user_code))?.userId).toBe(null);
  });

  it("an address has five wrong ones, whoever tries, by page or by JSON", async () => {
    for (let tries = 0; tries < 3; tries += 1) await d.enter(await s.c.signIn(), WRONG);
    for (let tries = 0; tries < 2; tries += 1) {
      const wrong = await d.asJson(await s.c.signIn(), "/device/approve", { user_code: WRONG });
      expect(await refusalOf(wrong)).toEqual({ status: 400, error: "invalid_request" });
    }
    const { user_code } = await asked();
    expect((await d.enter(person, user_code)).status).toBe(429);
    expect((await d.asJson(person, "/device/approve", { user_code })).status).toBe(429);
  });

  it("50 guesses at the same moment are no more than five", async () => {
    const guesses = Array.from({ length: 50 }, () => d.enter(person, WRONG));
    const statuses = (await Promise.all(guesses)).map(({ status }) => status);
    expect(statuses.filter((status) => status === 303)).toHaveLength(5);
  });

  it("right ones are not counted", async () => {
    for (let times = 0; times < 7; times += 1)
      expect((await d.enter(person, (await asked()).user_code)).status).toBe(303);
  });

  it("the database alone tells no code: of both only hashes are kept", async () => {
    const codes = await asked();
    await d.questionOf(person, codes);
    const found = await rowsOf(
      s.t.ctx.db.execute(
        sql`select row_to_json(d)::text || row_to_json(a)::text as all from device_codes d join approvals a on a.id = d.approval_id`,
      ),
    );
    const text = JSON.stringify(found);
    for (const code of [codes.user_code, codes.user_code.replace("-", ""), codes.device_code])
      expect(text).not.toContain(code);
  });
});

describe("86: a link with the code in it", () => {
  it("answers nothing: typing is a form post, and the answer is another with a token of its own", async () => {
    const codes = await asked();
    expect(codes.verification_uri_complete).toBe(`${ISSUER}/device?user_code=${codes.user_code}`);
    // The endpoint behind the page takes no GET, and a post without the page's token is none of the person's.
    expect((await s.c.call(`/device/verify?user_code=${codes.user_code}`)).status).toBe(405);
    const bare = { ...s.c.cookies({ person, browser: newBrowser() }), origin: ISSUER };
    expect((await s.c.form("/device/verify", { user_code: codes.user_code }, bare)).status).toBe(403);
    const id = await d.questionOf(person, codes);
    expect(await stateOf(id)).toBe("pending");
    expect((await s.c.form(`/approve/${id}/decision`, { decision: "allow" }, bare)).status).toBe(403);
    expect(await stateOf(id)).toBe("pending");
  });

  it("the question keeps what gives a stranger away: address, program and time", async () => {
    const response = await s.c.form(
      "/device/authorize",
      { client_id: app.clientId, resource: files, scope: "files:read" },
      { "user-agent": "curl/8.5.0" },
      "203.0.113.7",
    );
    const id = await d.questionOf(person, await response.json());
    const approval = await findApproval(s.t.ctx, id);
    expect(approval?.act).toMatchObject({ address: "203.0.113.7", userAgent: "curl/8.5.0" });
  });
});

describe("87: after the code has expired", () => {
  it("nobody says yes any more, and the device is told so", async () => {
    const [typed, untyped] = [await asked(), await asked()];
    const id = await d.questionOf(person, typed);
    s.t.advance(601);
    expect((await d.decide(person, id, { scope: ["files:read"] })).headers.get("location")).toBe(
      `/approve/${id}`,
    );
    expect(
      await refusalOf(await d.asJson(person, "/device/approve", { user_code: untyped.user_code })),
    ).toEqual({
      status: 400,
      error: "expired_token",
    });
    expect((await d.enter(person, untyped.user_code)).headers.get("location")).toBe("/device?error=expired");
    expect(await refusalOf(await d.poll(app, typed))).toEqual({ status: 400, error: "expired_token" });
    expect(await refusalOf(await d.poll(app, untyped))).toEqual({ status: 400, error: "expired_token" });
  });
});

describe("who may register for it on the internet", () => {
  it("nobody by their own word; an agent by its manager", async () => {
    const metadata = { ...d.registration(), token_endpoint_auth_method: "none" };
    expect((await s.c.json("/register", metadata)).status).toBe(400);
    const plain = await (await s.c.json("/agents", { name: "plain" }, s.operator)).json();
    const agent = { clientId: plain.client_id, secret: plain.client_secret, redirectUri: "" };
    expect(await refusalOf(await d.send("/device/authorize", agent))).toEqual({
      status: 400,
      error: "unauthorized_client",
    });
    const grant_types = ["client_credentials", GRANT_TYPES.deviceCode];
    const cli = await (await s.c.json("/agents", { name: "cli", grant_types }, s.operator)).json();
    const asking = { clientId: cli.client_id, secret: cli.client_secret, redirectUri: "" };
    expect((await d.send("/device/authorize", asking, { resource: files })).status).toBe(200);
  });
});

describe("89: scope beyond the client", () => {
  it.each(["files:write", "files:read files:write", "admin:users"])(
    "%s is refused at once",
    async (scope) => {
      const response = await d.send("/device/authorize", app, { resource: files, scope });
      expect(await refusalOf(response)).toEqual({ status: 400, error: "invalid_scope" });
    },
  );

  it("and nothing else is allowed on the page than what was asked for", async () => {
    const codes = await asked();
    await d.allow(person, codes, ["files:read", "files:write", "admin:users"]);
    expect((await tokensOf(await d.poll(app, codes))).scope).toBe("files:read");
  });
});

describe("90: a form of another site", () => {
  const FOREIGN = "https://evil.example";

  it.each(["/device/approve", "/device/deny", "/device/complete"])("changes nothing by %s", async (path) => {
    const { user_code } = await asked();
    const cookie = s.c.cookies({ person, browser: newBrowser() });
    const body = { user_code, action: "approve" };
    expect((await s.c.json(path, body, { ...cookie, origin: FOREIGN })).status).toBe(403);
    expect((await s.c.form(path, body, { ...cookie, origin: FOREIGN })).status).toBe(403);
    // What a form can send from here is no JSON.
    expect((await s.c.form(path, body, { ...cookie, origin: ISSUER })).status).toBe(415);
    expect((await findByUserCode(s.t.ctx, user_code))?.userId).toBe(null);
  });

  it("changes nothing by the forms of our pages either", async () => {
    const codes = await asked();
    const from = { person, browser: newBrowser() };
    const foreign = { ...s.c.cookies(from), origin: FOREIGN };
    const entry = { csrf: s.c.csrf(DEVICE_ENTRY_PURPOSE, from), user_code: codes.user_code };
    expect((await s.c.form("/device/verify", entry, foreign)).status).toBe(403);
    const id = await d.questionOf(person, codes);
    const answer = { csrf: s.c.csrf(decisionPurpose(id), from), decision: "allow", scope: "files:read" };
    expect((await s.c.form(`/approve/${id}/decision`, answer, foreign)).status).toBe(403);
    expect(await stateOf(id)).toBe("pending");
  });
});

describe("91: where codes may not turn up", () => {
  it("not in the log, the audit trail, or the address of the next page", async () => {
    const codes = await asked();
    await s.c.call(`/device/verify?user_code=${codes.user_code}`);
    await d.asJson(await s.c.signIn(), "/device/approve", { user_code: WRONG });
    const entered = await d.enter(person, codes.user_code);
    expect(entered.headers.get("location")).not.toContain(codes.user_code);
    expect(entered.headers.get("referrer-policy")).toBe("same-origin");
    await d.enter(await s.c.signIn(), codes.user_code);
    await d.asJson(person, "/device/deny", codes);
    await d.poll(app, codes);
    const found = await rowsOf(s.t.ctx.db.execute(sql`select data::text from events`));
    const told = [...s.t.lines, JSON.stringify(found)].join("\n");
    for (const code of [codes.user_code, codes.user_code.replace("-", ""), codes.device_code, WRONG])
      expect(told).not.toContain(code);
  });
});

describe("an approval of a device", () => {
  it("cannot be answered where agents' questions are", async () => {
    const codes = await asked();
    const id = await d.questionOf(person, codes);
    const headers = { ...s.c.cookies({ person, browser: newBrowser() }), origin: ISSUER };
    expect((await s.c.json(`/approvals/${id}/decision`, { decision: "allow" }, headers)).status).toBe(404);
    expect(await stateOf(id)).toBe("pending");
  });

  it("asks for a sign-in just now before it gives what can do lasting harm", async () => {
    const name = unique("danger:");
    const resource = await s.createResource([], {
      scopes: [{ name, description: "Delete all", risk: "high" }],
    });
    const client = await s.createApp({ redirect_uris: [], grant_types: [GRANT_TYPES.deviceCode] });
    const codes = await d.codes(client, { resource, scope: name });
    const id = await d.questionOf(person, codes);
    s.t.advance(301);
    const refused = await d.decide(person, id, { scope: [name] });
    expect(refused.headers.get("location")).toBe(`/login?continue=${encodeURIComponent(`/approve/${id}`)}`);
    expect(
      await refusalOf(await d.asJson(person, "/device/approve", { user_code: codes.user_code })),
    ).toMatchObject({
      error: "insufficient_user_authentication",
    });
    expect(await stateOf(id)).toBe("pending");
    const again = { ...person, session: await s.c.signInAgain(person.user) };
    await d.decide(again, id, { scope: [name] });
    expect(await stateOf(id)).toBe("approved");
  });
});
