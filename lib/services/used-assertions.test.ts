import { eq } from "drizzle-orm";
import { beforeAll, describe, expect, it } from "vitest";
import { usedAssertions } from "@/db/schema/used-assertions";
import { inTransaction } from "@/lib/context";
import { type TestContext, testContext, unique } from "@/test/support/context";
import { pruneUsedAssertions, redeemOnce } from "./used-assertions";

let t: TestContext;

beforeAll(async () => {
  t = await testContext();
});

const use = (changes: { issuer?: string; jti?: string; seconds?: number } = {}) => {
  const { seconds = 300, ...rest } = changes;
  const expiresAt = new Date(t.ctx.now().getTime() + seconds * 1000);
  return { issuer: "https://id.example", jti: "1", expiresAt, ...rest };
};

describe("108: an assertion is redeemed once", () => {
  it("of fifty at once exactly one goes through", async () => {
    const one = use({ jti: unique() });
    const all = await Promise.all(
      Array.from({ length: 50 }, () => inTransaction(t.ctx, (tx) => redeemOnce(tx, one))),
    );
    expect(all.filter(Boolean)).toHaveLength(1);
  });

  it("another issuer or jti is another assertion, however the parts are cut", async () => {
    const base = unique("https://");
    const uses = [
      use({ issuer: base, jti: "a" }),
      use({ issuer: base, jti: "b" }),
      use({ issuer: `${base}a`, jti: "" }),
      use({ issuer: `${base}","a`, jti: "" }),
    ];
    const answers = [];
    for (const one of [...uses, ...uses]) answers.push(await redeemOnce(t.ctx, one));
    expect(answers).toEqual([...uses.map(() => true), ...uses.map(() => false)]);
  });

  it("what did not commit was not used", async () => {
    const one = use({ jti: unique() });
    const failed = inTransaction(t.ctx, async (tx) => {
      await redeemOnce(tx, one);
      throw new Error("not this time");
    });
    await expect(failed).rejects.toThrow("not this time");
    expect(await redeemOnce(t.ctx, one)).toBe(true);
  });

  it("is forgotten an hour after it has expired, not before", async () => {
    const one = use({ jti: unique(), seconds: 60 });
    await redeemOnce(t.ctx, one);
    t.advance(3660);
    await pruneUsedAssertions(t.ctx);
    expect(await redeemOnce(t.ctx, one)).toBe(false);
    t.advance(1);
    await pruneUsedAssertions(t.ctx);
    expect(
      await t.ctx.db.select().from(usedAssertions).where(eq(usedAssertions.expiresAt, one.expiresAt)),
    ).toEqual([]);
  });
});
