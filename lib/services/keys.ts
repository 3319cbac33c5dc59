import { generateKeyPair as generateKeyPairCallback } from "node:crypto";
import { promisify } from "node:util";
import { and, eq, gt, lte, ne, or, sql } from "drizzle-orm";
import { calculateJwkThumbprint, type JWK } from "jose";
import { signingKeys } from "@/db/schema/keys";
import { type Context, inTransaction } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { ID_JAG_TTL } from "@/lib/oauth/id-jag";
import { deriveKey, open, seal } from "@/lib/secret-key";
import { record } from "@/lib/services/events";
import { FEED_TTL } from "./revocation-feed";

type SigningKeyRow = typeof signingKeys.$inferSelect;
type Algorithm = SigningKeyRow["alg"];

/** Seconds for which verifiers may cache the JWKS: a key is published this long before it signs. */
export const JWKS_MAX_AGE = 300;
/** Seconds that an instance may still sign with a key that another one has retired, and clocks may differ by. */
const RETIREMENT_MARGIN = 60;
const DAY_MS = 86_400_000;

/** Makes sure that one key signs and the next one is published; safe when several instances start at once. */
export async function ensureKeys(ctx: Context): Promise<void> {
  await replaceNextKeyOfOtherAlgorithm(ctx);
  const present = await ctx.db
    .select({ status: signingKeys.status })
    .from(signingKeys)
    .where(ne(signingKeys.status, "retired"));
  for (const status of ["active", "next"] as const) {
    if (present.every((key) => key.status !== status))
      await inTransaction(ctx, (tx) => createKey(tx, status));
  }
}

/**
 * Lets the next key sign and creates the one after it.
 * Refused while verifiers may not have seen the next key yet, unless `force` says that this does not matter.
 */
export function rotateKeys(
  ctx: Context,
  { actor, force = false }: { actor: string; force?: boolean },
): Promise<Rotation> {
  return inTransaction(ctx, async (tx) => {
    const keys = await lockKeys(tx);
    const wait = secondsUntilKnown(tx, keys.next);
    if (wait > 0 && !force) {
      throw new OAuthError(
        "conflict",
        `Rotate in ${wait} seconds: verifiers may not know the next key before`,
      );
    }
    return rotate(tx, keys, actor);
  });
}

/** Rotates when the active key has served its days, or is of an algorithm that is no longer the one to use. */
export function rotateIfDue(ctx: Context): Promise<Rotation | undefined> {
  return inTransaction(ctx, async (tx) => {
    const keys = await lockKeys(tx);
    return isDue(tx, keys.active) && secondsUntilKnown(tx, keys.next) <= 0
      ? rotate(tx, keys, "system")
      : undefined;
  });
}

/** Deletes the keys whose last token has expired; the event of their creation keeps the public part. */
export async function pruneKeys(ctx: Pick<Context, "db" | "now">): Promise<void> {
  await ctx.db
    .delete(signingKeys)
    .where(and(eq(signingKeys.status, "retired"), lte(signingKeys.publishedUntil, ctx.now())));
}

/** The keys of the JWKS: the next one, the active one, and those whose tokens may still be alive. */
export function publishedKeys(ctx: Pick<Context, "db" | "now">): Promise<SigningKeyRow[]> {
  return ctx.db
    .select()
    .from(signingKeys)
    .where(or(ne(signingKeys.status, "retired"), gt(signingKeys.publishedUntil, ctx.now())))
    .orderBy(signingKeys.createdAt, signingKeys.kid);
}

/** The private JWK of a row; throws UnsealError if AUTHGENT_SECRET_KEY is not the one that sealed it. */
export async function openPrivateKey(ctx: Pick<Context, "settings">, privateJwe: string): Promise<JWK> {
  return JSON.parse(await open(deriveKey(ctx.settings.secretKey, "keys"), privateJwe));
}

/** The `kid` of each key after a rotation. */
export type Rotation = { retired: string; active: string; next: string };
type Pair = { active: SigningKeyRow; next: SigningKeyRow };

/** Serializes the rotations of all instances; readers, and so tokens, do not wait. */
async function lockKeys({ db }: Context): Promise<Pair> {
  await db.execute(sql`lock table ${signingKeys} in share row exclusive mode`);
  const keys = await db.select().from(signingKeys).where(ne(signingKeys.status, "retired"));
  const active = keys.find(({ status }) => status === "active");
  const next = keys.find(({ status }) => status === "next");
  if (!active || !next) throw new Error("A key is missing: call ensureKeys first");
  return { active, next };
}

