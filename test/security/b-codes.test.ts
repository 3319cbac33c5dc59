import { eq } from "drizzle-orm";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { authorizationCodes } from "@/db/schema/authorization-codes";
import { clients } from "@/db/schema/clients";
import { grants } from "@/db/schema/grants";
import { users } from "@/db/schema/users";
import { hashSecret, newOpaqueId, newSecret } from "@/lib/ids";
import { narrowGrant, stopGrant } from "@/lib/services/grants";
import {
  type App,
  newBrowser,
  type Person,
  pkce,
  refusalOf,
  type Tokens,
  tokensOf,
} from "@/test/support/client";
import { twoInstances } from "@/test/support/context";
import { PROOFS, unchanged } from "@/test/support/digest";
import { keyHolder } from "@/test/support/dpop";
import { operate, PUBLIC_ENV, type PublicServer } from "@/test/support/public-server";
import { pushedCode } from "@/test/support/pushed";

let s: PublicServer;
let other: PublicServer;
let close: () => Promise<void>;
let app: App;
let resource: string;
let ada: Person;

beforeAll(async () => {
  const [first, second, end] = await twoInstances({ env: PUBLIC_ENV });
  [s, other, close] = [operate(first), operate(second), end];
  resource = await s.createResource(["read", "write"]);
});
afterAll(() => close());
beforeEach(async () => {
  app = await s.createApp();
  ada = await s.c.signIn();
});

const codeOf = (params = {}) => s.c.codeFor(app, { resource, ...params }, { person: ada });
const REFUSED = { status: 400, error: "invalid_grant" };
const grantOfAda = async () => {
  const [grant] = await s.t.ctx.db.select().from(grants).where(eq(grants.userId, ada.user.id));
  return { userId: ada.user.id, grantId: grant?.id ?? "" };
};
const change = (code: string, row: Partial<typeof authorizationCodes.$inferInsert>) =>
  s.t.ctx.db
    .update(authorizationCodes)
    .set(row)
    .where(eq(authorizationCodes.codeHash, hashSecret(code)));

describe("a code is used once", () => {
  it("29: a replayed code is refused and what came from it is dead", async () => {
    const code = await codeOf();
    const { access_token, refresh_token } = await tokensOf(await s.c.redeem(app, code));
    const before = [await s.isActive(access_token), await s.isActive(refresh_token)];
    const replay = await refusalOf(await s.c.redeem(app, code));
    expect([before, replay]).toEqual([[true, true], REFUSED]);
    expect([await s.isActive(access_token), await s.isActive(refresh_token)]).toEqual([false, false]);
    expect(await refusalOf(await s.c.refresh(app, refresh_token))).toEqual(REFUSED);
  });

  it.each([1, 2, 3, 4, 5])(
    "30: of 50 redemptions on two instances at most one gets tokens, and no token outlives them (round %i)",
    async () => {
      const code = await codeOf();
      const redemptions = Array.from({ length: 50 }, (_, index) =>
        (index % 2 ? s : other).c.redeem(app, code),
      );
      const answers = await Promise.all(redemptions);
      const won = answers.filter(({ status }) => status === 200);
      const refusals = await Promise.all(answers.filter(({ status }) => status !== 200).map(refusalOf));
      const tokens: Tokens[] = await Promise.all(won.map(tokensOf));
      expect([won.length, refusals]).toEqual([1, Array.from({ length: 49 }, () => REFUSED)]);
      for (const { access_token, refresh_token } of tokens)
        expect([await other.isActive(access_token), await s.isActive(refresh_token)]).toEqual([false, false]);
    },
  );
});

