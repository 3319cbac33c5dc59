import { desc, eq } from "drizzle-orm";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { events } from "@/db/schema/events";
import { verifyChain } from "@/lib/oauth/chain-proof";
import { GRANT_TYPES, TOKEN_TYPES } from "@/lib/oauth/token-types";
import { type App, refusalOf, type Tokens, tokensOf } from "@/test/support/client";
import { testContext, unique } from "@/test/support/context";
import { delegation, type TestAgent } from "@/test/support/delegation";
import { denialsOf } from "@/test/support/denials";
import { PROOFS, unchanged } from "@/test/support/digest";
import { type KeyHolder, keyHolder } from "@/test/support/dpop";
import { operate, PUBLIC_ENV, type PublicServer } from "@/test/support/public-server";
import { claimsOf } from "@/test/support/signer";
import { type Partner, partner, redeem } from "@/test/support/trusted-assertions";

const PARTNER_SERVER = "https://as.partner.example";
const DOMAIN = "trust.example";
const ENV = {
  ...PUBLIC_ENV,
  AUTHGENT_TRUSTED_CHAINING_TARGETS: PARTNER_SERVER,
  AUTHGENT_TXN_TOKEN_TRUST_DOMAIN: DOMAIN,
};

/** One server with each policy, on one database, and the keys of two agents in front of it. */
type Site = { s: PublicServer; d: ReturnType<typeof delegation>; mine: KeyHolder; theirs: KeyHolder };
type Policy = "strict" | "audit" | "permissive";
const sites = {} as Record<Policy, Site>;
const POLICIES: readonly Policy[] = ["strict", "audit", "permissive"];

let resource: string;
let orchestrator: TestAgent;
let search: TestAgent;

beforeAll(async () => {
  for (const policy of POLICIES) {
    const env = policy === "strict" ? ENV : { ...ENV, AUTHGENT_DPOP_CHAIN_POLICY: policy };
    const s = operate(await testContext({ env }));
    sites[policy] = {
      ...{ s, d: delegation(s.c, s.operator) },
      ...{ mine: await keyHolder(s), theirs: await keyHolder(s) },
    };
  }
  resource = await sites.strict.s.createResource(["read", "write"]);
});
beforeEach(async () => {
  orchestrator = await sites.strict.d.createAgent(["read", "write"]);
  search = await sites.strict.d.createAgent(["read"]);
});

/** A token of the orchestrator that is bound to its key and addressed to the other agent. */
async function handed({ mine }: Site): Promise<string> {
  const own = await mine.ownToken(orchestrator, { resource });
  const { access_token, token_type } = await tokensOf(
    await mine.exchange(orchestrator, own, { audience: search.clientId }),
  );
  expect([token_type, claimsOf(access_token).cnf]).toEqual(["DPoP", { jkt: mine.jkt }]);
  return access_token;
}

/** A token of the orchestrator that is bound to nothing, and addressed to the other agent. */
async function handedBare({ d }: Site): Promise<string> {
  const own = await d.ownToken(orchestrator, { resource });
  return (await d.exchanged(orchestrator, own, { audience: search.clientId })).access_token;
}

const NO_PROOF = { status: 400, error: "invalid_dpop_proof" };
const OTHER_KEY = { status: 400, error: "invalid_request" };
const refusedBy = async ({ s }: Site, request: () => Promise<Response>, but?: readonly string[]) =>
  refusalOf(await unchanged(s.t, request, but));
const boundTo = ({ access_token, token_type }: Tokens) => [token_type, claimsOf(access_token).cnf];

