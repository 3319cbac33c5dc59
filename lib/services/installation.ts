import { generateKeyPairSync } from "node:crypto";
import { and, eq, isNull } from "drizzle-orm";
import { installation } from "@/db/schema/installation";
import type { Context } from "@/lib/context";
import { deriveKey, open, seal } from "@/lib/secret-key";
import { record } from "./events";

const ONLY_ROW = 1;
const KNOWN_TEXT = "authgent";

/** Thrown at start when the database was written under another AUTHGENT_SECRET_KEY. */
export class SecretKeyMismatchError extends Error {
  override readonly name = "SecretKeyMismatchError";
}

/**
 * Ties the database to its secret key on the first start, and checks the tie on every later one,
 * so that a wrong AUTHGENT_SECRET_KEY is told at once and not at the first signature.
 */
export async function checkInstallation(ctx: Pick<Context, "db" | "now" | "settings">): Promise<void> {
  const key = deriveKey(ctx.settings.secretKey, "check");
  const created = await ctx.db
    .insert(installation)
    .values({ id: ONLY_ROW, createdAt: ctx.now(), secretKeyCheck: await seal(key, KNOWN_TEXT) })
    .onConflictDoNothing()
    .returning();
  if (created.length > 0) {
    await record(ctx, { type: "server.started_first", actor: "system" });
    return;
  }
  const [row] = await ctx.db.select().from(installation).where(eq(installation.id, ONLY_ROW));
  if (row && (await opens(key, row.secretKeyCheck))) return;
  throw new SecretKeyMismatchError(
    "AUTHGENT_SECRET_KEY is not the one this database was created with. " +
      "Set the earlier key again (where it was never set, it is in the file secret-key beside the database); " +
      "without it the signing keys in the database cannot be read.",
  );
}

/** The key pair that push services know this server by (RFC 8292 §2), as web push libraries take it. */
export type VapidKeys = { publicKey: string; privateKey: string };

/** The keys of this installation, the same on every instance; made when they are first asked for. */
export async function vapidKeys(ctx: Context): Promise<VapidKeys> {
  const sealed = await ctx.recent.read("vapid", async () => (await readVapidKey(ctx)) ?? createVapidKey(ctx));
  if (!sealed) throw new Error("the installation has no row: call checkInstallation first");
  return JSON.parse(await open(deriveKey(ctx.settings.secretKey, "push"), sealed));
}

async function readVapidKey(ctx: Context): Promise<string | null | undefined> {
  const [row] = await ctx.db.select().from(installation).where(eq(installation.id, ONLY_ROW));
  return row?.vapidKeyJwe;
}

/** Of two instances that make one at the same time the first stands, since browsers subscribe to it. */
async function createVapidKey(ctx: Context): Promise<string | undefined> {
  const {
    x = "",
    y = "",
    d = "",
  } = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({
    format: "jwk",
  });
  const point = Buffer.concat([Buffer.of(4), Buffer.from(x, "base64url"), Buffer.from(y, "base64url")]);
  const keys: VapidKeys = { publicKey: point.toString("base64url"), privateKey: d };
  const vapidKeyJwe = await seal(deriveKey(ctx.settings.secretKey, "push"), JSON.stringify(keys));
  await ctx.db
    .update(installation)
    .set({ vapidKeyJwe })
    .where(and(eq(installation.id, ONLY_ROW), isNull(installation.vapidKeyJwe)));
  return (await readVapidKey(ctx)) ?? undefined;
}

async function opens(key: Buffer, sealed: string): Promise<boolean> {
  try {
    return (await open(key, sealed)) === KNOWN_TEXT;
  } catch {
    return false;
  }
}
