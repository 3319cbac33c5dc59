import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from "jose";
import { beforeEach, describe, expect, it } from "vitest";
import { signingKeys } from "@/db/schema/keys";
import type { Context } from "@/lib/context";
import { readKid, verifyCompactJws } from "@/lib/oauth/compact-jws";
import { ensureKeys, rotateKeys } from "@/lib/services/keys";
import { testContext } from "@/test/support/context";
import { databaseKeys } from "./database";
import type { KeyProvider } from "./provider";

let t: Awaited<ReturnType<typeof testContext>>;
let keys: KeyProvider;

beforeEach(async () => {
  t = await testContext();
  await t.ctx.db.delete(signingKeys);
  await ensureKeys(t.ctx);
  keys = databaseKeys(t.ctx);
});

const rotate = () => rotateKeys(t.ctx, { actor: "operator", force: true });

async function verify(token: string) {
  const kid = readKid(token) ?? "";
  return verifyCompactJws(token, { typ: "at+jwt", keys: await keys.verificationKeys(kid) }).payload;
}

/** The same context, counting how often a table is read through it. */
function counting(ctx: Context) {
  const count = { reads: 0 };
  const db = new Proxy(ctx.db, {
    get(target, name, receiver) {
      if (name === "select") count.reads += 1;
      return Reflect.get(target, name, receiver);
    },
  });
  return { ctx: { ...ctx, db }, count };
}

describe("signing with the keys of the database", () => {
  it.each(["ES256", "RS256", "Ed25519"] as const)(
    "makes %s tokens that jose verifies with our JWKS",
    async (signingAlgorithm) => {
      const ctx = { ...t.ctx, settings: { ...t.ctx.settings, signingAlgorithm } };
      await t.ctx.db.delete(signingKeys);
      await ensureKeys(ctx);
      const token = await keys.sign("at+jwt", { sub: "agnt_1" });
      const jwks = createLocalJWKSet(await keys.jwks());
      const { payload, protectedHeader } = await jwtVerify(token, jwks, {
        typ: "at+jwt",
        algorithms: [signingAlgorithm],
      });
      expect([payload, protectedHeader.alg]).toEqual([{ sub: "agnt_1" }, signingAlgorithm]);
    },
  );

  it("makes claims that depend on the algorithm when it is known", async () => {
    const token = await keys.sign("JWT", (alg) => ({ alg }));
    expect(decodeJwt(token).alg).toBe(decodeProtectedHeader(token).alg);
  });

  it("publishes no private part (RFC 7517 §9.2)", async () => {
    const members = (await keys.jwks()).keys.flatMap((jwk) => Object.keys(jwk));
    expect(members.filter((name) => ["d", "p", "q", "dp", "dq", "qi", "k"].includes(name))).toEqual([]);
  });

  it("publishes the next key before it signs, and the retired one after", async () => {
    const published = async () => (await keys.jwks()).keys.map(({ kid }) => kid).sort();
    const before = await published();
    const { retired, active, next } = await rotate();
    await t.advance(1);
    expect(before).toEqual([retired, active].sort());
    expect(await published()).toEqual([retired, active, next].sort());
  });

  it("still verifies what a retired key signed", async () => {
    const token = await keys.sign("at+jwt", { sub: "agnt_1" });
    await rotate();
    await t.advance(1);
    expect(await verify(token)).toEqual({ sub: "agnt_1" });
  });

  it("says what to call when no key is active", async () => {
    await t.ctx.db.delete(signingKeys);
    await expect(keys.sign("at+jwt", {})).rejects.toThrow(
      "No key is active: call ensureKeys before the first token",
    );
  });
});

describe("what a process remembers", () => {
  it("signs with the new key a second after a rotation at the latest", async () => {
    const kid = async () => readKid(await keys.sign("at+jwt", {}));
    const before = await kid();
    const { active } = await rotate();
    expect(await kid()).toBe(before);
    await t.advance(1);
    expect(await kid()).toBe(active);
  });

  it("looks again at once for a key it does not know", async () => {
    await keys.jwks();
    const { next } = await rotate();
    expect((await keys.verificationKeys(next)).has(next)).toBe(true);
  });

  it("reads the table once for all who ask at the same time, and once a second", async () => {
    const { ctx, count } = counting(t.ctx);
    const counted = databaseKeys(ctx);
    await Promise.all(Array.from({ length: 20 }, () => counted.sign("at+jwt", {})));
    expect(count.reads).toBe(1);
    await counted.jwks();
    expect(count.reads).toBe(1);
    await t.advance(1);
    await counted.jwks();
    expect(count.reads).toBe(2);
  });

  it("imports a key once: the second reading keeps the first one's", async () => {
    const [kid = ""] = (await keys.jwks()).keys.map((jwk) => jwk.kid);
    const first = (await keys.verificationKeys(kid)).get(kid);
    await t.advance(1);
    expect((await keys.verificationKeys(kid)).get(kid)).toBe(first);
  });

  it("reads again after a reading that failed", async () => {
    let broken = true;
    const db = new Proxy(t.ctx.db, {
      get(target, name, receiver) {
        if (broken && name === "select") throw new Error("the database is away");
        return Reflect.get(target, name, receiver);
      },
    });
    const unlucky = databaseKeys({ ...t.ctx, db });
    await expect(unlucky.jwks()).rejects.toThrow("the database is away");
    broken = false;
    expect((await unlucky.jwks()).keys.length).toBe(2);
  });
});
