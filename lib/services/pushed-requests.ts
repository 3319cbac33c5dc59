import { and, eq, gt, isNull, lt } from "drizzle-orm";
import { pushedRequests } from "@/db/schema/pushed-requests";
import type { Context } from "@/lib/context";
import { hashSecret, newSecret } from "@/lib/ids";

/** What every `request_uri` of ours begins with (RFC 9126 §2.2). */
const PREFIX = "urn:ietf:params:oauth:request_uri:";

/** True for a `request_uri` that this server could have given out. */
export const isPushedRequestUri = (uri: string): boolean => uri.startsWith(PREFIX);

/** An authorization request as it was pushed, and by which instance of the client, where it proved to be a certain one. */
export type PushedRequest = { params: URLSearchParams; instanceJkt?: string | undefined };

/** Keeps a validated authorization request for its client, and names it by an address nobody can guess. */
export async function pushRequest(
  ctx: Context,
  { clientId, params, instanceJkt }: PushedRequest & { clientId: string },
): Promise<string> {
  const uri = `${PREFIX}${newSecret()}`;
  const now = ctx.now();
  await ctx.db.insert(pushedRequests).values({
    uriHash: hashSecret(uri),
    clientId,
    params: { sent: [...params], instanceJkt },
    createdAt: now,
    expiresAt: new Date(now.getTime() + ctx.settings.parTtl * 1000),
  });
  return uri;
}

/** Takes a pushed request, once: undefined for one that is unknown, used, expired, or another client's (RFC 9126 §4). */
export async function takePushedRequest(
  ctx: Context,
  { uri, clientId }: { uri: string; clientId: string },
): Promise<PushedRequest | undefined> {
  const [taken] = await ctx.db
    .update(pushedRequests)
    .set({ usedAt: ctx.now() })
    .where(
      and(
        eq(pushedRequests.uriHash, hashSecret(uri)),
        eq(pushedRequests.clientId, clientId),
        isNull(pushedRequests.usedAt),
        gt(pushedRequests.expiresAt, ctx.now()),
      ),
    )
    .returning({ params: pushedRequests.params });
  return taken && { params: new URLSearchParams(taken.params.sent), instanceJkt: taken.params.instanceJkt };
}

/** Removes pushed requests that have expired. */
export async function prunePushedRequests(ctx: Context): Promise<void> {
  await ctx.db.delete(pushedRequests).where(lt(pushedRequests.expiresAt, ctx.now()));
}
