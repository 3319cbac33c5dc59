import { and, asc, eq } from "drizzle-orm";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { events } from "@/db/schema/events";
import type { AuthorizationDetail } from "@/lib/oauth/authorization-details";
import { findStandingGrant } from "@/lib/services/grants";
import { listLiveDetails } from "@/lib/services/live-details";
import {
  type App,
  approvalOf,
  basic,
  newBrowser,
  type Person,
  pkce,
  refusalOf,
  tokensOf,
} from "@/test/support/client";
import { MCP_TOOL, PAYMENT, param, pay, tool } from "@/test/support/details-types";
import { type PublicServer, publicServer } from "@/test/support/public-server";
import { claimsOf } from "@/test/support/signer";

const TYPES = { authorization_details_types: [PAYMENT, MCP_TOOL] };
const INVALID = { status: 400, error: "invalid_authorization_details" };

let s: PublicServer;
let app: App;
let bank: string;
let ada: Person;
let browser: string;

beforeAll(async () => {
  s = await publicServer();
  app = await s.createApp();
  bank = await s.createResource(["read", "write"], TYPES);
});
beforeEach(async () => {
  ada = await s.c.signIn();
  browser = newBrowser();
});

const ask = (details: string, params: Record<string, string> = {}) => ({
  resource: bank,
  authorization_details: details,
  ...params,
});

/** Tokens for what Ada ticked of a request: all of it, unless told otherwise. */
const tokensFor = (
  details: string,
  params: Record<string, string> = {},
  ticked: { allow?: string[]; details?: number[] } = {},
) => s.c.tokensFor(app, ask(details, params), { person: ada, browser, ...ticked });

/** What the app is told by redirect. */
async function answerOf(params: Record<string, string>, as = app): Promise<Record<string, string>> {
  const { searchParams } = await s.c.answerFor(as, params, { person: ada, browser });
  return Object.fromEntries(searchParams);
}

/** What the trail tells of a token. */
async function toldOf(token: string): Promise<Record<string, unknown> | undefined> {
  const subject = `token:${claimsOf(token).jti}`;
  const [event] = await s.t.ctx.db.select().from(events).where(eq(events.subject, subject));
  return event?.data;
}

/** What the trail tells of Ada's answers. */
async function toldOfAnswers(): Promise<Record<string, unknown>[]> {
  const hers = and(eq(events.type, "consent.approved"), eq(events.actor, `user:${ada.user.id}`));
  const rows = await s.t.ctx.db.select().from(events).where(hers).orderBy(asc(events.at));
  return rows.map(({ data }) => data);
}

/** One open question for Ada, answered as JSON. */
async function answerAsJson(details: string, body: Record<string, unknown>, params = {}): Promise<Response> {
  const asked = await s.c.authorize(s.c.requestOf(app, ask(details, params)), { person: ada, browser });
  const headers = { ...s.c.cookies({ person: ada, browser }), origin: "https://auth.example.com" };
  return s.c.json(`/approvals/${approvalOf(asked)}/decision`, { decision: "allow", ...body }, headers);
}

describe("§2: the parameter", () => {
  it.each([
    ["no JSON", "payment"],
    ["no list", JSON.stringify(pay(40))],
    ["an object without type", param({ amount: 1 })],
    ["nothing in the list", "[]"],
  ])("%s is refused by redirect", async (_, details) => {
    expect(await answerOf(ask(details, { state: "s" }))).toMatchObject({
      error: "invalid_authorization_details",
      error_uri: "https://auth.example.com/errors/invalid_authorization_details",
      state: "s",
      iss: "https://auth.example.com",
    });
  });

  it("sent empty it is as if it were not sent", async () => {
    const { scope, authorization_details } = await tokensFor("");
    expect([scope, authorization_details]).toEqual(["read write", undefined]);
  });

  it("sent twice it is invalid_request, as any other", async () => {
    const params = { resource: bank, authorization_details: [param(pay(1)), param(pay(2))] };
    const { searchParams } = await s.c.answerFor(app, params, { person: ada, browser });
    expect(searchParams.get("error")).toBe("invalid_request");
  });

  it("§2.2: locations may name the resource and its aliases, and nothing else", async () => {
    const alias = `${bank}-also`;
    const { items } = await (await s.c.call("/resources", { headers: s.operator })).json();
    const { id } = items.find(({ resource }: { resource: string }) => resource === bank);
    await s.c.json(`/resources/${id}`, { aliases: [alias] }, s.operator, "PATCH");
    const details = [pay(40, { locations: [bank, alias] })];
    expect((await tokensFor(param(...details))).authorization_details).toEqual(details);
    const elsewhere = param(pay(40, { locations: [bank, "https://elsewhere.example"] }));
    expect(await answerOf(ask(elsewhere))).toMatchObject({
      error: "invalid_authorization_details",
      error_description: `Correct authorization_details[0].locations: it may name ${bank} only.`,
    });
  });
});