describe.each(POLICIES)("106: a bound subject token, where the chain policy is %s", (policy) => {
  const at = () => sites[policy];

  it("never comes to anything without a proof, not even to the client that holds it", async () => {
    const token = await handed(at());
    const by = at().d;
    const answers = [
      await refusedBy(at(), () => by.exchange(search, token, { audience: resource })),
      await refusedBy(at(), () => by.exchange(orchestrator, token, { audience: resource })),
    ];
    expect(answers).toEqual([NO_PROOF, NO_PROOF]);
  });

  it("comes to a token bound to the same key with a proof of that key", async () => {
    const answer = await tokensOf(
      await at().mine.exchange(search, await handed(at()), { audience: resource }),
    );
    expect(boundTo(answer)).toEqual(["DPoP", { jkt: at().mine.jkt }]);
  });

  it("with another agent's key: only where the operator lets it, and bound to that key then", async () => {
    const token = await handed(at());
    const exchange = () => at().theirs.exchange(search, token, { audience: resource });
    if (policy === "strict") {
      expect(await refusedBy(at(), exchange, PROOFS)).toEqual(OTHER_KEY);
      return;
    }
    const answer = await tokensOf(await exchange());
    expect(boundTo(answer)).toEqual(["DPoP", { jkt: at().theirs.jkt }]);
    const [event] = await at()
      .s.t.ctx.db.select({ data: events.data })
      .from(events)
      .where(eq(events.subject, `token:${claimsOf(answer.access_token).jti}`))
      .orderBy(desc(events.id));
    expect([event?.data.jkt, event?.data.before]).toEqual([
      at().theirs.jkt,
      policy === "audit" ? at().mine.jkt : undefined,
    ]);
  });

  it("a bearer subject token is bound by the first proof, and needs none", async () => {
    const token = await handedBare(at());
    const bare = await at().d.exchanged(search, token, { audience: resource });
    const bound = await tokensOf(await at().theirs.exchange(search, token, { audience: resource }));
    expect([boundTo(bare), boundTo(bound)]).toEqual([
      ["Bearer", undefined],
      ["DPoP", { jkt: at().theirs.jkt }],
    ]);
  });

  it("a grant for another domain carries the key, and needs the proof", async () => {
    const token = await handed(at());
    const grant = { requested_token_type: TOKEN_TYPES.jwt, audience: PARTNER_SERVER };
    expect(await refusedBy(at(), () => at().d.exchange(search, token, grant))).toEqual(NO_PROOF);
    const answer = await tokensOf(await at().mine.exchange(search, token, grant));
    expect(boundTo(answer)).toEqual(["N_A", { jkt: at().mine.jkt }]);
    const bare = await at().d.exchanged(search, await handedBare(at()), grant);
    expect(boundTo(bare)).toEqual(["N_A", undefined]);
  });

  it("a transaction token needs the proof, and is bound to nothing: it is no access token", async () => {
    const token = await handed(at());
    const txn = { requested_token_type: TOKEN_TYPES.txnToken, audience: DOMAIN, scope: "read" };
    expect(await refusedBy(at(), () => at().d.exchange(search, token, txn))).toEqual(NO_PROOF);
    const answer = await tokensOf(await at().mine.exchange(search, token, txn));
    expect(boundTo(answer)).toEqual(["N_A", undefined]);
  });

  it("an actor token that is bound counts with its own key only", async () => {
    const token = await handedBare(at());
    const actor = {
      actor_token: await at().theirs.ownToken(search),
      actor_token_type: TOKEN_TYPES.accessToken,
      audience: resource,
    };
    expect(await refusedBy(at(), () => at().d.exchange(search, token, actor))).toEqual(NO_PROOF);
    expect(await refusedBy(at(), () => at().mine.exchange(search, token, actor), PROOFS)).toEqual(OTHER_KEY);
    expect(boundTo(await tokensOf(await at().theirs.exchange(search, token, actor)))).toEqual([
      "DPoP",
      { jkt: at().theirs.jkt },
    ]);
  });
});

describe("106: what else of a bound token", () => {
  it("a refresh token as subject token is held to the key it was issued with, and is not used up", async () => {
    const site = sites.strict;
    const app: App = await site.s.createApp({
      token_endpoint_auth_method: "client_secret_basic",
      grant_types: ["authorization_code", "refresh_token", GRANT_TYPES.tokenExchange],
    });
    const { refresh_token: token } = await site.mine.tokensFor(app, { resource });
    const fields = { subject_token_type: TOKEN_TYPES.refreshToken, audience: resource };
    expect(await refusedBy(site, () => site.d.exchange(app, token, fields))).toEqual(NO_PROOF);
    expect(await refusedBy(site, () => site.theirs.exchange(app, token, fields), PROOFS)).toEqual(OTHER_KEY);
    const answer = await tokensOf(await site.mine.exchange(app, token, fields));
    expect(boundTo(answer)).toEqual(["DPoP", { jkt: site.mine.jkt }]);
    expect((await site.mine.refresh(app, token)).status).toBe(200);
  });

  it("the dry run takes the key for held: it can be proven only in the exchange itself", async () => {
    const { s, mine } = sites.strict;
    const body = {
      subject_token: await handed(sites.strict),
      audience: resource,
      client_id: search.clientId,
    };
    const answer = await unchanged(s.t, () => s.c.json("/token/check", body, s.operator));
    expect([answer.status, (await answer.json()).allowed]).toEqual([200, true]);
    expect(mine.jkt).toHaveLength(43);
  });

  it("the receipts of a bound chain verify offline, and say which key each hop was bound to", async () => {
    const { s, mine } = sites.strict;
    const response = await mine.exchange(search, await handed(sites.strict), { audience: resource });
    const { access_token: token } = await tokensOf(response);
    const bundle = await (await s.c.form("/receipts", { token }, s.operator)).json();
    expect(verifyChain({ token, bundle, now: s.t.ctx.now() }).ok).toBe(true);
    const keys = bundle.receipts.map((receipt: string) => claimsOf(receipt).jkt);
    expect(keys).toEqual(keys.map(() => mine.jkt));
  });

  it("A+: each refusal is one row with its reason", async () => {
    const { d, theirs } = sites.strict;
    const token = await handed(sites.strict);
    await d.exchange(search, token, { audience: resource });
    await theirs.exchange(search, token, { audience: resource });
    expect(await denialsOf(sites.strict.s.t, search)).toEqual([
      [
        "token_request.denied",
        "invalid_dpop_proof",
        "Send a DPoP proof: the subject_token is bound to a key.",
      ],
      ["token_request.denied", "invalid_request", expect.stringContaining("another key")],
    ]);
  });
});

