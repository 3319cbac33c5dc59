import { eq } from "drizzle-orm";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { events } from "@/db/schema/events";
import { receipts } from "@/db/schema/receipts";
import type { AuthorizationDetail } from "@/lib/oauth/authorization-details";
import { GRANT_TYPES, TOKEN_TYPES } from "@/lib/oauth/token-types";
import type { PolicyRequest } from "@/lib/providers/policy/provider";
import { type App, refusalOf, type Tokens, tokensOf } from "@/test/support/client";
import { MCP_TOOL, PAYMENT, param, pay, tool } from "@/test/support/details-types";
import { type PublicServer, publicServer } from "@/test/support/public-server";
import { claimsOf } from "@/test/support/signer";
import { createRedeemer, type Partner, partner, redeem, refusal } from "@/test/support/trusted-assertions";

const TYPES = { authorization_details_types: [PAYMENT, MCP_TOOL] };
const INVALID = { status: 400, error: "invalid_authorization_details" };

let s: PublicServer;
let bank: string;
/** Has payments too, with an amount that cannot be made smaller. */
let shop: string;
let plain: string;
let app: App;
let helper: App;
let root: Tokens;

beforeAll(async () => {
  s = await publicServer();
  bank = await s.createResource(["read"], TYPES);
  const schema = structuredClone(PAYMENT.schema);
  Object.assign(Object(schema.properties).amount.properties.value, { narrowing: "equal" });
  shop = await s.createResource(["read"], { authorization_details_types: [{ ...PAYMENT, schema }] });
  plain = await s.createResource(["read"]);
  app = await s.createApp({
    token_endpoint_auth_method: "client_secret_basic",
    grant_types: ["authorization_code", GRANT_TYPES.tokenExchange],
    allowed_resources: [shop, plain],
  });
  helper = await s.createService({
    grant_types: [GRANT_TYPES.tokenExchange],
    scope: "read",
    allowed_resources: [bank, shop, plain],
  });
});
beforeEach(async () => {
  root = await tokensFor(pay(40), tool("search"));
});

const tokensFor = (...details: AuthorizationDetail[]): Promise<Tokens> =>
  s.c.tokensFor(app, { resource: bank, scope: "read", authorization_details: param(...details) });

type Fields = Record<string, string | undefined>;

const exchange = (by: App, token: string, fields: Fields = {}): Promise<Response> =>
  s.c.token(by, {
    grant_type: GRANT_TYPES.tokenExchange,
    subject_token: token,
    subject_token_type: TOKEN_TYPES.accessToken,
    ...fields,
  });
const exchanged = async (by: App, token: string, fields: Fields = {}): Promise<Tokens> =>
  tokensOf(await exchange(by, token, fields));
const asking = (...details: unknown[]) => ({ authorization_details: param(...details) });