describe("a code is bound", () => {
  it.each(["dpop_jkt", "a proof at /par"])(
    "43: to the key of %s: no other redeems it, and it lives",
    async (by) => {
      const [key, thief] = [await keyHolder(s), await keyHolder(s)];
      const code =
        by === "dpop_jkt"
          ? await codeOf({ dpop_jkt: key.jkt })
          : await pushedCode(s.c, app, { resource }, { dpop: await key.proof({ path: "/par" }) });
      const bare = await unchanged(s.t, () => s.c.redeem(app, code));
      const stolen = await unchanged(s.t, () => thief.redeem(app, code), PROOFS);
      const { code: value, verifier: code_verifier } = code;
      const fields = { grant_type: "authorization_code", code: value, code_verifier };
      const bad = await unchanged(s.t, () => key.token(app, fields, "no.proof"));
      const noProof = { status: 400, error: "invalid_dpop_proof" };
      expect([await refusalOf(bare), await refusalOf(bad), await refusalOf(stolen)]).toEqual([
        noProof,
        noProof,
        REFUSED,
      ]);
      const tokens = await tokensOf(await key.redeem(app, code));
      expect((await s.introspect(tokens.access_token)).cnf).toEqual({ jkt: key.jkt });
      // Redeemed again with the same key it is a replay like any other (29).
      expect(await refusalOf(await key.redeem(app, code))).toEqual(REFUSED);
      expect(await s.isActive(tokens.access_token)).toBe(false);
    },
  );

  it("43, 30: of 50 redemptions with the right key on two instances exactly one gets tokens", async () => {
    const key = await keyHolder(s);
    const { code, verifier } = await codeOf({ dpop_jkt: key.jkt });
    const fields = {
      grant_type: "authorization_code",
      client_id: app.clientId,
      code,
      code_verifier: verifier,
    };
    const proofs = await Promise.all(Array.from({ length: 50 }, () => key.proof()));
    const answers = await Promise.all(
      proofs.map((dpop, index) => (index % 2 ? s : other).c.form("/token", fields, { dpop })),
    );
    const refusals = answers.filter(({ status }) => status !== 200);
    expect(await Promise.all(refusals.map(refusalOf))).toEqual(Array.from({ length: 49 }, () => REFUSED));
  });

  it("31: another client's code is refused; its own client can still redeem it", async () => {
    const thief = await s.createApp({ token_endpoint_auth_method: "client_secret_basic" });
    const code = await codeOf();
    const stolen = await unchanged(s.t, () => s.c.redeem(thief, code));
    const { access_token } = await tokensOf(await s.c.redeem(app, code));
    // The replay of somebody who is not the client is no replay either.
    const replayed = await refusalOf(await s.c.redeem(thief, code));
    expect([await refusalOf(stolen), replayed, await s.isActive(access_token)]).toEqual([
      REFUSED,
      REFUSED,
      true,
    ]);
  });

  it("33, D21: without code_verifier it is invalid_request and the code lives (CVE-2023-48228)", async () => {
    const code = await codeOf();
    const response = await unchanged(s.t, () => s.c.redeem(app, code, { code_verifier: undefined }));
    expect(await refusalOf(response)).toEqual({ status: 400, error: "invalid_request" });
    expect((await s.c.redeem(app, code)).status).toBe(200);
  });

  it("34, 44, D21: a wrong verifier is invalid_grant, and the fifth burns the code", async () => {
    const code = await codeOf();
    const wrong = { ...code, verifier: pkce().verifier };
    const refusals = [];
    for (let guess = 0; guess < 4; guess++) refusals.push(await refusalOf(await s.c.redeem(app, wrong)));
    const spared = await codeOf();
    for (let guess = 0; guess < 4; guess++) await s.c.redeem(app, { ...spared, verifier: pkce().verifier });
    refusals.push(await refusalOf(await s.c.redeem(app, wrong)));
    refusals.push(await refusalOf(await s.c.redeem(app, code)));
    expect(refusals).toEqual(Array.from({ length: 6 }, () => REFUSED));
    expect((await s.c.redeem(app, spared)).status).toBe(200);
  });

  it("34: five wrong verifiers at once burn the code too", async () => {
    const code = await codeOf();
    const guess = () => s.c.redeem(app, { ...code, verifier: pkce().verifier });
    await Promise.all([guess(), guess(), guess(), guess(), guess()]);
    expect(await refusalOf(await s.c.redeem(app, code))).toEqual(REFUSED);
  });

  it.each([
    ["42 characters", "a".repeat(42)],
    ["129 characters", "a".repeat(129)],
    ["a space", `${"a".repeat(43)} `],
    ["a character outside the grammar", `${"a".repeat(42)}é`],
    ["nothing", ""],
  ])("35, D21: a verifier of %s is invalid_request", async (_, verifier) => {
    const code = await codeOf();
    const response = await unchanged(s.t, () => s.c.redeem(app, { ...code, verifier }));
    expect(await refusalOf(response)).toEqual({ status: 400, error: "invalid_request" });
  });

  it("36: a row without a challenge is redeemed by no verifier", async () => {
    const code = await codeOf();
    await change(code.code, { codeChallenge: "" });
    expect(await refusalOf(await s.c.redeem(app, code))).toEqual(REFUSED);
  });

  it.each(["https://evil.example/cb", ""])(
    "37, D21: redirect_uri=%s at /token is not the one of the request",
    async (uri) => {
      const code = await codeOf();
      const response = await unchanged(s.t, () => s.c.redeem(app, code, { redirect_uri: uri }));
      expect(await refusalOf(response)).toEqual(REFUSED);
    },
  );

  it("38: another resource at /token is invalid_target, and the code lives", async () => {
    const code = await codeOf();
    const response = await unchanged(s.t, () =>
      s.c.redeem(app, code, { resource: "https://auth.example.com/mcp" }),
    );
    expect(await refusalOf(response)).toEqual({ status: 400, error: "invalid_target" });
    expect((await s.c.redeem(app, code)).status).toBe(200);
  });

  it("42: scope at /token widens nothing", async () => {
    const code = await codeOf({ scope: "read" });
    expect((await tokensOf(await s.c.redeem(app, code, { scope: "read write admin:root" }))).scope).toBe(
      "read",
    );
  });
});

