import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { verifyChain } from "@/lib/oauth/chain-proof";
import { TOKEN_TYPES } from "@/lib/oauth/token-types";
import { type App, type Connection, connect, tokensOf } from "@/test/support/client";
import type { TestContext } from "@/test/support/context";
import { delegation, type TestAgent } from "@/test/support/delegation";
import { unchanged } from "@/test/support/digest";
import { ownDomain } from "@/test/support/own-domain";
import { type PublicServer, publicServer } from "@/test/support/public-server";
import { claimsOf } from "@/test/support/signer";
import { createRedeemer, redeem, refusal } from "@/test/support/trusted-assertions";

const B = "https://auth.example.com";

/** Domain A has a database, people and keys of its own, and publishes the keys on a port. */
let domain: Awaited<ReturnType<typeof ownDomain>>;
let issuerA: string;
let tA: TestContext;
let a: Connection;
let planner: TestAgent;
/** Domain B knows A only by what it publishes. */
let b: PublicServer;
let app: App;
let resource: string;

beforeAll(async () => {
  domain = await ownDomain({ AUTHGENT_TRUSTED_CHAINING_TARGETS: B });
  ({ t: tA, url: issuerA } = domain);
  a = connect(tA);
  planner = await delegation(a).createAgent(["orders:read", "orders:write"]);

  b = await publicServer({ env: { AUTHGENT_TRUSTED_CHAINING_ISSUERS: issuerA } });
  resource = await b.createResource(["orders:read", "orders:write"]);
  app = await createRedeemer(b, { scope: "orders:read orders:write" });
});

afterAll(() => domain.close());

/** A grant of A for B, which the planner gets for a person of A. */
async function grantOf(scope: string, subject = personToken(scope)): Promise<string> {
  const fields = { requested_token_type: TOKEN_TYPES.jwt, audience: B, scope };
  return (await delegation(a).exchanged(planner, await subject, fields)).access_token;
}

const personToken = async (scope: string): Promise<string> =>
  (await a.tokensFor(await a.registerPublic({ scope }), { scope })).access_token;

const refused = (grant: string, fields: Record<string, string> = {}) =>
  unchanged(b.t, async () => refusal(await redeem(b, app, grant, { resource, ...fields })));

describe("two servers of different domains chain with each other", () => {
  it("A's grant for a person becomes a token of B, which names who acted there and proves it", async () => {
    const grant = await grantOf("orders:read");
    const { access_token: token, scope } = await tokensOf(await redeem(b, app, grant, { resource }));
    const claims = claimsOf(token);
    expect(scope).toBe("orders:read");
    expect(claims).toMatchObject({
      iss: B,
      aud: resource,
      client_id: app.clientId,
      human_root: true,
      chained_from: issuerA,
      act: {
        sub: `client:${app.clientId}`,
        act: { sub: `client:${planner.clientId}`, iss: issuerA },
      },
    });
    // The person is B's own, known by who they are at A.
    expect(claims.sub).not.toBe(claimsOf(grant).sub);
    expect(await b.isActive(token)).toBe(true);
    const bundle = await (await b.c.form("/receipts", { token }, b.operator)).json();
    expect(verifyChain({ token, bundle, now: b.t.ctx.now() })).toMatchObject({
      ok: true,
      origin: { issuer: issuerA, sub: claimsOf(grant).sub, jti: claimsOf(grant).jti },
    });
  });

  it("the scope shrinks on the way and never grows", async () => {
    const grant = await grantOf("orders:read");
    expect(await refused(grant, { scope: "orders:write" })).toEqual({
      status: 400,
      error: "invalid_scope",
      error_code: "scope_escalation",
    });
    expect((await redeem(b, app, grant, { resource })).status).toBe(200);
  });

  it("a grant counts once, for a minute, and for B alone", async () => {
    const [used, late] = [await grantOf("orders:read"), await grantOf("orders:read")];
    expect((await redeem(b, app, used, { resource })).status).toBe(200);
    expect(await refused(used)).toEqual({ status: 400, error: "invalid_grant" });
    const atHome = await a.registerConfidential({
      grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer"],
    });
    const fields = { grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer", assertion: late };
    const answered = async () => refusal(await a.token(atHome, fields));
    expect(await unchanged(tA, answered)).toEqual({ status: 400, error: "invalid_grant" });
    for (const t of [tA, b.t]) t.advance(61);
    expect(await refused(late)).toEqual({ status: 400, error: "invalid_grant" });
  });

  it("a grant that A's agent got for itself makes nobody a person of B", async () => {
    const grant = await grantOf("orders:read", delegation(a).ownToken(planner));
    expect(claimsOf(grant).sub).toBe(`client:${planner.clientId}`);
    expect(await refused(grant)).toEqual({ status: 400, error: "invalid_grant" });
  });

  it("of 50 redemptions of one grant at once exactly one is answered with a token", async () => {
    const grant = await grantOf("orders:read");
    const answers = await Promise.all(Array.from({ length: 50 }, () => redeem(b, app, grant, { resource })));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(49).fill(400)]);
  });
});
