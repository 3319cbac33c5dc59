import { eq } from "drizzle-orm";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { grants } from "@/db/schema/grants";
import { tokenFamilies } from "@/db/schema/tokens";
import { users } from "@/db/schema/users";
import { narrowGrant, stopGrant } from "@/lib/services/grants";
import { type App, type Person, refusalOf, type Tokens, tokensOf } from "@/test/support/client";
import { testContext, twoInstances } from "@/test/support/context";
import { dumpOf, PROOFS, unchanged } from "@/test/support/digest";
import { keyHolder } from "@/test/support/dpop";
import { operate, PUBLIC_ENV, type PublicServer } from "@/test/support/public-server";

let s: PublicServer;
let other: PublicServer;
let close: () => Promise<void>;
let app: App;
let resource: string;
let ada: Person;
let tokens: Tokens;

beforeAll(async () => {
  const [first, second, end] = await twoInstances({ env: PUBLIC_ENV });
  [s, other, close] = [operate(first), operate(second), end];
  resource = await s.createResource(["read", "write"]);
});
afterAll(() => close());
beforeEach(async () => {
  app = await s.createApp();
  ada = await s.c.signIn();
  tokens = await s.c.tokensFor(app, { resource }, { person: ada });
});

const REFUSED = { status: 400, error: "invalid_grant" };
const again = async (token: string, fields = {}) => tokensOf(await s.c.refresh(app, token, fields));
const grantOfAda = async () => {
  const [grant] = await s.t.ctx.db.select().from(grants).where(eq(grants.userId, ada.user.id));
  return { userId: ada.user.id, grantId: grant?.id ?? "" };
};
/** Moves both clocks, does something, and moves them back. */
async function later<T>(seconds: number, act: () => Promise<T>): Promise<T> {
  for (const { t } of [s, other]) t.advance(seconds);
  return act().finally(() => {
    for (const { t } of [s, other]) t.advance(-seconds);
  });
}

describe("a used refresh token", () => {
  it("65: past the overlap it ends the family and every access token of it, on every instance", async () => {
    const next = await again(tokens.refresh_token);
    const replay = await later(61, () => s.c.refresh(app, tokens.refresh_token));
    expect(await refusalOf(replay)).toEqual(REFUSED);
    const issued = [tokens.access_token, next.access_token, next.refresh_token];
    const active = await Promise.all(issued.flatMap((token) => [s.isActive(token), other.isActive(token)]));
    expect(active).toEqual(new Array(6).fill(false));
    expect(await refusalOf(await other.c.refresh(app, next.refresh_token))).toEqual(REFUSED);
  });

  it("65, D10: within the overlap it gets its one successor again", async () => {
    const next = await again(tokens.refresh_token);
    const repeat = await later(59, () => again(tokens.refresh_token));
    expect(repeat).toEqual(next);
  });

  it("65, D10: within the overlap a repeat that asks for something else is refused, and the family lives", async () => {
    const next = await again(tokens.refresh_token);
    const response = await unchanged(s.t, () => s.c.refresh(app, tokens.refresh_token, { scope: "read" }));
    expect([await refusalOf(response), await s.isActive(next.refresh_token)]).toEqual([REFUSED, true]);
  });

  it.each([1, 2, 3])("66, 67: 50 refreshes on two instances have one successor (round %i)", async () => {
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) => (index % 2 ? s : other).c.refresh(app, tokens.refresh_token)),
    );
    const successors = await Promise.all(answers.map(tokensOf));
    expect(new Set(successors.map(({ refresh_token }) => refresh_token)).size).toBe(1);
    expect(new Set(successors.map(({ access_token }) => access_token)).size).toBe(1);
    expect([
      await s.isActive(tokens.refresh_token),
      await s.isActive(successors[0]?.refresh_token ?? ""),
    ]).toEqual([false, true]);
  });

  it("66: without an overlap 50 refreshes have one winner, and no token outlives the theft", async () => {
    const env = { ...PUBLIC_ENV, AUTHGENT_REFRESH_OVERLAP: "0" };
    const [first, second, end] = await twoInstances({ env });
    const strict = [operate(first), operate(second)];
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) => (strict[index % 2] ?? s).c.refresh(app, tokens.refresh_token)),
    );
    await end();
    const won = await Promise.all(answers.filter(({ status }) => status === 200).map(tokensOf));
    const refusals = await Promise.all(answers.filter(({ status }) => status !== 200).map(refusalOf));
    expect([won.length, refusals]).toEqual([1, new Array(49).fill(REFUSED)]);
    const issued = [tokens.access_token, won[0]?.access_token ?? "", won[0]?.refresh_token ?? ""];
    expect(await Promise.all(issued.map(s.isActive))).toEqual([false, false, false]);
  });

  it("68: after a restart of every instance it is still refused, and so is its family", async () => {
    const next = await again(tokens.refresh_token);
    await later(61, () => s.c.refresh(app, tokens.refresh_token));
    const restarted = operate(await testContext({ env: PUBLIC_ENV }));
    const answers = [tokens.refresh_token, next.refresh_token].map((token) =>
      restarted.c.refresh(app, token),
    );
    expect(await Promise.all((await Promise.all(answers)).map(refusalOf))).toEqual([REFUSED, REFUSED]);
    expect(await restarted.isActive(next.access_token)).toBe(false);
  });
});