describe("a code ends", () => {
  it.each([
    [59, 200],
    [60, 400],
  ])("39: %i seconds after its issue it answers %i", async (seconds, status) => {
    const code = await codeOf();
    s.t.advance(seconds);
    const response = await s.c.redeem(app, code);
    s.t.advance(-seconds);
    expect(response.status).toBe(status);
  });

  it("40: after the person stopped the app it is invalid_grant", async () => {
    const code = await codeOf();
    await stopGrant(s.t.ctx, await grantOfAda());
    expect(await refusalOf(await unchanged(s.t, () => other.c.redeem(app, code)))).toEqual(REFUSED);
  });

  it("40: after the person was disabled it is invalid_grant", async () => {
    const code = await codeOf();
    await s.t.ctx.db.update(users).set({ status: "disabled" }).where(eq(users.id, ada.user.id));
    expect(await refusalOf(await unchanged(s.t, () => other.c.redeem(app, code)))).toEqual(REFUSED);
  });

  it("40, Q16: after the client was disabled it is invalid_client, so that the app registers again", async () => {
    const code = await codeOf();
    await s.setClientStatus(app, "disabled");
    const refusal = await refusalOf(await unchanged(s.t, () => other.c.redeem(app, code)));
    expect(refusal).toEqual({ status: 401, error: "invalid_client" });
  });

  it("40: after the grant was narrowed it carries what is left", async () => {
    const code = await codeOf();
    await narrowGrant(s.t.ctx, { ...(await grantOfAda()), keep: ["read"] });
    const tokens = await tokensOf(await other.c.redeem(app, code));
    const claims = JSON.parse(atob(tokens.access_token.split(".")[1] ?? ""));
    expect([tokens.scope, claims.scope]).toEqual(["read", "read"]);
  });

  it("40: after the app took the redirect URI out of its registration it is invalid_grant", async () => {
    const code = await codeOf();
    await s.t.ctx.db
      .update(clients)
      .set({ redirectUris: ["https://new.example/cb"] })
      .where(eq(clients.clientId, app.clientId));
    expect(await refusalOf(await unchanged(s.t, () => s.c.redeem(app, code)))).toEqual(REFUSED);
  });
});

describe("47: what is issued cannot be guessed", () => {
  /** Pearson's χ² of the bytes against even odds; 255 degrees of freedom exceed 330 once in a thousand samples. */
  function chiSquared(values: readonly string[]): number {
    const counts = new Array<number>(256).fill(0);
    let total = 0;
    for (const value of values) {
      for (const byte of Buffer.from(value, "base64url")) {
        counts[byte] = (counts[byte] ?? 0) + 1;
        total += 1;
      }
    }
    const expected = total / 256;
    return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  }

  it("20,000 secrets and ids are all different, evenly distributed, of 256 and 128 bits", async () => {
    const secrets = Array.from({ length: 20_000 }, () => newSecret());
    const ids = Array.from({ length: 20_000 }, () => newOpaqueId());
    expect([new Set(secrets).size, new Set(ids).size]).toEqual([20_000, 20_000]);
    expect([secrets, ids].map((values) => Buffer.from(values[0] ?? "", "base64url").length)).toEqual([
      32, 16,
    ]);
    // Twice the critical value: a generator that is wrong is wrong by far more, and this test is never flaky.
    expect(Math.max(chiSquared(secrets), chiSquared(ids))).toBeLessThan(660);
  });

  it("codes, refresh tokens, client ids and secrets have that form", async () => {
    const { code } = await codeOf();
    const { refresh_token } = await s.c.tokensFor(app, { resource }, { person: ada });
    const dynamic = await s.c.registerConfidential();
    const asked = await s.c.authorize(s.c.requestOf(app), { person: ada, browser: newBrowser() });
    expect(code).toMatch(/^ac_[\w-]{43}$/);
    expect(refresh_token).toMatch(/^rt_[\w-]{43}$/);
    expect(dynamic.clientId).toMatch(/^dyn_[\w-]{22}$/);
    expect(dynamic.secret).toMatch(/^sec_[\w-]{43}$/);
    expect(asked.headers.get("location")).toMatch(/^\/approve\/[\w-]{22}$/);
  });
});
