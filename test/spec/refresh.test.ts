import { eq } from "drizzle-orm";
import { decodeJwt } from "jose";
import { beforeEach, describe, expect, it } from "vitest";
import { refreshTokens } from "@/db/schema/tokens";
import { hashSecret } from "@/lib/ids";
import { listGrants, narrowGrant, stopGrant } from "@/lib/services/grants";
import { pruneRefreshTokens } from "@/lib/services/refresh-tokens";
import { type App, type Connection, connect, refusalOf, tokensOf } from "@/test/support/client";
import { type TestContext, testContext, unique } from "@/test/support/context";

const DAY = 86_400;
const INVALID_GRANT = { status: 400, error: "invalid_grant" };

let t: TestContext;
let c: Connection;
let app: App;

beforeEach(async () => {
  t = await testContext();
  c = connect(t);
  app = await c.registerPublic();
});

/** Tokens for two scopes at a resource of its own. */
async function tokensForNotes(by = {}) {
  const resource = await c.protect(`https://${unique()}.example/mcp`, {
    scopes: ["notes:read", "notes:write"],
  });
  return { resource, ...(await c.tokensFor(app, { resource }, by)) };
}

describe("Refresh tokens (RFC 6749 §6)", () => {
  it("§6: every refresh gives a new access token and a new refresh token", async () => {
    const first = await c.tokensFor(app);
    const second = await tokensOf(await c.refresh(app, first.refresh_token));
    expect(second.refresh_token).toMatch(/^rt_[\w-]{43}$/);
    expect(second.refresh_token).not.toBe(first.refresh_token);
    expect(decodeJwt(second.access_token).jti).not.toBe(decodeJwt(first.access_token).jti);
    expect((await c.refresh(app, second.refresh_token)).status).toBe(200);
  });

  it("§6: without scope the answer has all that was granted, and says so (client quirk Q29)", async () => {
    const { refresh_token } = await tokensForNotes();
    expect((await tokensOf(await c.refresh(app, refresh_token))).scope).toBe("notes:read notes:write");
  });

  it("§6: a narrower scope is for that access token; the next refresh has all again", async () => {
    const { refresh_token } = await tokensForNotes();
    const narrow = await tokensOf(await c.refresh(app, refresh_token, { scope: "notes:read" }));
    expect(narrow.scope).toBe("notes:read");
    expect((await c.introspect(narrow.access_token)).scope).toBe("notes:read");
    expect((await tokensOf(await c.refresh(app, narrow.refresh_token))).scope).toBe("notes:read notes:write");
  });

  it("§6: a wider scope is refused, and the token stays good", async () => {
    const { refresh_token } = await tokensForNotes();
    const response = await c.refresh(app, refresh_token, { scope: "notes:read notes:delete" });
    const { error, error_code } = await response.json();
    expect([response.status, error, error_code]).toEqual([400, "invalid_scope", "scope_escalation"]);
    expect((await c.refresh(app, refresh_token)).status).toBe(200);
  });

  it("§6: another client's refresh token is no token, and trying it does no harm", async () => {
    const stranger = await c.registerPublic();
    const { refresh_token } = await c.tokensFor(app);
    expect(await refusalOf(await c.refresh(stranger, refresh_token))).toEqual(INVALID_GRANT);
    expect((await c.refresh(app, refresh_token)).status).toBe(200);
  });

  it.each(["rt_unknown", "nonsense", "a.b.c"])(
    "§5.2: %s is 400 invalid_grant (client quirk Q36)",
    async (token) => {
      expect(await refusalOf(await c.refresh(app, token))).toEqual(INVALID_GRANT);
    },
  );

  it("client quirk Q28: with and without resource both work, another one is invalid_target", async () => {
    const { resource, refresh_token } = await tokensForNotes();
    const { refresh_token: second } = await tokensOf(await c.refresh(app, refresh_token, { resource }));
    const other = await c.refresh(app, second, { resource: "https://other.example" });
    expect(await refusalOf(other)).toEqual({ status: 400, error: "invalid_target" });
    const third = await tokensOf(await c.refresh(app, second));
    expect(decodeJwt(third.access_token).aud).toBe(resource);
  });
});