describe("§3: an authorization request", () => {
  it("says exactly what is to be done, and the token says it", async () => {
    const tokens = await tokensFor(param(pay(40)));
    expect(tokens).toMatchObject({ scope: "", authorization_details: [pay(40)] });
    expect(claimsOf(tokens.access_token)).toMatchObject({
      scope: "",
      aud: bank,
      authorization_details: [pay(40)],
    });
  });

  it("§3.1: without scope it is for the details and nothing else, whatever the app may do already", async () => {
    expect(
      (await s.c.tokensFor(app, { resource: bank, scope: "read" }, { person: ada, browser })).scope,
    ).toBe("read");
    const tokens = await tokensFor(param(pay(40)));
    expect([tokens.scope, (await tokensOf(await s.c.refresh(app, tokens.refresh_token))).scope]).toEqual([
      "",
      "",
    ]);
    const key = { userId: ada.user.id, clientId: app.clientId, resource: bank };
    expect((await findStandingGrant(s.t.ctx, key))?.scope).toEqual(["read"]);
  });

  it("§3.1: with openid alone the app also learns who the person is, and has no scope of the resource", async () => {
    const tokens = await tokensFor(param(pay(40)), { scope: "openid offline_access" });
    expect([tokens.scope, tokens.authorization_details]).toEqual(["openid", [pay(40)]]);
  });

  it("§3.1: with scope it is for both, and what the app may do already comes along", async () => {
    await s.c.tokensFor(app, { resource: bank, scope: "read" }, { person: ada, browser });
    const { scope, authorization_details } = await tokensFor(param(pay(40)), { scope: "write" });
    expect([scope, authorization_details]).toEqual(["read write", [pay(40)]]);
  });

  it("details are not remembered: the next connection has none of them", async () => {
    await tokensFor(param(pay(40)), { scope: "read" });
    const next = await s.c.tokensFor(app, { resource: bank, scope: "read" }, { person: ada, browser });
    expect(next.authorization_details).toBe(undefined);
    expect(claimsOf(next.access_token)).not.toHaveProperty("authorization_details");
  });

  it("the person is asked each time, also about an app of the operator's that they know", async () => {
    await tokensFor(param(pay(40)), { scope: "read" });
    const from = { person: ada, browser };
    const request = s.c.requestOf(app, ask(param(pay(40)), { scope: "read" }));
    expect(approvalOf(await s.c.authorize(request, from))).toMatch(/^[\w-]+$/);
    const known = s.c.requestOf(app, { resource: bank, scope: "read" });
    expect(approvalOf(await s.c.authorize(known, from))).toBe(undefined);
    expect(await answerOf(ask(param(pay(40)), { scope: "read", prompt: "none" }))).toMatchObject({
      error: "consent_required",
    });
  });

  it("D1: a server on this machine that approves by itself gives what was asked", async () => {
    const local = await publicServer({
      env: {
        AUTHGENT_SERVER_URL: "http://localhost:8000",
        AUTHGENT_HOST: "127.0.0.1",
        AUTHGENT_CONSENT_MODE: "auto_approve",
      },
    });
    const there = await local.createResource([], TYPES);
    const params = { resource: there, authorization_details: param(pay(40), tool("search")) };
    const tokens = await local.c.tokensFor(await local.c.registerPublic(), params);
    expect(tokens.authorization_details).toEqual([pay(40), tool("search")]);
  });
});

