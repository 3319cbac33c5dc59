import { and, asc, eq, lt } from "drizzle-orm";
import { passkeys } from "@/db/schema/passkeys";
import { users } from "@/db/schema/users";
import { type Context, inTransaction } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { record } from "./events";
import { redeemOnce, type Use } from "./used-assertions";

export type Passkey = typeof passkeys.$inferSelect;

/** Passkeys that one person may have. */
export const MAX_PASSKEYS = 20;

/** A person's passkeys, the oldest first. */
export const listPasskeys = (ctx: Context, userId: string): Promise<Passkey[]> =>
  ctx.db
    .select()
    .from(passkeys)
    .where(eq(passkeys.userId, userId))
    .orderBy(asc(passkeys.createdAt), asc(passkeys.credentialId));

/** Whether a person has a passkey to sign with. */
export async function hasPasskey(ctx: Context, userId: string): Promise<boolean> {
  const [one] = await ctx.db
    .select({ credentialId: passkeys.credentialId })
    .from(passkeys)
    .where(eq(passkeys.userId, userId))
    .limit(1);
  return one !== undefined;
}

type Owned = { userId: string; credentialId: string };

const isOwned = ({ userId, credentialId }: Owned) =>
  and(eq(passkeys.credentialId, credentialId), eq(passkeys.userId, userId));

/** One passkey of a person; another person's is none. */
export async function findPasskey(ctx: Context, owned: Owned): Promise<Passkey | undefined> {
  const [passkey] = await ctx.db.select().from(passkeys).where(isOwned(owned));
  return passkey;
}

type NewPasskey = {
  passkey: Omit<Passkey, "createdAt" | "lastUsedAt">;
  /** RFC 7638, of the public key: what a proof that was made with it is recognized by. */
  thumbprint: string;
  /** Uses the challenge up that it answers. */
  use: Use;
};

/** Keeps a new passkey, once for its challenge; the trail says whose key it is, for every proof that is made with it. */
export function addPasskey(ctx: Context, { passkey, thumbprint, use }: NewPasskey): Promise<Passkey> {
  const { credentialId, userId, name, aaguid, backupEligible } = passkey;
  return inTransaction(ctx, async (tx) => {
    // The person's row, so that two added at once are counted one after the other. Whatever is refused here leaves
    // nothing behind, the challenge included.
    await tx.db.select({ id: users.id }).from(users).where(eq(users.id, userId)).for("update");
    if (!(await redeemOnce(tx, use))) throw new OAuthError("conflict", "This passkey was added already.");
    if ((await listPasskeys(tx, userId)).length >= MAX_PASSKEYS) throw tooManyPasskeys();
    const [added] = await tx.db
      .insert(passkeys)
      .values({ ...passkey, createdAt: tx.now() })
      .onConflictDoNothing()
      .returning();
    // "If the credentialId is already known then the Relying Party SHOULD fail this registration ceremony" (§7.1 step 26)
    if (!added)
      throw new OAuthError("conflict", "This passkey is known here already. Use another device or key.");
    await record(tx, {
      type: "passkey.added",
      actor: `user:${userId}`,
      subject: `passkey:${credentialId}`,
      data: { name, thumbprint, aaguid, backupEligible },
    });
    return added;
  });
}

/** The refusal of one passkey more. */
export const tooManyPasskeys = (): OAuthError =>
  new OAuthError("conflict", `You have ${MAX_PASSKEYS} passkeys, and can have no more. Remove one first.`);

/** Forgets a passkey of a person; false: there is none, or it is another person's. */
export function removePasskey(ctx: Context, owned: Owned): Promise<boolean> {
  return inTransaction(ctx, async (tx) => {
    const [removed] = await tx.db.delete(passkeys).where(isOwned(owned)).returning();
    if (!removed) return false;
    await record(tx, {
      type: "passkey.removed",
      actor: `user:${owned.userId}`,
      subject: `passkey:${owned.credentialId}`,
      data: { name: removed.name },
    });
    return true;
  });
}

type Signature = Owned & { signCount: number; backedUp: boolean; use: Use };

/**
 * Notes that a passkey has signed, once for its challenge, and only while its counter goes on: "a signal, but not
 * proof, that the authenticator may be cloned" (§7.2 step 22) is enough for us to refuse.
 */
export function noteSignature(
  ctx: Context,
  { signCount, backedUp, use, ...owned }: Signature,
): Promise<void> {
  return inTransaction(ctx, async (tx) => {
    // Thrown in here, a refusal takes back what was noted: nothing of it has to stay.
    if (!(await redeemOnce(tx, use)))
      throw new OAuthError("conflict", "This was signed and sent before. Load the page again to sign anew.");
    // Authenticators that do not count say 0 for ever.
    const goesOn = signCount === 0 ? eq(passkeys.signCount, 0) : lt(passkeys.signCount, signCount);
    const [used] = await tx.db
      .update(passkeys)
      .set({ signCount, backedUp, lastUsedAt: tx.now() })
      .where(and(isOwned(owned), goesOn))
      .returning({ credentialId: passkeys.credentialId });
    if (!used) throw counterWentBack(owned.credentialId);
  });
}

const counterWentBack = (credentialId: string): OAuthError =>
  new OAuthError(
    "invalid_request",
    "This passkey counted backwards, as a copy of it would. Remove it, and add a new one.",
    { reason: `the signature counter of passkey ${credentialId} did not go on` },
  );