describe("RFC 8693 and §6: what an exchange passes on", () => {
  it("without the parameter all that the subject token says, in token, answer, trail and receipt", async () => {
    const tokens = await exchanged(helper, root.access_token);
    const details = [pay(40), tool("search")];
    const { jti, rcpt, authorization_details } = claimsOf(tokens.access_token);
    expect([tokens.authorization_details, authorization_details]).toEqual([details, details]);
    const [event] = await s.t.ctx.db
      .select()
      .from(events)
      .where(eq(events.subject, `token:${jti}`));
    expect(event).toMatchObject({ type: "token.exchanged", data: { authorizationDetails: details } });
    const [receipt] = await s.t.ctx.db
      .select()
      .from(receipts)
      .where(eq(receipts.hash, String(rcpt)));
    expect(claimsOf(receipt?.jws ?? "")).toMatchObject({
      authorization_details: details,
      parent: { authorization_details: details },
    });
  });

  it("what is asked for, if it is covered; the scope stays what it is", async () => {
    const tokens = await exchanged(helper, root.access_token, asking(pay(25)));
    expect([tokens.scope, tokens.authorization_details]).toEqual(["read", [pay(25)]]);
    const next = await exchanged(helper, tokens.access_token, { ...asking(pay(20)), scope: "read" });
    expect(claimsOf(next.access_token)).toMatchObject({ scope: "read", authorization_details: [pay(20)] });
  });

  it("none, where none is asked for", async () => {
    const tokens = await exchanged(helper, root.access_token, { authorization_details: "[]" });
    expect(tokens.authorization_details).toEqual([]);
    expect(claimsOf(tokens.access_token)).not.toHaveProperty("authorization_details");
    const next = await exchange(helper, tokens.access_token, asking(pay(1)));
    expect(await refusalOf(next)).toEqual(INVALID);
  });

  it("a token that says none gives none, and the answer has no such member", async () => {
    const { access_token } = await s.c.tokensFor(app, { resource: bank, scope: "read" });
    expect(await exchanged(helper, access_token)).not.toHaveProperty("authorization_details");
    expect(await refusalOf(await exchange(helper, access_token, asking(pay(1))))).toEqual(INVALID);
  });

  it.each<[string, unknown[]]>([
    ["more", [pay(41)]],
    ["another recipient", [pay(1, { creditor: "Mallory" })]],
    ["the same payment twice", [pay(40), pay(40)]],
    ["a payment in two parts", [pay(20), pay(20)]],
    ["another tool", [tool("delete_file")]],
    ["a tool with a table that was never said", [tool("search", { table: "people" })]],
    ["an unknown type", [{ type: "loan" }]],
    ["a detail that does not fit", [pay(-1)]],
  ])("%s is refused", async (_, details) => {
    expect(await refusalOf(await exchange(helper, root.access_token, asking(...details)))).toEqual(INVALID);
  });

  it("a refresh token is exchanged for what it stands for", async () => {
    const type = { subject_token_type: TOKEN_TYPES.refreshToken };
    const all = await exchanged(app, root.refresh_token, type);
    expect(all.authorization_details).toEqual([pay(40), tool("search")]);
    const less = await exchanged(app, root.refresh_token, { ...type, ...asking(tool("search")) });
    expect(less.authorization_details).toEqual([tool("search")]);
    expect(await refusalOf(await exchange(app, root.refresh_token, { ...type, ...asking(pay(41)) }))).toEqual(
      INVALID,
    );
  });

  it("§10: a client that registered types is handed no others", async () => {
    const limited = await s.createService({
      grant_types: [GRANT_TYPES.tokenExchange],
      scope: "read",
      allowed_resources: [bank],
      authorization_details_types: ["mcp_tool"],
    });
    expect((await exchanged(limited, root.access_token)).authorization_details).toEqual([tool("search")]);
    expect(await refusalOf(await exchange(limited, root.access_token, asking(pay(1))))).toEqual(INVALID);
  });

  it("whoever may not exchange the token at all is told that first", async () => {
    const stranger = await s.createService({ grant_types: [GRANT_TYPES.tokenExchange] });
    expect(await refusalOf(await exchange(stranger, root.access_token, asking(pay(41))))).toEqual({
      status: 400,
      error: "invalid_request",
    });
  });
});