describe("§3: the person's answer", () => {
  const two = param(pay(40), tool("search"));

  it("what is unticked is not given, and the app is told what was", async () => {
    const tokens = await tokensFor(two, {}, { details: [1] });
    expect(tokens.authorization_details).toEqual([tool("search")]);
    expect(claimsOf(tokens.access_token).authorization_details).toEqual([tool("search")]);
  });

  it("scopes alone, where every detail was unticked", async () => {
    const tokens = await tokensFor(two, { scope: "read" }, { details: [] });
    expect([tokens.scope, tokens.authorization_details]).toEqual(["read", []]);
    expect(claimsOf(tokens.access_token)).not.toHaveProperty("authorization_details");
  });

  it("a detail alone, where every scope was unticked", async () => {
    const tokens = await tokensFor(two, { scope: "read" }, { allow: [], details: [0] });
    expect([tokens.scope, tokens.authorization_details]).toEqual(["", [pay(40)]]);
  });

  it.each([
    ["nothing", { scope: [], details: [] }],
    ["a place where nothing was asked", { scope: [], details: [2] }],
  ])("%s is no answer", async (_, ticked) => {
    const asked = await s.c.authorize(s.c.requestOf(app, ask(two)), { person: ada, browser });
    const id = approvalOf(asked) ?? "";
    const answered = await s.c.consent(id, { person: ada, browser, ...ticked });
    expect(answered.headers.get("location")).toBe(`/approve/${id}?nothing-ticked`);
    const again = await s.c.consent(id, { person: ada, browser, details: [0] });
    expect(new URL(again.headers.get("location") ?? "").searchParams.has("code")).toBe(true);
  });

  it("as JSON it names the allowed ones by their place, and without them all are", async () => {
    const codeOf = async (response: Response) =>
      new URL((await response.json()).redirect_to).searchParams.get("code");
    const { verifier, challenge } = pkce();
    const granted = async (body: Record<string, unknown>) => {
      const code = await codeOf(await answerAsJson(two, body, { code_challenge: challenge }));
      return (await tokensOf(await s.c.redeem(app, { code: code ?? "", verifier }))).authorization_details;
    };
    expect(await granted({ authorization_details: [1] })).toEqual([tool("search")]);
    expect(await granted({})).toEqual([pay(40), tool("search")]);
  });

  it.each([
    ["none of them", { authorization_details: [] }],
    ["one that was not asked for", { authorization_details: [0, 2] }],
    ["a place before the first", { authorization_details: [-1] }],
    ["the detail itself", { authorization_details: [pay(4000)] }],
  ])("as JSON, %s is 422", async (_, body) => {
    expect(await refusalOf(await answerAsJson(two, body))).toEqual({
      status: 422,
      error: "validation_failed",
    });
  });

  it("a type that the resource gave up meanwhile cannot be allowed", async () => {
    const there = await s.createResource([], TYPES);
    const { items } = await (await s.c.call("/resources", { headers: s.operator })).json();
    const { id } = items.find(({ resource }: { resource: string }) => resource === there);
    const request = s.c.requestOf(app, { resource: there, authorization_details: two });
    const asked = approvalOf(await s.c.authorize(request, { person: ada, browser })) ?? "";
    await s.c.json(`/resources/${id}`, { authorization_details_types: [MCP_TOOL] }, s.operator, "PATCH");
    const answered = await s.c.consent(asked, { person: ada, browser, details: [0] });
    expect(answered.headers.get("location")).toBe(`/approve/${asked}?nothing-ticked`);
  });

  it("is told in the audit trail: which types and how many; every detail with the token", async () => {
    const { access_token } = await tokensFor(param(pay(40), pay(2), tool("search")), {}, { details: [0, 1] });
    expect(await toldOfAnswers()).toMatchObject([
      { allowed: [], authorizationDetails: { count: 2, types: ["payment"] } },
    ]);
    expect(await toldOf(access_token)).toMatchObject({ authorizationDetails: [pay(40), pay(2)] });
  });

  it("the trail of a request without details does not mention them", async () => {
    const plain = await s.c.tokensFor(app, { resource: bank, scope: "read" }, { person: ada, browser });
    const [answer] = await toldOfAnswers();
    expect(answer).not.toHaveProperty("authorizationDetails");
    expect(await toldOf(plain.access_token)).not.toHaveProperty("authorizationDetails");
  });
});

