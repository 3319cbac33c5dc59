import { createLocalJWKSet, decodeJwt, jwtVerify } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { listGrants } from "@/lib/services/grants";
import { readRevocationFeed } from "@/lib/services/revocation-feed";
import { connect } from "@/test/support/client";
import { testContext, twoInstances } from "@/test/support/context";
import { descend, jtiOf } from "@/test/support/delegated";
import { listening } from "@/test/support/listening";
import { operate, PUBLIC_ENV, type PublicServer, publicServer } from "@/test/support/public-server";

const ISSUER = "https://auth.example.com";
const PATH = "/.well-known/revocations";

let s: PublicServer;

beforeAll(async () => {
  s = await publicServer();
});

/** The feed as a verifier reads it, with a library of its own. */
async function feedOf({ c, t }: PublicServer = s) {
  const keys = createLocalJWKSet(await (await c.call("/.well-known/jwks.json")).json());
  const jws = await (await c.call(PATH)).text();
  const { payload } = await jwtVerify(jws, keys, {
    ...{ typ: "revocations+jwt", issuer: ISSUER, currentDate: t.ctx.now() },
    requiredClaims: ["iat", "exp", "revoked"],
  });
  return payload;
}

async function revoked(on = s): Promise<readonly string[]> {
  const { revoked: jtis } = await feedOf(on);
  if (!Array.isArray(jtis)) throw new Error("revoked is a list");
  return jtis;
}

/** Which of these tokens are listed, after the second that an instance may remember the feed. */
async function listed(tokens: readonly string[], on = s): Promise<boolean[]> {
  on.t.advance(1);
  const jtis = await revoked(on);
  return tokens.map((token) => jtis.includes(jtiOf(token)));
}

/** An app's token in a person's name, and two that descend from it; a refresh token beside it. */
async function chain(on = s) {
  const person = await on.c.signIn();
  const [app, service] = [await on.createApp(), await on.createService()];
  const { access_token, refresh_token } = await on.c.tokensFor(app, {}, { person });
  const child = await descend(on.t, access_token, service.clientId);
  const tokens = [access_token, child, await descend(on.t, child, service.clientId)];
  return { person, app, service, tokens, refresh_token };
}

const order = async (action: string, target: Record<string, string | undefined>, on = s): Promise<void> => {
  const response = await on.c.json("/kill-switch", { action, target }, on.operator);
  if (response.status !== 200) throw new Error(await response.text());
};

type Chain = Awaited<ReturnType<typeof chain>>;

/** Every way in which tokens die before their time, and which of the chain's three it takes. */
const REASONS: [string, (chain: Chain) => Promise<unknown>, boolean[]][] = [
  ["nothing happened", async () => {}, [false, false, false]],
  [
    "the app gave its token back (RFC 7009)",
    ({ app, tokens }) => s.c.form("/revoke", { token: tokens[0], client_id: app.clientId }),
    [true, true, true],
  ],
  [
    "the app gave its refresh token back (RFC 7009)",
    ({ app, refresh_token }) => s.c.form("/revoke", { token: refresh_token, client_id: app.clientId }),
    [true, true, true],
  ],
  [
    "the person stopped the app",
    async ({ person }) => {
      const from = { person, browser: "brw_1" };
      const [given] = await listGrants(s.t.ctx, person.user.id);
      await s.c.post(`/me/grants/${given?.grant.id}/stop`, "account", {}, from);
    },
    [true, true, true],
  ],
  ["the client was disabled", ({ app }) => s.setClientStatus(app, "disabled"), [true, true, true]],
  [
    "the client was disabled and enabled again",
    async ({ app }) => {
      await s.setClientStatus(app, "disabled");
      await s.setClientStatus(app, "active");
    },
    [true, true, true],
  ],
  [
    "the client in the middle was disabled",
    ({ service }) => s.setClientStatus(service, "disabled"),
    [false, true, true],
  ],
  ["the client was frozen", ({ app }) => order("freeze", { client: app.clientId }), [true, true, true]],
  ["the client was killed", ({ app }) => order("kill", { client: app.clientId }), [true, true, true]],
  ["the person was frozen", ({ person }) => order("freeze", { person: person.user.id }), [true, true, true]],
  ["the person was killed", ({ person }) => order("kill", { person: person.user.id }), [true, true, true]],
  ["the chain was frozen", ({ tokens }) => order("freeze", { chain: tokens[2] }), [true, true, true]],
  ["the chain was killed", ({ tokens }) => order("kill", { chain: tokens[2] }), [true, true, true]],
];