describe("§9: for another resource", () => {
  it("what it has no type for stays behind", async () => {
    expect((await exchanged(helper, root.access_token, { resource: plain })).authorization_details).toEqual(
      [],
    );
    const tokens = await exchanged(helper, root.access_token, { resource: shop });
    expect(tokens.authorization_details).toEqual([pay(40)]);
    expect(claimsOf(tokens.access_token)).toMatchObject({ aud: shop, authorization_details: [pay(40)] });
  });

  it("asking for what it has no type for is refused", async () => {
    const there = { resource: plain, ...asking(pay(40)) };
    expect(await refusalOf(await exchange(helper, root.access_token, there))).toEqual(INVALID);
  });

  it("both resources have to agree that it is less", async () => {
    const to = (resource: string, value: number) => ({ resource, ...asking(pay(value)) });
    expect((await exchanged(helper, root.access_token, to(bank, 30))).authorization_details).toEqual([
      pay(30),
    ]);
    expect(await refusalOf(await exchange(helper, root.access_token, to(shop, 30)))).toEqual(INVALID);
    const fixed = await exchanged(helper, root.access_token, to(shop, 40));
    expect(await refusalOf(await exchange(helper, fixed.access_token, to(bank, 30)))).toEqual(INVALID);
    expect((await exchanged(helper, fixed.access_token, to(bank, 40))).authorization_details).toEqual([
      pay(40),
    ]);
  });

  it("§2.2: what names its location goes nowhere else", async () => {
    const bound = await tokensFor(pay(40, { locations: [bank] }), pay(2));
    const there = await exchanged(helper, bound.access_token, { resource: shop });
    expect(there.authorization_details).toEqual([pay(2)]);
    const moved = { resource: shop, ...asking(pay(40, { locations: [shop] })) };
    expect(await refusalOf(await exchange(helper, bound.access_token, moved))).toEqual(INVALID);
  });

  it("D22: where only a grant of the person there lets the token go, nothing was agreed to in detail", async () => {
    const person = await s.c.signIn();
    const other = await s.createResource(["read"], TYPES);
    const roaming = await s.createApp({
      token_endpoint_auth_method: "client_secret_basic",
      grant_types: ["authorization_code", GRANT_TYPES.tokenExchange],
    });
    const { access_token } = await s.c.tokensFor(
      roaming,
      { resource: bank, scope: "read", ...asking(pay(40)) },
      { person },
    );
    const there = { resource: other };
    expect(await refusalOf(await exchange(roaming, access_token, there))).toMatchObject({
      error: "invalid_target",
    });
    await s.c.tokensFor(roaming, { ...there, scope: "read" }, { person });
    expect(await exchanged(roaming, access_token, there)).not.toHaveProperty("authorization_details");
    expect(await refusalOf(await exchange(roaming, access_token, { ...there, ...asking(pay(1)) }))).toEqual(
      INVALID,
    );
  });
});

describe("from agent to agent", () => {
  async function createAgent(): Promise<App> {
    const response = await s.c.json(
      "/agents",
      { name: `agent-${crypto.randomUUID()}`, allowed_scopes: ["read"] },
      s.operator,
    );
    const { client_id: clientId, client_secret: secret } = await response.json();
    return { clientId, secret, redirectUri: "" };
  }

  it("a token on its way keeps its details, and may lose some, by the types of where it came from", async () => {
    const agent = await createAgent();
    const handed = await exchanged(app, root.access_token, { audience: agent.clientId });
    expect(claimsOf(handed.access_token)).toMatchObject({
      aud: agent.clientId,
      authorization_details: [pay(40), tool("search")],
    });
    const second = await createAgent();
    const less = { audience: second.clientId, ...asking(pay(30), tool("search", { max_rows: 3 })) };
    const further = await exchanged(agent, handed.access_token, less);
    expect(further.authorization_details).toEqual([pay(30), tool("search", { max_rows: 3 })]);
    const last = await exchanged(second, further.access_token, { resource: bank, ...asking(pay(10)) });
    expect(claimsOf(last.access_token)).toMatchObject({ aud: bank, authorization_details: [pay(10)] });
    const wider = { resource: bank, ...asking(pay(31)) };
    expect(await refusalOf(await exchange(second, further.access_token, wider))).toEqual(INVALID);
    const open = { resource: bank, ...asking(tool("search")) };
    expect(await refusalOf(await exchange(second, further.access_token, open))).toEqual(INVALID);
  });

  it("on its way it gains nothing", async () => {
    const agent = await createAgent();
    const wider = { audience: agent.clientId, ...asking(pay(41)) };
    expect(await refusalOf(await exchange(app, root.access_token, wider))).toEqual(INVALID);
  });
});

