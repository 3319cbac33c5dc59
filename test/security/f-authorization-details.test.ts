import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { GRANT_TYPES, TOKEN_TYPES } from "@/lib/oauth/token-types";
import {
  type App,
  approvalOf,
  newBrowser,
  type Person,
  pkce,
  refusalOf,
  type Tokens,
  tokensOf,
} from "@/test/support/client";
import { MCP_TOOL, PAYMENT, param, pay, tool } from "@/test/support/details-types";
import { unchanged } from "@/test/support/digest";
import { type PublicServer, publicServer } from "@/test/support/public-server";
import { claimsOf } from "@/test/support/signer";

const TYPES = { authorization_details_types: [PAYMENT, MCP_TOOL] };
const INVALID = { status: 400, error: "invalid_authorization_details" };

let s: PublicServer;
let bank: string;
let app: App;
let service: App;
let ada: Person;
let browser: string;
let tokens: Tokens;

beforeAll(async () => {
  s = await publicServer();
  bank = await s.createResource(["read"], TYPES);
  app = await s.createApp({
    token_endpoint_auth_method: "client_secret_basic",
    grant_types: ["authorization_code", GRANT_TYPES.tokenExchange],
  });
  service = await s.createService({ authorization_details_types: ["payment", "mcp_tool"] });
});
beforeEach(async () => {
  ada = await s.c.signIn();
  browser = newBrowser();
  tokens = await s.c.tokensFor(app, asking(pay(40), tool("search")), { person: ada, browser });
});

const asking = (...details: readonly unknown[]) => ({
  resource: bank,
  authorization_details: param(...details),
});

/** What stands for more than one payment of 40 € to ACME and one use of the search. */
const ESCALATIONS: [string, string][] = [
  ["a cent more", param(pay(40.01))],
  ["a number that rounds to as much", param(pay(40.000000000000007))],
  ["another currency", param(pay(1, { amount: { value: 1, currency: "USD" } }))],
  ["a recipient that looks alike", param(pay(40, { creditor: "ACMЕ GmbH" }))],
  ["a recipient with a space", param(pay(40, { creditor: "ACME GmbH " }))],
  ["a list of recipients", param(pay(40, { creditor: ["ACME GmbH", "Mallory"] }))],
  ["the payment twice", param(pay(40), pay(40))],
  ["the payment in two", param(pay(1), pay(1))],
  ["a reference of one's own", param(pay(40, { reference: "to Mallory" }))],
  ["a negative amount", param(pay(-40))],
  ["an amount that is a text", param(pay(1, { amount: { value: "40", currency: "EUR" } }))],
  [
    "an amount beyond numbers",
    '[{"type":"payment","amount":{"value":1e999,"currency":"EUR"},"creditor":"ACME GmbH"}]',
  ],
  ["no amount", param({ type: "payment", creditor: "ACME GmbH" })],
  ["another tool", param(tool("delete_file"))],
  ["one tool as a list", param({ type: "mcp_tool", name: ["search", "delete_file"] })],
  ["another type", param({ type: "admin" })],
  ["a type by inheritance", '[{"__proto__":{"type":"payment"}}]'],
  [
    "members by inheritance",
    '[{"type":"payment","__proto__":{"amount":{"value":1,"currency":"EUR"},"creditor":"ACME GmbH"}}]',
  ],
  ["a type that every object has", param({ type: "constructor" })],
  ["members with the same name", '[{"type":"mcp_tool","name":"search","name":"delete_file"}]'],
  ["no JSON", "payment"],
  ["an object", JSON.stringify(pay(40))],
  ["NUL", '[{"type":"payment","creditor":"a\\u0000"}]'],
];

describe("S0: asking for more than there is changes nothing", () => {
  const refused = (act: () => Promise<Response>) => unchanged(s.t, async () => refusalOf(await act()));

  it.each(ESCALATIONS)("%s, for a code that lives on", async (_, details) => {
    const code = await s.c.codeFor(app, asking(pay(40), tool("search")), { person: ada, browser });
    expect(await refused(() => s.c.redeem(app, code, { authorization_details: details }))).toEqual(INVALID);
    expect((await s.c.redeem(app, code)).status).toBe(200);
  });

  it.each(ESCALATIONS)("%s, for a refresh token that is not rotated", async (_, details) => {
    const fields = { authorization_details: details };
    expect(await refused(() => s.c.refresh(app, tokens.refresh_token, fields))).toEqual(INVALID);
    expect((await s.c.refresh(app, tokens.refresh_token)).status).toBe(200);
  });

  it.each(ESCALATIONS)("%s, in an exchange", async (_, details) => {
    const exchange = () =>
      s.c.token(app, {
        grant_type: GRANT_TYPES.tokenExchange,
        subject_token: tokens.access_token,
        subject_token_type: TOKEN_TYPES.accessToken,
        authorization_details: details,
      });
    expect(await refused(exchange)).toEqual(INVALID);
  });

  it.each([
    ["an unknown type", param({ type: "admin" })],
    ["an unknown field", param(pay(1, { admin: true }))],
    ["a text of 5,000 characters", param(pay(1, { creditor: "x".repeat(5000) }))],
    ["21 details", param(...Array.from({ length: 21 }, () => tool("search")))],
    ["an override of direction", param(pay(1, { creditor: "evil\u202egpj" }))],
    ["no JSON", "["],
  ])("%s, wherever it is asked for", async (_, authorization_details) => {
    const fields = { resource: bank, authorization_details };
    expect(await refused(() => s.c.token(service, { grant_type: "client_credentials", ...fields }))).toEqual(
      INVALID,
    );
    const pushed = { ...s.c.requestOf(app, fields), client_secret: app.secret };
    expect(await refused(() => s.c.form("/par", pushed))).toEqual(INVALID);
    const asked = await unchanged(s.t, () =>
      s.c.authorize(s.c.requestOf(app, fields), { person: ada, browser }),
    );
    expect(new URL(asked.headers.get("location") ?? "").searchParams.get("error")).toBe(INVALID.error);
  });
});

