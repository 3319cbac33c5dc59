import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TOKEN_TYPES } from "@/lib/oauth/token-types";
import { type App, refusalOf, tokensOf } from "@/test/support/client";
import { twoInstances, unique } from "@/test/support/context";
import { delegation } from "@/test/support/delegation";
import { unchanged } from "@/test/support/digest";
import { type KeyHolder, keyHolder } from "@/test/support/dpop";
import { operate, PUBLIC_ENV, type PublicServer, publicServer } from "@/test/support/public-server";
import { claimsOf } from "@/test/support/signer";
import { partner, refusal } from "@/test/support/trusted-assertions";

const ISSUER = "https://auth.example.com";
const MCP = `${ISSUER}/mcp`;
const METADATA = `resource_metadata="${ISSUER}/.well-known/oauth-protected-resource/mcp", scope="mcp:tools"`;
const ALGS = "ES256 ES384 RS256 PS256 Ed25519 EdDSA";
const REFUSED = { status: 400, error: "invalid_dpop_proof" };
const own = { grant_type: "client_credentials" };

const challengeOf = (response: Response): string =>
  (response.headers.get("www-authenticate") ?? "").replace(/error_description="[^"]*", /, "");

describe("AUTHGENT_REQUIRE_DPOP: no bearer tokens at all (RFC 9449 §5, §11.2)", () => {
  /** The same server before the operator set it. */
  let before: PublicServer;
  let s: PublicServer;
  let key: KeyHolder;
  let nonce: string;
  let resource: string;

  beforeAll(async () => {
    before = await publicServer();
    resource = await before.createResource(["read"]);
    s = await publicServer({ env: { AUTHGENT_REQUIRE_DPOP: "true" } });
    key = await keyHolder(s);
    const app = await s.createService();
    nonce = (await s.c.token(app, own)).headers.get("dpop-nonce") ?? "";
  });
  const proof = (of = {}) => key.proof({ nonce, ...of });
  const refused = async (request: () => Promise<Response>) => refusalOf(await unchanged(s.t, request));

  it("client_credentials without a proof is refused, and the refusal brings a nonce", async () => {
    const app = await s.createService();
    const response = await s.c.token(app, own);
    expect(response.headers.get("dpop-nonce")).toBe(nonce);
    expect(await response.json()).toMatchObject({
      error: "invalid_dpop_proof",
      error_description: "Send a DPoP proof: this server issues no bearer tokens.",
    });
    // A nonce is required with it, unless the operator says otherwise.
    expect(await refusalOf(await key.token(app, own))).toEqual({ status: 400, error: "use_dpop_nonce" });
    expect((await tokensOf(await key.token(app, own, await proof()))).token_type).toBe("DPoP");
  });

  it("a code, a refresh token and a subject token buy nothing without one, and live", async () => {
    const app = await before.createApp();
    const code = await before.c.codeFor(app, { resource });
    expect(await refused(() => s.c.redeem(app, code))).toEqual(REFUSED);
    const { refresh_token } = await before.c.tokensFor(app, { resource });
    expect(await refused(() => s.c.refresh(app, refresh_token))).toEqual(REFUSED);
    const d = delegation(s.c, s.operator);
    const agent = await d.createAgent(["read"]);
    const bearer = await delegation(before.c).ownToken(agent, { resource });
    expect(await refused(() => d.exchange(agent, bearer, { audience: agent.clientId }))).toEqual(REFUSED);
    const redeemed = await key.token(
      app,
      { grant_type: "authorization_code", code: code.code, code_verifier: code.verifier },
      await proof(),
    );
    const refreshed = await key.token(app, { grant_type: "refresh_token", refresh_token }, await proof());
    expect([(await tokensOf(redeemed)).token_type, (await tokensOf(refreshed)).token_type]).toEqual([
      "DPoP",
      "DPoP",
    ]);
  });

  it("RFC 9728 §2: the metadata of the MCP endpoint says so", async () => {
    const path = "/.well-known/oauth-protected-resource/mcp";
    const [now, earlier] = await Promise.all([s, before].map(async ({ c }) => (await c.call(path)).json()));
    expect(now.dpop_bound_access_tokens_required).toBe(true);
    expect("dpop_bound_access_tokens_required" in earlier).toBe(false);
  });

  it("the MCP endpoint refuses bearer tokens of before, and says what it takes", async () => {
    const { access_token } = await before.c.tokensFor(await before.createApp(), { resource: MCP });
    expect((await (await keyHolder(before)).mcp(access_token, null, "Bearer")).status).toBe(200);
    for (const [given, scheme] of [
      [null, "Bearer"],
      [await proof({ path: "/mcp", accessToken: access_token }), "DPoP"],
    ] as const) {
      const response = await unchanged(s.t, () => key.mcp(access_token, given, scheme));
      expect([response.status, challengeOf(response)]).toEqual([
        401,
        `DPoP error="invalid_token", ${METADATA}, algs="${ALGS}"`,
      ]);
    }
  });

  it("Q8: without a token the challenge for bearer clients comes first, and both lead to the metadata", async () => {
    const response = await s.c.call("/mcp", { method: "POST" });
    expect([response.status, challengeOf(response)]).toEqual([
      401,
      `Bearer ${METADATA}, DPoP ${METADATA}, algs="${ALGS}"`,
    ]);
  });
});

