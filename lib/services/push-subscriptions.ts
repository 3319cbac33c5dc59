import { and, desc, eq, inArray, ne, notInArray } from "drizzle-orm";
import { pushSubscriptions } from "@/db/schema/push-subscriptions";
import { users } from "@/db/schema/users";
import { type Context, inTransaction } from "@/lib/context";
import { hashSecret } from "@/lib/ids";
import { deriveKey, open, seal } from "@/lib/secret-key";

/** What a browser's push service gave it to be written to (RFC 8030 §4, RFC 8291 §2.1). */
export type PushSubscription = { endpoint: string; keys: { p256dh: string; auth: string } };

/** Browsers that one person is told in; beyond it the oldest goes. */
const MAX_BROWSERS = 10;

type NewSubscription = { userId: string; browser: string; subscription: PushSubscription };

/** Tells a person in this browser from now on; a browser has one subscription, and it is whose it was last. */
export function subscribeBrowser(
  ctx: Context,
  { userId, browser, subscription }: NewSubscription,
): Promise<void> {
  const endpointHash = hashSecret(subscription.endpoint);
  const browserHash = hashSecret(browser);
  return inTransaction(ctx, async (tx) => {
    const values = {
      userId,
      browserHash,
      host: new URL(subscription.endpoint).host,
      subscriptionJwe: await seal(keyOf(tx), JSON.stringify(subscription)),
      createdAt: tx.now(),
    };
    await tx.db
      .delete(pushSubscriptions)
      .where(
        and(eq(pushSubscriptions.browserHash, browserHash), ne(pushSubscriptions.endpointHash, endpointHash)),
      );
    await tx.db
      .insert(pushSubscriptions)
      .values({ endpointHash, ...values })
      .onConflictDoUpdate({ target: pushSubscriptions.endpointHash, set: values });
    const kept = tx.db
      .select({ endpointHash: pushSubscriptions.endpointHash })
      .from(pushSubscriptions)
      .where(eq(pushSubscriptions.userId, userId))
      .orderBy(desc(pushSubscriptions.createdAt), pushSubscriptions.endpointHash)
      .limit(MAX_BROWSERS);
    await tx.db
      .delete(pushSubscriptions)
      .where(and(eq(pushSubscriptions.userId, userId), notInArray(pushSubscriptions.endpointHash, kept)));
  });
}

/** One browser of one person. */
type Browser = { userId: string; browser: string };

const isOf = ({ userId, browser }: Browser) =>
  and(eq(pushSubscriptions.userId, userId), eq(pushSubscriptions.browserHash, hashSecret(browser)));

/** Tells this person nothing more in this browser. */
export async function unsubscribeBrowser(ctx: Context, browser: Browser): Promise<void> {
  await ctx.db.delete(pushSubscriptions).where(isOf(browser));
}

/** Whether this person is told in this browser. */
export async function isSubscribed(ctx: Context, browser: Browser): Promise<boolean> {
  const { host } = pushSubscriptions;
  return (await ctx.db.select({ host }).from(pushSubscriptions).where(isOf(browser))).length > 0;
}

/** Where the browsers of these people are written to: the host of the push service, and which of its subscriptions. */
export async function listSubscriptions(ctx: Context, userIds: readonly string[]) {
  if (userIds.length === 0) return [];
  const { endpointHash, host, userId } = pushSubscriptions;
  return ctx.db
    .select({ endpointHash, host })
    .from(pushSubscriptions)
    .innerJoin(users, eq(users.id, userId))
    .where(and(inArray(userId, [...userIds]), eq(users.status, "active")));
}

/** A subscription as the browser gave it; undefined: it was ended, or nothing is done for its person any more. */
export async function openSubscription(
  ctx: Context,
  endpointHash: string,
): Promise<PushSubscription | undefined> {
  const [row] = await ctx.db
    .select({ sealed: pushSubscriptions.subscriptionJwe })
    .from(pushSubscriptions)
    .innerJoin(users, eq(users.id, pushSubscriptions.userId))
    .where(and(eq(pushSubscriptions.endpointHash, endpointHash), eq(users.status, "active")));
  return row && JSON.parse(await open(keyOf(ctx), row.sealed));
}

/** Forgets a subscription that its push service no longer knows (RFC 8030 §7.3). */
export async function forgetSubscription(ctx: Context, endpointHash: string): Promise<void> {
  await ctx.db.delete(pushSubscriptions).where(eq(pushSubscriptions.endpointHash, endpointHash));
}

const keyOf = ({ settings }: Context): Buffer => deriveKey(settings.secretKey, "push");