describe("other kinds of token, and who decides", () => {
  it("a transaction token has no details, and asking for some is refused", async () => {
    const domain = await publicServer({ env: { AUTHGENT_TXN_TOKEN_TRUST_DOMAIN: "internal.example" } });
    const there = await domain.createResource(["read"], TYPES);
    const client = await domain.createApp({
      token_endpoint_auth_method: "client_secret_basic",
      grant_types: ["authorization_code", GRANT_TYPES.tokenExchange],
    });
    const { access_token } = await domain.c.tokensFor(client, {
      resource: there,
      scope: "read",
      ...asking(pay(40)),
    });
    const fields = {
      grant_type: GRANT_TYPES.tokenExchange,
      subject_token: access_token,
      subject_token_type: TOKEN_TYPES.accessToken,
      requested_token_type: TOKEN_TYPES.txnToken,
      audience: "internal.example",
      scope: "read",
    };
    const issued = await tokensOf(await domain.c.token(client, fields));
    expect([claimsOf(issued.access_token).authorization_details, issued.authorization_details]).toEqual([
      undefined,
      undefined,
    ]);
    const asked = await domain.c.token(client, { ...fields, ...asking(pay(1)) });
    expect(await refusalOf(asked)).toEqual(INVALID);
  });

  it("the policy is asked about the details that the token would say", async () => {
    const { policy } = s.t.ctx;
    const asked: PolicyRequest[] = [];
    s.t.ctx.policy = {
      decide: (request) => {
        asked.push(request);
        return policy.decide(request);
      },
    };
    await exchanged(helper, root.access_token, asking(pay(25)));
    await tokensFor(tool("search"));
    s.t.ctx.policy = policy;
    expect(asked.map(({ authorizationDetails }) => authorizationDetails)).toEqual([
      [pay(25)],
      [tool("search")],
    ]);
  });

  it("POST /token/check says what an exchange would come to, and what speaks against it", async () => {
    const check = async (details: unknown) =>
      (
        await s.c.json(
          "/token/check",
          {
            subject_token: root.access_token,
            client_id: helper.clientId,
            audience: bank,
            authorization_details: details,
          },
          s.operator,
        )
      ).json();
    expect(await check([pay(25)])).toMatchObject({
      allowed: true,
      effective_authorization_details: [pay(25)],
      reasons: [],
    });
    expect(await check([pay(41)])).toMatchObject({
      allowed: false,
      effective_authorization_details: [],
      reasons: [
        "Ask for less in authorization_details[0] (payment): nothing that was granted covers it. Each granted detail covers one.",
      ],
    });
    expect(await check([{ type: "a b" }])).toMatchObject({ allowed: false });
  });
});