describe("dpop_bound_access_tokens_required: a resource that takes no bearer tokens (RFC 9728 §2)", () => {
  let s: PublicServer;
  let other: PublicServer;
  let close: () => Promise<void>;
  let key: KeyHolder;
  let service: App;

  beforeAll(async () => {
    const [first, second, end] = await twoInstances({ env: PUBLIC_ENV });
    [s, other, close] = [operate(first), operate(second), end];
    key = await keyHolder(s);
    service = await s.createService({ scope: "read" });
  });
  afterAll(() => close());

  /** The row of a resource, as the operator sees it. */
  async function listed(resource: string) {
    const { items } = await (await s.c.call("/resources", { headers: s.operator })).json();
    return items.find((item: { resource: string }) => item.resource === resource);
  }
  const ask = (resource: string) => s.c.token(service, { ...own, resource });

  it("POST /resources: tokens for it are bound, those for others need not be", async () => {
    const strict = await s.createResource(["read"], { dpop_bound_access_tokens_required: true });
    const lax = await s.createResource(["read"]);
    expect((await listed(strict)).dpop_bound_access_tokens_required).toBe(true);
    const response = await unchanged(s.t, () => ask(strict));
    expect(await response.json()).toMatchObject({
      error: "invalid_dpop_proof",
      error_description: `Send a DPoP proof: ${strict} takes no bearer tokens.`,
    });
    expect((await tokensOf(await ask(lax))).token_type).toBe("Bearer");
    const bound = await key.ownToken(service, { resource: strict });
    expect(claimsOf(bound)).toMatchObject({ aud: strict, cnf: { jkt: key.jkt } });
  });

  it("D25: said of a resource later, it holds on every instance within a second, and can be taken back", async () => {
    const resource = await s.createResource(["read"]);
    const { id } = await listed(resource);
    const change = (required: boolean) =>
      s.c.json(`/resources/${id}`, { dpop_bound_access_tokens_required: required }, s.operator, "PATCH");
    const statusAt = async ({ c }: PublicServer) => (await c.token(service, { ...own, resource })).status;
    expect([await statusAt(s), await statusAt(other)]).toEqual([200, 200]);
    expect((await (await change(true)).json()).dpop_bound_access_tokens_required).toBe(true);
    other.t.advance(1);
    expect([await statusAt(s), await statusAt(other)]).toEqual([400, 400]);
    await change(false);
    expect(await statusAt(s)).toBe(200);
  });

  it("a code and a refresh token for it buy nothing without a proof, and live", async () => {
    const resource = await s.createResource(["read"], { dpop_bound_access_tokens_required: true });
    const app = await s.createApp();
    const code = await s.c.codeFor(app, { resource });
    expect(await refusalOf(await unchanged(s.t, () => s.c.redeem(app, code)))).toEqual(REFUSED);
    expect((await key.redeem(app, code)).status).toBe(200);
  });

  it("an exchange for it is refused before anybody is made known for it", async () => {
    const resource = await s.createResource(["read"], { dpop_bound_access_tokens_required: true });
    const corp = await partner(s, ["id_token"]);
    const agent = await delegation(s.c, s.operator).createAgent(["read"]);
    const idToken = await corp.assertion({ aud: agent.clientId, jti: undefined, sub: unique("new-") });
    const fields = { subject_token_type: TOKEN_TYPES.idToken, audience: resource };
    const d = delegation(s.c);
    const answer = await unchanged(s.t, async () => refusal(await d.exchange(agent, idToken, fields)));
    expect(answer).toEqual(REFUSED);
    expect((await tokensOf(await key.exchange(agent, idToken, fields))).token_type).toBe("DPoP");
    await corp.close();
  });

  it("the MCP endpoint is a resource like any other", async () => {
    const { id } = await listed(MCP);
    const { access_token } = await s.c.tokensFor(await s.createApp(), { resource: MCP });
    expect((await key.mcp(access_token, null, "Bearer")).status).toBe(200);
    const path = `/resources/${id}`;
    await s.c.json(path, { dpop_bound_access_tokens_required: true }, s.operator, "PATCH");
    try {
      expect((await key.mcp(access_token, null, "Bearer")).status).toBe(401);
      const metadata = await (await s.c.call("/.well-known/oauth-protected-resource/mcp")).json();
      expect(metadata.dpop_bound_access_tokens_required).toBe(true);
    } finally {
      await s.c.json(path, { dpop_bound_access_tokens_required: false }, s.operator, "PATCH");
    }
  });
});
