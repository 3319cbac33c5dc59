import { and, eq } from "drizzle-orm";
import { calculateJwkThumbprint } from "jose";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { events } from "@/db/schema/events";
import { signingKeys } from "@/db/schema/keys";
import type { Context } from "@/lib/context";
import { UnsealError } from "@/lib/secret-key";
import { testContext } from "@/test/support/context";
import { openSecondConnection, type TestDatabase } from "@/test/support/databases";
import { ensureKeys, openPrivateKey, pruneKeys, publishedKeys, rotateIfDue, rotateKeys } from "./keys";

const DAY = 86_400;

let t: Awaited<ReturnType<typeof testContext>>;
let second: TestDatabase;
/** Another instance on the same database. */
let other: Context;

beforeEach(async () => {
  t = await testContext();
  second = await openSecondConnection();
  other = { ...t.ctx, db: second.db };
  await t.ctx.db.delete(signingKeys);
});

afterEach(() => second.close());

const keyOf = async (status: "active" | "next" | "retired") => {
  const [key, ...rest] = await t.ctx.db.select().from(signingKeys).where(eq(signingKeys.status, status));
  expect(rest).toEqual([]);
  return key;
};
const kidOf = async (status: "active" | "next" | "retired") => (await keyOf(status))?.kid;
const subjects = async (type: string) => {
  const kids = (await t.ctx.db.select({ kid: signingKeys.kid }).from(signingKeys)).map(
    ({ kid }) => `key:${kid}`,
  );
  const found = await t.ctx.db.select().from(events).where(eq(events.type, type));
  return found
    .map(({ subject }) => subject)
    .filter((subject) => subject && kids.includes(subject))
    .sort();
};
const withSettings = (settings: Partial<Context["settings"]>): Context => ({
  ...t.ctx,
  settings: { ...t.ctx.settings, ...settings },
});

describe("keys at the start", () => {
  it("are an active and a next one, however often the server starts", async () => {
    await ensureKeys(t.ctx);
    const before = [await kidOf("active"), await kidOf("next")];
    await ensureKeys(t.ctx);
    expect([await kidOf("active"), await kidOf("next")]).toEqual(before);
    expect(await subjects("key.created")).toEqual(before.map((kid) => `key:${kid}`).sort());
  });

  it("are an active and a next one when two instances start at once", async () => {
    await Promise.all([ensureKeys(t.ctx), ensureKeys(other), ensureKeys(t.ctx), ensureKeys(other)]);
    const statuses = (await t.ctx.db.select().from(signingKeys)).map(({ status }) => status);
    expect(statuses.sort()).toEqual(["active", "next"]);
    expect((await subjects("key.created")).length).toBe(2);
  });

  it.each([
    ["ES256", ["alg", "crv", "kid", "kty", "use", "x", "y"]],
    ["RS256", ["alg", "e", "kid", "kty", "n", "use"]],
    ["Ed25519", ["alg", "crv", "kid", "kty", "use", "x"]],
  ] as const)("for %s publish %j and nothing else (RFC 7517 §4)", async (signingAlgorithm, members) => {
    await ensureKeys(withSettings({ signingAlgorithm }));
    const key = await keyOf("active");
    expect(Object.keys(key?.publicJwk ?? {}).sort()).toEqual(members);
    expect(key?.publicJwk).toMatchObject({ alg: signingAlgorithm, use: "sig", kid: key?.kid });
  });

  it("are named by their thumbprint (RFC 7638)", async () => {
    await ensureKeys(t.ctx);
    const key = await keyOf("active");
    expect(await calculateJwkThumbprint(key?.publicJwk ?? {})).toBe(key?.kid);
  });

  it("are stored sealed: the secret key opens them, another does not", async () => {
    await ensureKeys(t.ctx);
    const { kid, privateJwe = "" } = (await keyOf("active")) ?? {};
    expect(await calculateJwkThumbprint(await openPrivateKey(t.ctx, privateJwe))).toBe(kid);
    await expect(openPrivateKey(withSettings({ secretKey: "x".repeat(40) }), privateJwe)).rejects.toThrow(
      UnsealError,
    );
  });
});