describe("§5: what is refused", () => {
  const refusals: [string, AuthorizationDetail | Record<string, unknown>, string][] = [
    ["an unknown type", { type: "loan" }, `: ${"BANK"} has no type loan. It has: payment, mcp_tool`],
    ["an unknown field", pay(40, { color: "red" }), ".color is no member of this type (payment)"],
    ["a field of another kind", pay(40, { creditor: 7 }), ".creditor does not fit"],
    ["a value that is not allowed", pay(10_001), ".amount.value does not fit"],
    ["a missing field", { type: "payment", creditor: "ACME" }, ".amount is missing (payment)"],
  ];

  it.each(refusals)("%s, by redirect, and the sentence names it", async (_, detail, problem) => {
    const { error, error_description } = await answerOf(ask(param(tool("search"), detail)));
    expect(error).toBe("invalid_authorization_details");
    expect(error_description).toContain(`Correct authorization_details[1]${problem.replace("BANK", bank)}`);
  });

  it.each(refusals)("RFC 9126 §2.3: %s, pushed, is 400", async (_, detail) => {
    const request = s.c.requestOf(app, ask(param(detail)));
    expect(await refusalOf(await s.c.form("/par", request))).toEqual(INVALID);
  });

  it("what it repeats of a request is in characters that error_description may have (RFC 6749 §4.1.2.1)", async () => {
    const { error_description = "" } = await answerOf(ask(param(pay(40, { 'a"\\é': 1 }))));
    expect(error_description).toMatch(/^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/);
    expect(error_description).toContain(".a''? is no member");
  });

  it("a resource without types, and one that nobody registered, know none", async () => {
    const plain = await s.createResource(["read"]);
    expect((await answerOf({ ...ask(param(pay(40))), resource: plain })).error).toBe(INVALID.error);
    const url = "https://unknown.example/v1";
    const service = await s.createApp({ allowed_resources: [url] });
    expect((await answerOf({ ...ask(param(pay(40))), resource: url }, service)).error).toBe(INVALID.error);
  });

  it("§10: a client that registered types uses no others", async () => {
    const limited = await s.createApp({ authorization_details_types: ["mcp_tool"] });
    expect(await answerOf(ask(param(pay(40))), limited)).toMatchObject({
      error: "invalid_authorization_details",
      error_description:
        "Ask for types that this client registered as authorization_details_types: payment is none of them.",
    });
    const tokens = await s.c.tokensFor(limited, ask(param(tool("search"))), { person: ada, browser });
    expect(tokens.authorization_details).toEqual([tool("search")]);
  });
});

