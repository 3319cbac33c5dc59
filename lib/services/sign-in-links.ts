import { and, eq, gt, isNull } from "drizzle-orm";
import { signInLinks } from "@/db/schema/users";
import type { Context } from "@/lib/context";
import { hashSecret, newSecret } from "@/lib/ids";
import { findUser, type User } from "./users";

/** A one-time sign-in link's token for a person, good for an hour (product decision D16). */
export async function createSignInLink(ctx: Context, userId: string): Promise<string> {
  const token = newSecret("lnk_");
  const expiresAt = new Date(ctx.now().getTime() + 3_600_000);
  await ctx.db.insert(signInLinks).values({ tokenHash: hashSecret(token), userId, expiresAt });
  return token;
}

/** Redeems a sign-in link, once. */
export async function consumeSignInLink(ctx: Context, token: string): Promise<User | undefined> {
  const [link] = await ctx.db
    .update(signInLinks)
    .set({ usedAt: ctx.now() })
    .where(
      and(
        eq(signInLinks.tokenHash, hashSecret(token)),
        isNull(signInLinks.usedAt),
        gt(signInLinks.expiresAt, ctx.now()),
      ),
    )
    .returning();
  const user = link && (await findUser(ctx, link.userId));
  return user?.status === "active" ? user : undefined;
}