describe("GET /.well-known/revocations (product decision D25)", () => {
  it.each(REASONS)("when %s, lists what no longer counts, as introspection says", async (_why, act, dead) => {
    const it = await chain();
    s.t.advance(1);
    await act(it);
    expect(await listed(it.tokens)).toEqual(dead);
    expect(await Promise.all(it.tokens.map(s.isActive))).toEqual(dead.map((gone) => !gone));
  });

  it("what is thawed is listed no more", async () => {
    const { app, person, tokens } = await chain();
    for (const target of [{ client: app.clientId }, { person: person.user.id }, { chain: tokens[0] }]) {
      await order("freeze", target);
      expect(await listed(tokens)).toEqual([true, true, true]);
      await order("thaw", target);
      expect(await listed(tokens)).toEqual([false, false, false]);
    }
  });

  it("a token that descends from a dead one and is stored later is listed", async () => {
    const { tokens, service } = await chain();
    const [root = ""] = tokens;
    await order("kill", { chain: root });
    expect(await listed([await descend(s.t, root, service.clientId)])).toEqual([true]);
  });

  it("a token issued after its client was enabled again is not listed", async () => {
    const service = await s.createService();
    await s.setClientStatus(service, "disabled");
    await s.setClientStatus(service, "active");
    s.t.advance(1);
    const { access_token } = await (await s.c.token(service, { grant_type: "client_credentials" })).json();
    expect(await listed([access_token])).toEqual([false]);
  });

  it("tokens leave the list when they expire", async () => {
    const own = operate(await testContext({ env: PUBLIC_ENV }));
    const { tokens } = await chain(own);
    await order("kill", { chain: tokens[0] }, own);
    const { exp = 0 } = decodeJwt(tokens[0] ?? "");
    own.t.advance(exp - own.t.ctx.now().getTime() / 1000 - 2);
    expect(await listed(tokens, own)).toEqual([true, true, true]);
    own.t.advance(1);
    expect(await listed(tokens, own)).toEqual([false, false, false]);
  });

  it("is sorted, without repetition, signed for a minute by the issuer and typed as nothing else", async () => {
    const { app } = await chain();
    await order("kill", { client: app.clientId });
    const { iss, iat = 0, exp, ...rest } = await feedOf();
    expect([iss, exp, Object.keys(rest)]).toEqual([ISSUER, iat + 60, ["revoked"]]);
    expect(iat).toBe(Math.floor(s.t.ctx.now().getTime() / 1000));
    const list = await revoked();
    expect(list).toEqual([...new Set(list)].sort());
    const jws = await (await s.c.call(PATH)).text();
    expect((await s.introspect(jws)).active).toBe(false);
  });

  it("is application/jwt, cached for five seconds, and for scripts of every origin", async () => {
    const { status, headers } = await s.c.call(PATH, { headers: { origin: "https://any.example" } });
    expect([status, headers.get("content-type"), headers.get("cache-control")]).toEqual([
      200,
      "application/jwt",
      "public, max-age=5",
    ]);
    expect(headers.get("access-control-allow-origin")).toBe("*");
  });

  it("RFC 9110 §13.1.2: is 304 for whoever has this state, and 200 once it is another", async () => {
    const { app } = await chain();
    s.t.advance(30 - (Math.floor(s.t.ctx.now().getTime() / 1000) % 30));
    const etag = (await s.c.call(PATH)).headers.get("etag") ?? "";
    const ask = (tag: string) => s.c.call(PATH, { headers: { "if-none-match": tag } });
    s.t.advance(2);
    for (const tag of [etag, `W/${etag}`, `"another", ${etag}`]) {
      const response = await ask(tag);
      expect([response.status, await response.text(), response.headers.get("etag")]).toEqual([304, "", etag]);
      expect(response.headers.get("cache-control")).toBe("public, max-age=5");
    }
    expect((await ask('"another"')).status).toBe(200);
    await order("kill", { client: app.clientId });
    const changed = await ask(etag);
    expect([changed.status, changed.headers.get("etag") === etag]).toEqual([200, false]);
  });

  it("is never 304 for a copy that is about to expire", async () => {
    const first = await s.c.call(PATH);
    const { exp = 0 } = decodeJwt(await first.text());
    s.t.advance(31);
    const again = await s.c.call(PATH, { headers: { "if-none-match": first.headers.get("etag") ?? "" } });
    expect(again.status).toBe(200);
    expect(decodeJwt(await again.text()).exp).toBe(exp + 31);
  });

  it("a flood of readers is one query and one signature a second", async () => {
    const seen = new Set<unknown>();
    const flood = async () => {
      const feeds = await Promise.all(Array.from({ length: 50 }, () => readRevocationFeed(s.t.ctx)));
      for (const feed of feeds) seen.add(feed);
      return seen.size;
    };
    s.t.advance(1);
    expect([await flood(), await flood()]).toEqual([1, 1]);
    s.t.advance(1);
    expect(await flood()).toBe(2);
  });

  it("what one of two instances kills is in the other's feed within a second", async () => {
    const [first, second, close] = await twoInstances({ env: PUBLIC_ENV });
    try {
      const [here, there] = [operate(first), operate(second)];
      const { tokens } = await chain(here);
      expect(await listed(tokens, there)).toEqual([false, false, false]);
      await order("kill", { chain: tokens[0] }, here);
      expect(await listed(tokens, there)).toEqual([true, true, true]);
    } finally {
      await close();
    }
  });
});