describe("§6: a token request", () => {
  const two = param(pay(40), tool("search"));
  const redeemed = async (details: string) =>
    s.c.redeem(app, await s.c.codeFor(app, ask(two), { person: ada, browser }), {
      authorization_details: details,
    });

  it("may ask for less of what the code stands for; the refresh token keeps it all", async () => {
    const tokens = await tokensOf(await redeemed(param(pay(25))));
    expect(tokens.authorization_details).toEqual([pay(25)]);
    expect(claimsOf(tokens.access_token).authorization_details).toEqual([pay(25)]);
    const next = await tokensOf(await s.c.refresh(app, tokens.refresh_token));
    expect(next.authorization_details).toEqual([pay(40), tool("search")]);
  });

  it("may ask for none of it", async () => {
    const tokens = await tokensOf(await redeemed("[]"));
    expect(tokens.authorization_details).toEqual([]);
    expect(claimsOf(tokens.access_token)).not.toHaveProperty("authorization_details");
  });

  it("asking for more is refused, and the code lives", async () => {
    const code = await s.c.codeFor(app, ask(two), { person: ada, browser });
    for (const more of [pay(41), tool("delete_file"), { type: "loan" }, pay(4, { creditor: "Mallory" })])
      expect(await refusalOf(await s.c.redeem(app, code, { authorization_details: param(more) }))).toEqual(
        INVALID,
      );
    expect(await refusalOf(await s.c.redeem(app, code, { authorization_details: "{" }))).toEqual(INVALID);
    expect((await tokensOf(await s.c.redeem(app, code))).authorization_details).toHaveLength(2);
  });

  it("a code that stands for none gives none", async () => {
    const code = await s.c.codeFor(app, { resource: bank }, { person: ada, browser });
    const response = await s.c.redeem(app, code, { authorization_details: param(pay(1)) });
    expect(await refusalOf(response)).toEqual(INVALID);
  });

  it("a refresh may ask for less, for one access token", async () => {
    const { refresh_token } = await tokensFor(two);
    const less = await tokensOf(
      await s.c.refresh(app, refresh_token, {
        authorization_details: param(tool("search", { max_rows: 3 })),
      }),
    );
    expect(less.authorization_details).toEqual([tool("search", { max_rows: 3 })]);
    expect(await toldOf(less.access_token)).toMatchObject({
      authorizationDetails: [tool("search", { max_rows: 3 })],
    });
    const all = await tokensOf(await s.c.refresh(app, less.refresh_token));
    expect(all.authorization_details).toEqual([pay(40), tool("search")]);
  });

  it("a refresh that asks for more, or for two of one, is refused and rotates nothing", async () => {
    const { refresh_token } = await tokensFor(two);
    for (const details of [param(pay(41)), param(pay(20), pay(20)), param(pay(40), { type: "loan" }), "no"])
      expect(
        await refusalOf(await s.c.refresh(app, refresh_token, { authorization_details: details })),
      ).toEqual(INVALID);
    expect((await s.c.refresh(app, refresh_token)).status).toBe(200);
  });

  it("D10: a repeated refresh gets the same answer only for the same details", async () => {
    const { refresh_token } = await tokensFor(two);
    const fields = { authorization_details: param(pay(1)) };
    const first = await tokensOf(await s.c.refresh(app, refresh_token, fields));
    expect(await tokensOf(await s.c.refresh(app, refresh_token, fields))).toEqual(first);
    for (const other of [{}, { authorization_details: param(pay(2)) }])
      expect(await refusalOf(await s.c.refresh(app, refresh_token, other))).toEqual({
        status: 400,
        error: "invalid_grant",
      });
  });

  it("what the resource no longer has, or no longer lets be said, is gone from the next token", async () => {
    const there = await s.createResource([], TYPES);
    const { items } = await (await s.c.call("/resources", { headers: s.operator })).json();
    const { id } = items.find(({ resource }: { resource: string }) => resource === there);
    const params = { resource: there, authorization_details: param(pay(40), pay(4), tool("search")) };
    const { refresh_token } = await s.c.tokensFor(app, params, { person: ada, browser });
    const schema = structuredClone(PAYMENT.schema);
    Object.assign(Object(schema.properties).amount.properties.value, { maximum: 10 });
    const types = { authorization_details_types: [{ ...PAYMENT, schema }] };
    expect((await s.c.json(`/resources/${id}`, types, s.operator, "PATCH")).status).toBe(200);
    const next = await tokensOf(await s.c.refresh(app, refresh_token));
    expect(next.authorization_details).toEqual([pay(4)]);
  });
});

describe("§6: a client that acts for itself", () => {
  const own = (client: App, details: string, fields: Record<string, string> = {}) =>
    s.c.token(client, {
      grant_type: "client_credentials",
      resource: bank,
      authorization_details: details,
      ...fields,
    });

  it("has what an operator registered it for, and no scope that it did not ask for", async () => {
    const service = await s.createService({ authorization_details_types: ["mcp_tool"] });
    const tokens = await tokensOf(await own(service, param(tool("search"))));
    expect([tokens.scope, tokens.authorization_details]).toEqual(["", [tool("search")]]);
    expect(claimsOf(tokens.access_token)).toMatchObject({
      scope: "",
      authorization_details: [tool("search")],
    });
    expect(await toldOf(tokens.access_token)).toMatchObject({ authorizationDetails: [tool("search")] });
    expect((await tokensOf(await own(service, param(tool("search")), { scope: "" }))).scope).toBe("");
    const both = await tokensOf(await own(service, param(tool("search")), { scope: "read" }));
    expect([both.scope, both.authorization_details]).toEqual(["read", [tool("search")]]);
  });

  it.each([
    ["no types registered", {}, pay(40)],
    ["another type registered", { authorization_details_types: ["mcp_tool"] }, pay(40)],
    ["an empty list registered", { authorization_details_types: [] }, pay(40)],
    ["a detail that does not fit", { authorization_details_types: ["payment"] }, pay(-1)],
    ["a type that the resource does not have", { authorization_details_types: ["loan"] }, { type: "loan" }],
  ])("%s: refused", async (_, metadata, detail) => {
    const service = await s.createService(metadata);
    expect(await refusalOf(await own(service, param(detail)))).toEqual(INVALID);
  });

  it("an empty list asks for nothing that could be given", async () => {
    const service = await s.createService({ authorization_details_types: ["payment"] });
    expect(await refusalOf(await own(service, "[]"))).toEqual(INVALID);
  });

  it("an agent that registered itself has none, whatever it says of itself", async () => {
    const local = await publicServer({
      env: { AUTHGENT_SERVER_URL: "http://localhost:8000", AUTHGENT_HOST: "127.0.0.1" },
    });
    const there = await local.createResource([], TYPES);
    const self = await local.c.registerConfidential({
      grant_types: ["client_credentials"],
      redirect_uris: [],
      authorization_details_types: ["payment"],
    });
    const response = await local.c.token(self, {
      grant_type: "client_credentials",
      resource: there,
      authorization_details: param(pay(40)),
    });
    expect(await refusalOf(response)).toEqual(INVALID);
  });
});