describe("106: an assertion of another server that is bound to a key", () => {
  let corp: Partner;
  let domain: Partner;
  beforeAll(async () => {
    corp = await partner(sites.strict.s, ["id_jag", "id_token"]);
    domain = await partner(sites.strict.s, ["chaining"]);
  });
  afterAll(() => Promise.all([corp.close(), domain.close()]));

  /** A refusal with its words, so that no other rule passes for the one that is meant. */
  async function told(request: () => Promise<Response>): Promise<unknown> {
    const response = await unchanged(sites.strict.s.t, request, PROOFS);
    const { error, error_description } = await response.json();
    return [response.status, error, error_description];
  }
  const INCOMPARABLE = [
    400,
    "invalid_request",
    "Get an assertion whose cnf is a jkt: this server compares no other keys.",
  ];

  it("an ID-JAG is redeemed by the holder of its key, and its token is bound to it", async () => {
    const { s, mine, theirs } = sites.strict;
    const app = await s.createService({ grant_types: [GRANT_TYPES.jwtBearer], scope: "read" });
    const terms = { client_id: app.clientId, resource, scope: "read", cnf: { jkt: mine.jkt } };
    const assertion = await corp.assertion(terms, { typ: "oauth-id-jag+jwt" });
    const fields = { grant_type: GRANT_TYPES.jwtBearer, assertion };
    const refused = { status: 400, error: "invalid_grant" };
    expect(await refusedBy(sites.strict, () => redeem(s, app, assertion))).toEqual(refused);
    expect(await refusedBy(sites.strict, () => theirs.token(app, fields), PROOFS)).toEqual(refused);
    expect(boundTo(await tokensOf(await mine.token(app, fields)))).toEqual(["DPoP", { jkt: mine.jkt }]);
    expect(await refusalOf(await mine.token(app, fields))).toEqual(refused);
  });

  it.each([
    ["an ID token", TOKEN_TYPES.idToken],
    ["another domain's grant", TOKEN_TYPES.jwt],
  ])("%s is exchanged by the holder of its key", async (_, type) => {
    const { d, mine, theirs } = sites.strict;
    const terms = { sub: unique("ann-"), cnf: { jkt: mine.jkt } };
    const token = await (type === TOKEN_TYPES.jwt
      ? domain.assertion({ scope: "read", ...terms })
      : corp.assertion({ aud: search.clientId, ...terms }));
    const fields = { subject_token_type: type, audience: resource };
    const needed = [400, "invalid_request", "Send a DPoP proof with the key that the assertion is bound to."];
    expect(await told(() => d.exchange(search, token, fields))).toEqual(needed);
    expect(await told(() => theirs.exchange(search, token, fields))).toEqual(needed);
    const answer = await tokensOf(await mine.exchange(search, token, fields));
    expect(boundTo(answer)).toEqual(["DPoP", { jkt: mine.jkt }]);
  });

  it.each([{}, { jwk: {} }, { "x5t#S256": "AA" }, { kid: "1" }, "jkt", null, []])(
    "a cnf of %j is none we could compare: it binds, and nobody redeems it",
    async (cnf) => {
      const { mine } = sites.strict;
      const token = await corp.assertion({ aud: search.clientId, sub: unique("ann-"), cnf });
      const fields = { subject_token_type: TOKEN_TYPES.idToken, audience: resource };
      expect(await told(() => mine.exchange(search, token, fields))).toEqual(INCOMPARABLE);
    },
  );

  it("a cnf with the right key and another one besides binds to both", async () => {
    const { mine } = sites.strict;
    const cnf = { jkt: mine.jkt, "x5t#S256": "AA" };
    const token = await corp.assertion({ aud: search.clientId, sub: unique("ann-"), cnf });
    const fields = { subject_token_type: TOKEN_TYPES.idToken, audience: resource };
    expect(await told(() => mine.exchange(search, token, fields))).toEqual(INCOMPARABLE);
  });
});