describe("examples/mcp-server/verify-offline.mjs", () => {
  const EXAMPLE = new URL("../../examples/mcp-server/verify-offline.mjs", import.meta.url);
  const RESOURCE = "http://localhost:8100/mcp";
  let server: Awaited<ReturnType<typeof listening>>;

  beforeAll(async () => {
    server = await listening();
  });
  afterAll(() => server.close());

  it("refuses what the feed lists once it has read it, and tokens of others go on", async () => {
    const { offlineVerifier } = await import(EXAMPLE.pathname);
    const c = connect(server.t);
    await c.protect(RESOURCE, { scopes: ["notes:read"] });
    const app = await c.registerPublic();
    const ask = { resource: RESOURCE, scope: "notes:read" };
    const [stopped, other] = [await c.tokensFor(app, ask), await c.tokensFor(app, ask)];
    // It reads the list when told, so that the test need not wait.
    const settings = { issuer: server.url, resource: RESOURCE, pollSeconds: 86_400 };
    const verifier = offlineVerifier(settings);
    const { clientId, scopes } = await verifier.verifyAccessToken(stopped.access_token);
    expect([clientId, scopes]).toEqual([app.clientId, ["notes:read"]]);
    await c.form("/revoke", { token: stopped.access_token, client_id: app.clientId });
    server.t.advance(1);
    await verifier.readRevocations();
    await expect(verifier.verifyAccessToken(stopped.access_token)).rejects.toMatchObject({
      code: "invalid_token",
      message: "The token was stopped before it expired. Connect again.",
    });
    expect((await verifier.verifyAccessToken(other.access_token)).clientId).toBe(app.clientId);
    // A verifier that starts now has the list before it accepts anything.
    const late = offlineVerifier(settings);
    await expect(late.verifyAccessToken(stopped.access_token)).rejects.toMatchObject({
      code: "invalid_token",
    });
  });
});