describe("§7: the token response", () => {
  it("has the details as they were granted, and no such member where none were asked for", async () => {
    const { access_token: _, refresh_token: __, ...rest } = await tokensFor(param(pay(40)));
    expect(rest).toEqual({
      token_type: "Bearer",
      expires_in: 3600,
      scope: "",
      refresh_token_timeout: 2_592_000,
      authorization_expires_in: 7_776_000,
      authorization_details: [pay(40)],
    });
    const plain = await s.c.tokensFor(app, { resource: bank }, { person: ada, browser });
    expect(plain).not.toHaveProperty("authorization_details");
  });
});

describe("§9: what the resource is told", () => {
  it("§9.1: the token says them, and the operator's and the resource's view of it", async () => {
    const gateway = await s.createService();
    const there = await s.createResource([], { ...TYPES, introspection_clients: [gateway.clientId] });
    const params = { resource: there, authorization_details: param(pay(40)) };
    const { access_token } = await s.c.tokensFor(app, params, { person: ada, browser });
    const answer = await s.c.form("/introspect", { token: access_token }, basic(gateway));
    expect(await answer.json()).toMatchObject({ active: true, aud: there, authorization_details: [pay(40)] });
    const stranger = await s.createService();
    const refused = await s.c.form("/introspect", { token: access_token }, basic(stranger));
    expect(await refused.json()).toEqual({ active: false });
  });

  it("§9.2: a refresh token tells its holder what it stands for", async () => {
    const confidential = await s.createApp({ token_endpoint_auth_method: "client_secret_basic" });
    const { refresh_token } = await s.c.tokensFor(confidential, ask(param(pay(40))), {
      person: ada,
      browser,
    });
    const answer = await s.c.form("/introspect", { token: refresh_token }, basic(confidential));
    expect(await answer.json()).toMatchObject({ active: true, authorization_details: [pay(40)] });
    const plain = await s.c.tokensFor(confidential, { resource: bank }, { person: ada, browser });
    const other = await s.c.form("/introspect", { token: plain.refresh_token }, basic(confidential));
    expect(await other.json()).not.toHaveProperty("authorization_details");
  });

  it("a token whose person took the permission back has no details left: it does not count", async () => {
    const { access_token, refresh_token } = await tokensFor(param(pay(40)));
    const key = { userId: ada.user.id, clientId: app.clientId, resource: bank };
    const grant = await findStandingGrant(s.t.ctx, key);
    const live = async () => (await listLiveDetails(s.t.ctx, [grant?.id ?? ""])).get(grant?.id ?? "");
    expect(await live()).toEqual([pay(40)]);
    await s.c.post(`/me/grants/${grant?.id}/stop`, "account", {}, { person: ada, browser });
    expect(await s.introspect(access_token)).toEqual({ active: false });
    expect(await refusalOf(await s.c.refresh(app, refresh_token))).toEqual({
      status: 400,
      error: "invalid_grant",
    });
  });

  it("what is live of a connection is what its newest refresh token stands for, once", async () => {
    const first = await tokensFor(param(pay(40)));
    await tokensOf(await s.c.refresh(app, first.refresh_token));
    await tokensFor(param(tool("search")));
    const key = { userId: ada.user.id, clientId: app.clientId, resource: bank };
    const grant = await findStandingGrant(s.t.ctx, key);
    const live = (await listLiveDetails(s.t.ctx, [grant?.id ?? ""])).get(grant?.id ?? "") ?? [];
    expect(live).toHaveLength(2);
    expect(live).toEqual(expect.arrayContaining([pay(40), tool("search")]));
  });
});