describe("Refresh token rotation (RFC 9700 §4.14.2, product decision D10): within the overlap", () => {
  it("the same request gets the same answer, byte for byte", async () => {
    const { refresh_token } = await c.tokensFor(app);
    const first = await (await c.refresh(app, refresh_token)).text();
    t.advance(59);
    expect(await (await c.refresh(app, refresh_token)).text()).toBe(first);
  });

  it("ten at once get one answer: never two live successors of one token", async () => {
    const { refresh_token } = await c.tokensFor(app);
    const answers = await Promise.all(
      Array.from({ length: 10 }, async () => (await c.refresh(app, refresh_token)).text()),
    );
    expect(new Set(answers).size).toBe(1);
    expect(JSON.parse(answers[0] ?? "").refresh_token).toMatch(/^rt_/);
  });

  it("a successor that was used already is answered by its own successor when it comes again", async () => {
    const { refresh_token } = await c.tokensFor(app);
    const second = await tokensOf(await c.refresh(app, refresh_token));
    const third = await tokensOf(await c.refresh(app, second.refresh_token));
    expect(await tokensOf(await c.refresh(app, refresh_token))).toEqual(second);
    expect(await tokensOf(await c.refresh(app, second.refresh_token))).toEqual(third);
  });

  it.each([
    ["another scope", { scope: "notes:read" }],
    ["another resource", { resource: "https://other.example" }],
    ["a scope beyond the grant", { scope: "notes:delete" }],
  ])("a repeat with %s is refused, but kills nothing", async (_what, fields) => {
    const { refresh_token } = await tokensForNotes();
    const second = await tokensOf(await c.refresh(app, refresh_token));
    expect(await refusalOf(await c.refresh(app, refresh_token, fields))).toEqual(INVALID_GRANT);
    expect((await c.introspect(second.access_token)).active).toBe(true);
    expect((await c.refresh(app, second.refresh_token)).status).toBe(200);
  });

  it("a repeat with another client authentication is refused, but kills nothing", async () => {
    const confidential = await c.registerConfidential();
    const { refresh_token } = await c.tokensFor(confidential);
    const second = await tokensOf(await c.refresh(confidential, refresh_token));
    const inBody = { client_id: confidential.clientId, client_secret: confidential.secret };
    const repeat = await c.form("/token", { grant_type: "refresh_token", refresh_token, ...inBody });
    expect(await refusalOf(repeat)).toEqual(INVALID_GRANT);
    expect((await c.refresh(confidential, second.refresh_token)).status).toBe(200);
  });

  it("the kept answer is encrypted at rest, and erased when the overlap is over", async () => {
    const { refresh_token } = await c.tokensFor(app);
    const second = await tokensOf(await c.refresh(app, refresh_token));
    const kept = async () => {
      const [row] = await t.ctx.db
        .select()
        .from(refreshTokens)
        .where(eq(refreshTokens.tokenHash, hashSecret(refresh_token)));
      return row?.sealedSuccessor;
    };
    expect((await kept())?.length).toBeGreaterThan(100);
    expect(await kept()).not.toContain(second.refresh_token);
    t.advance(61);
    await pruneRefreshTokens(t.ctx);
    expect(await kept()).toBe(null);
  });
});