describe("rotation", () => {
  beforeEach(() => ensureKeys(t.ctx));

  it("waits until every verifier may know the next key", async () => {
    await t.advance(299);
    await expect(rotateKeys(t.ctx, { actor: "operator" })).rejects.toMatchObject({
      code: "conflict",
      description: "Rotate in 1 seconds: verifiers may not know the next key before",
    });
    const next = await kidOf("next");
    await t.advance(1);
    expect((await rotateKeys(t.ctx, { actor: "operator" })).active).toBe(next);
  });

  it("does not wait when forced", async () => {
    const next = await kidOf("next");
    expect((await rotateKeys(t.ctx, { actor: "operator", force: true })).active).toBe(next);
  });

  it("moves each key one place on, and says so in the audit trail", async () => {
    const [active, next] = [await kidOf("active"), await kidOf("next")];
    const rotation = await rotateKeys(t.ctx, { actor: "operator", force: true });
    expect(rotation).toEqual({ retired: active, active: next, next: await kidOf("next") });
    expect([await kidOf("retired"), await kidOf("active")]).toEqual([active, next]);
    const rotated = and(eq(events.type, "key.rotated"), eq(events.subject, `key:${next}`));
    const recorded = await t.ctx.db.select().from(events).where(rotated);
    expect(recorded.map(({ actor, data }) => ({ actor, data }))).toEqual([
      { actor: "operator", data: rotation },
    ]);
  });

  it("happens once when two instances find it due", async () => {
    await t.advance(t.ctx.settings.jwksRotationDays * DAY);
    const rotations = await Promise.all([rotateIfDue(t.ctx), rotateIfDue(other)]);
    expect(rotations.filter(Boolean).length).toBe(1);
    expect((await t.ctx.db.select().from(signingKeys)).length).toBe(3);
  });

  it("is due after the set number of days and not before", async () => {
    await t.advance(t.ctx.settings.jwksRotationDays * DAY - 1);
    expect(await rotateIfDue(t.ctx)).toBeUndefined();
    const active = await kidOf("active");
    await t.advance(1);
    expect(await rotateIfDue(t.ctx)).toMatchObject({ retired: active });
    expect(await rotateIfDue(t.ctx)).toBeUndefined();
  });

  it("is never due by age if the operator rotates", async () => {
    await t.advance(10 * t.ctx.settings.jwksRotationDays * DAY);
    expect(await rotateIfDue(withSettings({ jwksAutoRotate: false }))).toBeUndefined();
  });
});

describe("a change of AUTHGENT_SIGNING_ALGORITHM", () => {
  it("takes effect through the next key, once that has been published long enough", async () => {
    await ensureKeys(withSettings({ signingAlgorithm: "ES256" }));
    const changed = withSettings({ signingAlgorithm: "Ed25519", jwksAutoRotate: false });
    await t.advance(DAY);
    await ensureKeys(changed);
    expect([(await keyOf("active"))?.alg, (await keyOf("next"))?.alg]).toEqual(["ES256", "Ed25519"]);

    await t.advance(299);
    expect(await rotateIfDue(changed)).toBeUndefined();
    await t.advance(1);
    expect(await rotateIfDue(changed)).toMatchObject({ active: await kidOf("active") });
    expect([(await keyOf("active"))?.alg, (await keyOf("next"))?.alg]).toEqual(["Ed25519", "Ed25519"]);
  });
});

describe("a retired key", () => {
  it("is published until the last token it signed has expired, then deleted", async () => {
    await ensureKeys(t.ctx);
    const { retired } = await rotateKeys(t.ctx, { actor: "operator", force: true });
    const published = async () => (await publishedKeys(t.ctx)).map(({ kid }) => kid).includes(retired);
    const { accessTokenTtl, interactiveAccessTokenTtl, clientCredentialsTtl } = t.ctx.settings;
    // A minute more, for instances that learn of the rotation late.
    const lifetime = Math.max(accessTokenTtl, interactiveAccessTokenTtl, clientCredentialsTtl) + 60;

    await t.advance(lifetime - 1);
    await pruneKeys(t.ctx);
    expect([await published(), await kidOf("retired")]).toEqual([true, retired]);
    await t.advance(1);
    expect([await published(), await kidOf("retired")]).toEqual([false, retired]);
    await pruneKeys(t.ctx);
    expect(await kidOf("retired")).toBeUndefined();
  });
});