describe("a refresh token is bound", () => {
  it("69: another client's is refused, and the family of its owner lives", async () => {
    const thief = await s.createApp({ token_endpoint_auth_method: "client_secret_basic" });
    const response = await unchanged(s.t, () => s.c.refresh(thief, tokens.refresh_token));
    expect([await refusalOf(response), await s.isActive(tokens.refresh_token)]).toEqual([REFUSED, true]);
  });

  it("69: another client cannot revoke it either (RFC 7009 §2.1)", async () => {
    const thief = await s.createApp({ token_endpoint_auth_method: "client_secret_basic" });
    for (const token of [tokens.refresh_token, tokens.access_token]) {
      const response = await unchanged(s.t, () =>
        s.c.form("/revoke", { token, client_id: thief.clientId, client_secret: thief.secret }),
      );
      expect(response.status).toBe(200);
    }
    expect(await s.isActive(tokens.access_token)).toBe(true);
  });

  it("69: revoked by its own client, nothing of the family counts any more", async () => {
    await s.c.form("/revoke", { token: tokens.refresh_token, client_id: app.clientId });
    const active = [await other.isActive(tokens.access_token), await other.isActive(tokens.refresh_token)];
    expect(active).toEqual([false, false]);
    expect(await refusalOf(await other.c.refresh(app, tokens.refresh_token))).toEqual(REFUSED);
  });

  it("72: to the key it was issued with, for a public client; never a bearer token, and it lives", async () => {
    const [key, thief] = [await keyHolder(s), await keyHolder(s)];
    const bound = await key.tokensFor(app, { resource }, { person: ada });
    const fields = { grant_type: "refresh_token", refresh_token: bound.refresh_token };
    const answers = [
      await unchanged(s.t, () => s.c.refresh(app, bound.refresh_token)),
      await unchanged(s.t, () => key.token(app, fields, "no.proof")),
      await unchanged(s.t, () => thief.refresh(app, bound.refresh_token), PROOFS),
    ];
    const noProof = { status: 400, error: "invalid_dpop_proof" };
    expect(await Promise.all(answers.map(refusalOf))).toEqual([noProof, noProof, REFUSED]);
    const next = await tokensOf(await key.refresh(app, bound.refresh_token));
    expect([next.token_type, (await s.introspect(next.access_token)).cnf]).toEqual([
      "DPoP",
      { jkt: key.jkt },
    ]);
  });

  it("72, 65: a used one in the hands of somebody without the key is no theft, and ends no family", async () => {
    const [key, thief] = [await keyHolder(s), await keyHolder(s)];
    const bound = await key.tokensFor(app, { resource }, { person: ada });
    const next = await tokensOf(await key.refresh(app, bound.refresh_token));
    await later(61, async () => {
      await unchanged(s.t, () => s.c.refresh(app, bound.refresh_token));
      await unchanged(s.t, () => thief.refresh(app, bound.refresh_token), PROOFS);
      expect(await s.isActive(next.refresh_token)).toBe(true);
      // With the key it is a replay, and ends everything.
      expect(await refusalOf(await key.refresh(app, bound.refresh_token))).toEqual(REFUSED);
      expect(await s.isActive(next.refresh_token)).toBe(false);
    });
  });

  it("72: of a confidential client it takes a new key, but never none", async () => {
    const [key, newKey] = [await keyHolder(s), await keyHolder(s)];
    const confidential = await s.createApp({ token_endpoint_auth_method: "client_secret_basic" });
    const { refresh_token } = await key.tokensFor(confidential, { resource }, { person: ada });
    const bare = await unchanged(s.t, () => s.c.refresh(confidential, refresh_token));
    expect(await refusalOf(bare)).toEqual({ status: 400, error: "invalid_dpop_proof" });
    const next = await tokensOf(await newKey.refresh(confidential, refresh_token));
    expect((await s.introspect(next.access_token)).cnf).toEqual({ jkt: newKey.jkt });
  });

  it("71: another resource is invalid_target, and the token is not used up", async () => {
    const response = await unchanged(s.t, () =>
      s.c.refresh(app, tokens.refresh_token, { resource: "https://auth.example.com/mcp" }),
    );
    expect(await refusalOf(response)).toEqual({ status: 400, error: "invalid_target" });
    expect((await s.c.refresh(app, tokens.refresh_token)).status).toBe(200);
  });

  it("71, D21: a scope beyond the grant is invalid_scope with its detail, and the token is not used up", async () => {
    const response = await unchanged(s.t, () =>
      s.c.refresh(app, tokens.refresh_token, { scope: "read write admin:root" }),
    );
    const { error, error_code } = await response.json();
    expect([response.status, error, error_code]).toEqual([400, "invalid_scope", "scope_escalation"]);
    expect((await s.c.refresh(app, tokens.refresh_token)).status).toBe(200);
  });
});