describe("Refresh token rotation (RFC 9700 §4.14.2, product decision D10): after the overlap", () => {
  it.each([
    ["as it was", {}],
    ["with another scope", { scope: "notes:delete" }],
    ["with another resource", { resource: "https://other.example" }],
  ])("a used token sent again %s kills the family and all that was minted from it", async (_what, fields) => {
    const first = await tokensForNotes();
    const second = await tokensOf(await c.refresh(app, first.refresh_token));
    t.advance(60);
    expect(await refusalOf(await c.refresh(app, first.refresh_token, fields))).toEqual(INVALID_GRANT);
    for (const { access_token, refresh_token } of [first, second]) {
      expect(await c.introspect(access_token)).toEqual({ active: false });
      expect(await refusalOf(await c.refresh(app, refresh_token))).toEqual(INVALID_GRANT);
    }
  });

  it("there is no mercy for a successor that was never used", async () => {
    const { refresh_token } = await c.tokensFor(app);
    const lost = await tokensOf(await c.refresh(app, refresh_token));
    t.advance(61);
    expect(await refusalOf(await c.refresh(app, refresh_token))).toEqual(INVALID_GRANT);
    expect(await refusalOf(await c.refresh(app, lost.refresh_token))).toEqual(INVALID_GRANT);
  });

  it("another family of the same person and app lives on (client quirk Q23)", async () => {
    const person = await c.signIn();
    const one = await c.tokensFor(app, {}, { person });
    const two = await c.tokensFor(app, {}, { person });
    await c.refresh(app, one.refresh_token);
    t.advance(61);
    await c.refresh(app, one.refresh_token);
    expect((await c.introspect(two.access_token)).active).toBe(true);
    expect((await c.refresh(app, two.refresh_token)).status).toBe(200);
  });

  it("is 60 seconds for a public client and 10 for a confidential one", async () => {
    const confidential = await c.registerConfidential();
    const mine = await c.tokensFor(app);
    const theirs = await c.tokensFor(confidential);
    await c.refresh(app, mine.refresh_token);
    await c.refresh(confidential, theirs.refresh_token);
    t.advance(9);
    expect((await c.refresh(confidential, theirs.refresh_token)).status).toBe(200);
    t.advance(1);
    expect((await c.refresh(confidential, theirs.refresh_token)).status).toBe(400);
    expect((await c.refresh(app, mine.refresh_token)).status).toBe(200);
    t.advance(50);
    expect((await c.refresh(app, mine.refresh_token)).status).toBe(400);
  });

  it("AUTHGENT_REFRESH_OVERLAP=0 means the first repeat is a replay", async () => {
    const strict = connect(await testContext({ env: { AUTHGENT_REFRESH_OVERLAP: "0" } }));
    const { refresh_token } = await strict.tokensFor(app);
    const second = await tokensOf(await strict.refresh(app, refresh_token));
    expect(await refusalOf(await strict.refresh(app, refresh_token))).toEqual(INVALID_GRANT);
    expect(await strict.introspect(second.access_token)).toEqual({ active: false });
  });
});

describe("Refresh token lifetimes", () => {
  it("an unused refresh token ends after 30 days", async () => {
    const inTime = await c.tokensFor(app);
    const late = await c.tokensFor(app);
    t.advance(30 * DAY - 1);
    expect((await c.refresh(app, inTime.refresh_token)).status).toBe(200);
    t.advance(1);
    expect(await refusalOf(await c.refresh(app, late.refresh_token))).toEqual(INVALID_GRANT);
  });

  it("however often it is refreshed, a family ends after 90 days", async () => {
    let { refresh_token } = await c.tokensFor(app);
    for (const days of [29, 29, 29]) {
      t.advance(days * DAY);
      refresh_token = (await tokensOf(await c.refresh(app, refresh_token))).refresh_token;
    }
    t.advance(3 * DAY - 1);
    refresh_token = (await tokensOf(await c.refresh(app, refresh_token))).refresh_token;
    t.advance(1);
    expect(await refusalOf(await c.refresh(app, refresh_token))).toEqual(INVALID_GRANT);
  });
});

describe("Refresh tokens and the person's grant", () => {
  it("a grant that was stopped refreshes nothing", async () => {
    const person = await c.signIn();
    const { refresh_token } = await c.tokensFor(app, {}, { person });
    const [overview] = await listGrants(t.ctx, person.user.id);
    await stopGrant(t.ctx, { userId: person.user.id, grantId: overview?.grant.id ?? "" });
    expect(await refusalOf(await c.refresh(app, refresh_token))).toEqual(INVALID_GRANT);
  });

  it("a grant that was narrowed refreshes what is left of it", async () => {
    const person = await c.signIn();
    const { refresh_token } = await tokensForNotes({ person });
    const [overview] = await listGrants(t.ctx, person.user.id);
    const grantId = overview?.grant.id ?? "";
    await narrowGrant(t.ctx, { userId: person.user.id, grantId, keep: ["notes:read"] });
    expect((await tokensOf(await c.refresh(app, refresh_token))).scope).toBe("notes:read");
  });

  it("a second consent of the same person and app kills nothing, and adds to the grant (Q23, Q33)", async () => {
    const person = await c.signIn();
    const resource = await c.protect(`https://${unique()}.example/mcp`, {
      scopes: ["notes:read", "notes:write"],
    });
    const first = await c.tokensFor(app, { resource, scope: "notes:read" }, { person });
    const second = await c.tokensFor(app, { resource, scope: "notes:write" }, { person });
    expect(second.scope).toBe("notes:read notes:write");
    expect((await tokensOf(await c.refresh(app, first.refresh_token))).scope).toBe("notes:read");
  });
});