describe("the page's form gives what was asked for and ticked, whatever else it says", () => {
  /** An open question for two things, answered by a form with these fields. */
  async function answered(fields: Record<string, string | string[]>) {
    const { verifier, challenge } = pkce();
    const request = s.c.requestOf(app, { ...asking(pay(40), tool("search")), code_challenge: challenge });
    const id = approvalOf(await s.c.authorize(request, { person: ada, browser })) ?? "";
    const form = { decision: "allow", ...fields };
    const response = await s.c.post(`/approve/${id}/decision`, `decide ${id}`, form, {
      person: ada,
      browser,
    });
    const location = response.headers.get("location") ?? "";
    const code = new URL(location, "https://auth.example.com").searchParams.get("code");
    if (!code) return location;
    return (await tokensOf(await s.c.redeem(app, { code, verifier }))).authorization_details;
  }

  it.each([
    ["0 "],
    ["00"],
    ["+0"],
    ["-0"],
    ["0.0"],
    ["0x0"],
    ["2"],
    [""],
    ["payment"],
    ["__proto__"],
    ["length"],
  ])("the place %j is none", async (detail) => {
    expect(await answered({ detail })).toMatch(/\?nothing-ticked$/);
  });

  it("a place twice is one, and a detail in the form is not read", async () => {
    expect(await answered({ detail: ["0", "0"] })).toEqual([pay(40)]);
    expect(await answered({ detail: "1", authorization_details: param(pay(4000)) })).toEqual([
      tool("search"),
    ]);
  });

  it("scopes that were not asked for are not given", async () => {
    expect(await answered({ scope: "read" })).toMatch(/\?nothing-ticked$/);
  });
});

describe("§12: what was pushed cannot be changed on its way through the browser", () => {
  it("details beside request_uri are not read", async () => {
    const { verifier, challenge } = pkce();
    const request = s.c.requestOf(app, { ...asking(pay(40)), code_challenge: challenge });
    const pushed = await s.c.form("/par", { ...request, client_secret: app.secret });
    const { request_uri } = await pushed.json();
    const sent = {
      client_id: app.clientId,
      request_uri,
      authorization_details: param(pay(4000)),
      scope: "read",
    };
    const id = approvalOf(await s.c.authorize(sent, { person: ada, browser })) ?? "";
    const answer = await s.c.consent(id, { person: ada, browser });
    const code = new URL(answer.headers.get("location") ?? "").searchParams.get("code") ?? "";
    const redeemed = await tokensOf(await s.c.redeem(app, { code, verifier }));
    expect([redeemed.scope, redeemed.authorization_details]).toEqual(["", [pay(40)]]);
  });
});

describe("what an operator's own services say", () => {
  it("111: no claim of theirs is a detail", async () => {
    const { claims } = s.t.ctx;
    s.t.ctx.claims = { enrich: async () => ({ authorization_details: [pay(4000)], team: "a" }) };
    const { access_token } = await tokensOf(
      await s.c.token(service, { grant_type: "client_credentials", resource: bank }),
    );
    s.t.ctx.claims = claims;
    expect(claimsOf(access_token)).toMatchObject({ team: "a" });
    expect(claimsOf(access_token)).not.toHaveProperty("authorization_details");
  });
});

describe("185: size and time", () => {
  it("20 details that could each be any of 20 are judged without waiting", async () => {
    const many = Array.from({ length: 20 }, () => tool("search"));
    const held = await s.c.tokensFor(app, asking(...many), { person: ada, browser });
    const asked = param(...many.slice(1), tool("search", { max_rows: 1 }));
    const started = performance.now();
    const response = await s.c.refresh(app, held.refresh_token, { authorization_details: asked });
    expect([response.status, performance.now() - started < 1000]).toEqual([200, true]);
  });

  it("a token with as many details as there can be is still read", async () => {
    const many = Array.from({ length: 19 }, (_, n) =>
      pay(n + 1, { creditor: "x".repeat(70), reference: "y".repeat(50) }),
    );
    const { access_token } = await s.c.tokensFor(app, asking(...many), { person: ada, browser });
    expect(access_token.length).toBeGreaterThan(4096);
    expect(await s.introspect(access_token)).toMatchObject({ active: true, authorization_details: many });
  });
});