describe("a refresh token ends", () => {
  it("73: when the person stops the app", async () => {
    await stopGrant(s.t.ctx, await grantOfAda());
    const response = await unchanged(s.t, () => other.c.refresh(app, tokens.refresh_token));
    expect(await refusalOf(response)).toEqual(REFUSED);
  });

  it("73: when the person is disabled", async () => {
    await s.t.ctx.db.update(users).set({ status: "disabled" }).where(eq(users.id, ada.user.id));
    const response = await unchanged(s.t, () => other.c.refresh(app, tokens.refresh_token));
    expect(await refusalOf(response)).toEqual(REFUSED);
  });

  it("73, Q16: when the client is disabled it is invalid_client", async () => {
    await s.setClientStatus(app, "disabled");
    const response = await unchanged(s.t, () => other.c.refresh(app, tokens.refresh_token));
    expect(await refusalOf(response)).toEqual({ status: 401, error: "invalid_client" });
  });

  it("73: when the grant is narrowed it brings what is left, and asking for the rest is refused", async () => {
    await narrowGrant(s.t.ctx, { ...(await grantOfAda()), keep: ["read"] });
    const response = await unchanged(s.t, () =>
      other.c.refresh(app, tokens.refresh_token, { scope: "write" }),
    );
    expect(await refusalOf(response)).toEqual({ status: 400, error: "invalid_scope" });
    expect((await again(tokens.refresh_token)).scope).toBe("read");
  });

  it("73: a stopped app gets nothing from the overlap either", async () => {
    await again(tokens.refresh_token);
    await stopGrant(s.t.ctx, await grantOfAda());
    expect(await refusalOf(await other.c.refresh(app, tokens.refresh_token))).toEqual(REFUSED);
  });

  it("74: 90 days after the sign-in, however often it was rotated", async () => {
    const DAY = 86_400;
    let { refresh_token } = tokens;
    for (const day of [29, 58, 87]) ({ refresh_token } = await later(day * DAY, () => again(refresh_token)));
    const before = await later(90 * DAY - 60, () => s.isActive(refresh_token));
    const after = await later(90 * DAY + 60, () => s.c.refresh(app, refresh_token));
    expect([before, await refusalOf(after)]).toEqual([true, REFUSED]);
  });

  it("74: 30 days after its last use", async () => {
    const response = await later(30 * 86_400 + 60, () => s.c.refresh(app, tokens.refresh_token));
    expect(await refusalOf(response)).toEqual(REFUSED);
  });

  it("76: a client that acts for itself gets none (RFC 6749 §4.4.3)", async () => {
    const service = await s.createService();
    const answer = await tokensOf(await s.c.token(service, { grant_type: "client_credentials" }));
    expect(Object.keys(answer).sort()).toEqual(["access_token", "expires_in", "scope", "token_type"]);
    const response = await s.c.refresh(service, tokens.refresh_token);
    expect(await refusalOf(response)).toEqual({ status: 400, error: "unauthorized_client" });
  });
});

describe("77: the stored form", () => {
  it("a dump of the database holds nothing that was issued", async () => {
    const confidential = await s.c.registerConfidential();
    const code = await s.c.codeFor(confidential, { resource }, { person: ada });
    const first = await tokensOf(await s.c.redeem(confidential, code));
    // Refreshed, so that a successor is kept for the overlap.
    const second = await tokensOf(await s.c.refresh(confidential, first.refresh_token));
    const issued = {
      secret: confidential.secret,
      code: code.code,
      verifier: code.verifier,
      session: ada.session,
      ...{ access: first.access_token, refresh: first.refresh_token },
      ...{ nextAccess: second.access_token, nextRefresh: second.refresh_token },
    };
    const dump = await dumpOf(s.t.ctx);
    const found = Object.entries(issued).filter(([, value]) => !value || dump.includes(value));
    expect([found, dump.includes(confidential.clientId)]).toEqual([[], true]);
  });

  it("the family of a code is one row, and its end is written with its reason", async () => {
    const code = await s.c.codeFor(app, { resource }, { person: ada });
    await s.c.redeem(app, code);
    await s.c.redeem(app, code);
    const rows = await s.t.ctx.db
      .select({ because: tokenFamilies.revokedBecause })
      .from(tokenFamilies)
      .where(eq(tokenFamilies.clientId, app.clientId));
    expect(rows.map(({ because }) => because !== null).sort()).toEqual([false, true]);
  });
});