describe("ID-JAG -04 §4.4 and RFC 7523: what another server asserts", () => {
  let corp: Partner;
  let client: App;

  beforeAll(async () => {
    corp = await partner(s, ["id_jag", "chaining"]);
    client = await createRedeemer(s, { scope: "read" });
    await tokensOf(await redeem(s, client, await idJag({ scope: "read" })));
  });
  afterAll(() => corp.close());

  const idJag = (more: Record<string, unknown>) =>
    corp.assertion({ client_id: client.clientId, resource: bank, ...more }, { typ: "oauth-id-jag+jwt" });
  const grant = (more: Record<string, unknown>) => corp.assertion({ resource: bank, ...more });

  it("is what the token says, with no scope that was not asserted beside it", async () => {
    const tokens = await tokensOf(
      await redeem(s, client, await idJag({ authorization_details: [pay(40), tool("search")] })),
    );
    expect([tokens.scope, tokens.authorization_details]).toEqual(["", [pay(40), tool("search")]]);
    expect(claimsOf(tokens.access_token)).toMatchObject({
      scope: "",
      authorization_details: [pay(40), tool("search")],
    });
    const both = await idJag({ scope: "read", authorization_details: [pay(40)] });
    expect(await tokensOf(await redeem(s, client, both))).toMatchObject({
      scope: "read",
      authorization_details: [pay(40)],
    });
  });

  it("a grant of another domain, with the receipt of the hop", async () => {
    const tokens = await tokensOf(await redeem(s, client, await grant({ authorization_details: [pay(40)] })));
    const { rcpt, authorization_details } = claimsOf(tokens.access_token);
    expect(authorization_details).toEqual([pay(40)]);
    const [receipt] = await s.t.ctx.db
      .select()
      .from(receipts)
      .where(eq(receipts.hash, String(rcpt)));
    expect(claimsOf(receipt?.jws ?? "")).toMatchObject({ authorization_details: [pay(40)] });
  });

  it("the request may ask for less of it, and for none", async () => {
    const details = { scope: "read", authorization_details: [pay(40), tool("search")] };
    const less = await tokensOf(await redeem(s, client, await idJag(details), asking(pay(3))));
    expect([less.scope, less.authorization_details]).toEqual(["read", [pay(3)]]);
    const none = await redeem(s, client, await idJag(details), { authorization_details: "[]" });
    expect((await tokensOf(none)).authorization_details).toEqual([]);
  });

  it.each<[string, unknown[], unknown[]]>([
    ["more than it", [pay(40)], [pay(41)]],
    ["another one", [pay(40)], [tool("search")]],
    ["two of one", [pay(40)], [pay(20), pay(20)]],
  ])("%s is refused, and the assertion is not used up", async (_, asserted, wanted) => {
    const assertion = await idJag({ authorization_details: asserted });
    expect(await refusal(await redeem(s, client, assertion, asking(...wanted)))).toEqual(INVALID);
    expect((await redeem(s, client, assertion)).status).toBe(200);
  });

  it("an assertion without any gives none", async () => {
    const assertion = await idJag({ scope: "read" });
    expect(await refusal(await redeem(s, client, assertion, asking(pay(1))))).toEqual(INVALID);
  });

  it.each<[string, unknown]>([
    ["a type that the resource does not have", [pay(40), { type: "loan" }]],
    ["a detail that does not fit", [pay(40, { color: "red" })]],
    ["another location", [pay(40, { locations: ["https://elsewhere.example"] })]],
    ["no list", pay(40)],
    ["invisible characters", [pay(40, { creditor: "A\u202eB" })]],
  ])("§5: %s is not dropped but refused: it could be a limit", async (_, details) => {
    for (const assertion of [
      await idJag({ authorization_details: details }),
      await grant({ authorization_details: details }),
    ])
      expect(await refusal(await redeem(s, client, assertion))).toEqual(INVALID);
  });

  it("an issuer that is limited to scopes has no say in them", async () => {
    const limited = await partner(s, ["id_jag"], { scope: "read" });
    const assertion = await limited.assertion(
      { client_id: client.clientId, resource: bank, authorization_details: [pay(1)] },
      { typ: "oauth-id-jag+jwt" },
    );
    expect(await refusal(await redeem(s, client, assertion))).toEqual(INVALID);
    await limited.close();
  });

  it("§10: a client that registered types redeems no others", async () => {
    const other = await createRedeemer(s, { scope: "read", authorization_details_types: ["mcp_tool"] });
    const assertion = (details: unknown) =>
      idJag({ client_id: other.clientId, authorization_details: details });
    expect(await refusal(await redeem(s, other, await assertion([pay(1)])))).toEqual(INVALID);
    expect((await redeem(s, other, await assertion([tool("search")]))).status).toBe(200);
  });

  it("exchanged, a grant of another domain gives what it says, understood whole", async () => {
    const jwt = { subject_token_type: TOKEN_TYPES.jwt, resource: bank };
    const good = await grant({ scope: "read", authorization_details: [pay(40)] });
    expect((await exchanged(helper, good, { ...jwt, ...asking(pay(3)) })).authorization_details).toEqual([
      pay(3),
    ]);
    const strange = await grant({ scope: "read", authorization_details: [pay(40), { type: "loan" }] });
    expect(await refusalOf(await exchange(helper, strange, jwt))).toEqual(INVALID);
  });

  it("a workload's own word says nothing of what may be done, and its agent has what it was registered for", async () => {
    const response = await s.c.json("/agents", { name: "job", allowed_scopes: ["read"] }, s.operator);
    const { client_id } = await response.json();
    const platform = await partner(s, ["workload"], {
      people: { create: false, allowed_domains: [] },
      workloads: [{ claims: { sub: "job" }, client_id }],
    });
    const present = async (claims: Record<string, unknown>, fields: Fields = {}) =>
      refusal(
        await redeem(s, undefined, await platform.assertion({ sub: "job", ...claims }), {
          resource: bank,
          ...fields,
        }),
      );
    expect(await present({ authorization_details: [pay(1)] })).toEqual({
      status: 400,
      error: "invalid_grant",
    });
    expect(await present({}, asking(pay(1)))).toEqual(INVALID);
    expect(await present({}, asking("no object"))).toEqual(INVALID);
    await platform.close();
  });

  it("an ID token says nothing of what may be done", async () => {
    const idp = await partner(s, ["id_token"]);
    const token = await idp.assertion({ aud: helper.clientId, authorization_details: [pay(1)] });
    const fields = { subject_token_type: TOKEN_TYPES.idToken, resource: bank };
    expect(await refusalOf(await exchange(helper, token, fields))).toEqual({
      status: 400,
      error: "invalid_request",
    });
    await idp.close();
  });
});