describe("§10: metadata", () => {
  it("the server names the types of all resources once, a resource its own, and neither where there are none", async () => {
    const fresh = await publicServer({ env: { AUTHGENT_SERVER_URL: "https://other.example.com" } });
    const ownId = async () => {
      const { items } = await (await fresh.c.call("/resources", { headers: fresh.operator })).json();
      return items.find(({ resource }: { resource: string }) => resource === "https://other.example.com").id;
    };
    const path = "/.well-known/oauth-protected-resource";
    expect(await (await fresh.c.call(path)).json()).not.toHaveProperty(
      "authorization_details_types_supported",
    );
    const types = { authorization_details_types: [MCP_TOOL] };
    await fresh.c.json(`/resources/${await ownId()}`, types, fresh.operator, "PATCH");
    await fresh.createResource([], TYPES);
    expect(await (await fresh.c.call(path)).json()).toMatchObject({
      authorization_details_types_supported: ["mcp_tool"],
    });
    const server = await (await fresh.c.call("/.well-known/oauth-authorization-server")).json();
    const known: string[] = server.authorization_details_types_supported;
    expect(known.filter((type) => type === "mcp_tool" || type === "payment")).toHaveLength(2);
  });

  it("a client's types are registered, and told", async () => {
    const metadata = { authorization_details_types: ["payment"] };
    const response = await s.c.json("/register", { redirect_uris: ["http://127.0.0.1/cb"], ...metadata });
    expect(await response.json()).toMatchObject(metadata);
    const { clientId } = await s.createApp(metadata);
    const shown = await s.c.call(`/clients/one?client_id=${clientId}`, { headers: s.operator });
    expect(await shown.json()).toMatchObject(metadata);
  });
});

describe("registering types at a resource", () => {
  const create = (types: unknown) =>
    s.c.json(
      "/resources",
      { resource: `https://${crypto.randomUUID()}.example`, name: "A", authorization_details_types: types },
      s.operator,
    );
  const fieldsOf = async (types: unknown) => {
    const response = await create(types);
    const { errors } = await response.json();
    return [response.status, errors.map(({ field }: { field: string }) => field)];
  };

  it("they come back as they were sent", async () => {
    const response = await create([PAYMENT, MCP_TOOL]);
    expect([response.status, (await response.json()).authorization_details_types]).toEqual([
      201,
      [PAYMENT, MCP_TOOL],
    ]);
    const { risk: _, ...plain } = MCP_TOOL;
    expect((await (await create([plain])).json()).authorization_details_types).toEqual([
      { ...MCP_TOOL, risk: "medium" },
    ]);
  });

  const AT = "authorization_details_types";
  it.each<[string, unknown, string]>([
    ["one type twice", [PAYMENT, PAYMENT], AT],
    ["21 types", Array.from({ length: 21 }, (_, n) => ({ ...MCP_TOOL, type: `t${n}` })), AT],
    ["a type with a space", [{ ...PAYMENT, type: "a b" }], `${AT}.0.type`],
    ["no words", [{ ...PAYMENT, words: " " }], `${AT}.0.words`],
    ["words of two lines", [{ ...PAYMENT, words: "Pay\nup" }], `${AT}.0.words`],
    ["words that name no member", [MCP_TOOL, { ...PAYMENT, words: "Pay {price}" }], `${AT}.1.words`],
    ["a risk nobody knows", [{ ...PAYMENT, risk: "huge" }], `${AT}.0.risk`],
    ["no schema", [{ ...PAYMENT, schema: undefined }], `${AT}.0.schema`],
    [
      "a schema with a keyword nobody knows",
      [{ ...PAYMENT, words: "Pay", schema: { type: "object", properties: {}, allOf: [] } }],
      `${AT}.0.schema`,
    ],
    [
      "a slow pattern",
      [
        {
          ...PAYMENT,
          words: "Pay",
          schema: { type: "object", properties: { a: { type: "string", pattern: "^(a+)+$" } } },
        },
      ],
      `${AT}.0.schema.properties.a.pattern`,
    ],
    ["a member nobody knows", [{ ...PAYMENT, color: "red" }], `${AT}.0`],
  ])("%s is 422, and its place is named", async (_, types, field) => {
    expect(await fieldsOf(types)).toEqual([422, [field]]);
  });

  it("who registers them is told in the audit trail", async () => {
    const { resource } = await (await create([PAYMENT])).json();
    const [event] = await s.t.ctx.db
      .select()
      .from(events)
      .where(eq(events.subject, `resource:${resource}`));
    expect(event?.data).toMatchObject({ authorizationDetailsTypes: ["payment"] });
  });
});