function secondsUntilKnown(ctx: Pick<Context, "now">, next: SigningKeyRow): number {
  return Math.ceil(JWKS_MAX_AGE - (ctx.now().getTime() - next.createdAt.getTime()) / 1000);
}

function isDue({ now, settings }: Context, active: SigningKeyRow): boolean {
  if (active.alg !== settings.signingAlgorithm) return true;
  const since = active.activatedAt ?? active.createdAt;
  return settings.jwksAutoRotate && now().getTime() - since.getTime() >= settings.jwksRotationDays * DAY_MS;
}

async function rotate(tx: Context, { active, next }: Pair, actor: string): Promise<Rotation> {
  const now = tx.now();
  const publishedUntil = new Date(now.getTime() + (longestTokenTtl(tx.settings) + RETIREMENT_MARGIN) * 1000);
  // In this order: there is never more than one active and one next key.
  await tx.db
    .update(signingKeys)
    .set({ status: "retired", retiredAt: now, publishedUntil })
    .where(eq(signingKeys.kid, active.kid));
  await tx.db
    .update(signingKeys)
    .set({ status: "active", activatedAt: now })
    .where(eq(signingKeys.kid, next.kid));
  const created = await createKey(tx, "next");
  if (!created) throw new Error("Another next key appeared although the table is locked");

  const rotation = { retired: active.kid, active: next.kid, next: created };
  await record(tx, { type: "key.rotated", actor, subject: `key:${next.kid}`, data: rotation });
  return rotation;
}

/** Seconds; of everything that our keys sign. */
function longestTokenTtl(settings: Context["settings"]): number {
  return Math.max(
    settings.accessTokenTtl,
    settings.interactiveAccessTokenTtl,
    settings.clientCredentialsTtl,
    settings.exchangeTokenTtl,
    settings.txnTokenTtl,
    settings.chainingGrantTtl,
    settings.idTokenTtl,
    ID_JAG_TTL,
    FEED_TTL,
  );
}

/** The next key has signed nothing yet, so after a change of AUTHGENT_SIGNING_ALGORITHM it simply goes. */
async function replaceNextKeyOfOtherAlgorithm(ctx: Context): Promise<void> {
  await ctx.db
    .delete(signingKeys)
    .where(and(eq(signingKeys.status, "next"), ne(signingKeys.alg, ctx.settings.signingAlgorithm)));
}

/** Stores a new key and returns its kid, or undefined if another instance was first. */
async function createKey(tx: Context, status: "active" | "next"): Promise<string | undefined> {
  const now = tx.now();
  const { kid, alg, publicJwk, privateJwk } = await generateKey(tx.settings.signingAlgorithm);
  const stored = await tx.db
    .insert(signingKeys)
    .values({
      kid,
      alg,
      status,
      publicJwk,
      privateJwe: await seal(deriveKey(tx.settings.secretKey, "keys"), JSON.stringify(privateJwk)),
      createdAt: now,
      activatedAt: status === "active" ? now : null,
    })
    .onConflictDoNothing()
    .returning({ kid: signingKeys.kid });
  if (stored.length === 0) return undefined;

  await record(tx, {
    type: "key.created",
    actor: "system",
    subject: `key:${kid}`,
    data: { status, jwk: publicJwk },
  });
  return kid;
}

const generateKeyPair = promisify(generateKeyPairCallback);

async function generateKey(alg: Algorithm) {
  const { publicKey, privateKey } = await generatePair(alg);
  const jwk = publicKey.export({ format: "jwk" });
  const kid = await calculateJwkThumbprint(jwk);
  const publicJwk: JWK = { ...jwk, kid, alg, use: "sig" };
  return { kid, alg, publicJwk, privateJwk: privateKey.export({ format: "jwk" }) };
}

function generatePair(alg: Algorithm) {
  switch (alg) {
    case "ES256":
      return generateKeyPair("ec", { namedCurve: "P-256" });
    case "RS256":
      return generateKeyPair("rsa", { modulusLength: 2048 });
    case "Ed25519":
      return generateKeyPair("ed25519");
  }
}
