import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { hashSecret, matchesSecret } from "@/lib/ids";
import { addressKey } from "@/lib/services/rate-limits";
import type { Call } from "./call";
import { tooManyRequests } from "./endpoint";
import { managingSession } from "./session";

/** Who manages the server: the operator's key, or an admin who is signed in. The words are the audit's. */
export type Operator = "operator" | `user:${string}`;

/** The operator of a management request (product decision D16); everybody else is refused. */
export async function requireOperator(ctx: Context, call: Call): Promise<Operator> {
  const { request } = call;
  const key = presentedKey(request.headers);
  if (key !== undefined) return checkKey(ctx, call, key);
  const by = await managingSession(ctx, call);
  if (!by) throw unauthorized("Send the operator's key as X-Admin-Key, or sign in as an admin.");
  if (by.user.role !== "admin") throw new OAuthError("forbidden", "Only an admin may do this.");
  return `user:${by.user.id}`;
}

const presentedKey = (headers: Headers): string | undefined =>
  headers.get("x-admin-key") ?? /^Bearer +(\S+)$/i.exec(headers.get("authorization") ?? "")?.[1];

async function checkKey(ctx: Context, { address }: Call, key: string): Promise<Operator> {
  const { adminApiKey } = ctx.settings;
  if (adminApiKey === undefined)
    throw unauthorized("This server has no operator's key: set AUTHGENT_ADMIN_API_KEY.");
  const bucketKey = addressKey(address);
  // The right key is let in whatever came before it: guessers behind the same proxy must not shut the operator out.
  if (matchesSecret(key, hashSecret(adminApiKey))) return "operator";
  const allowance = await ctx.limits.take("adminKey", bucketKey);
  if (!allowance.allowed) throw tooManyRequests(allowance.retryAfter);
  throw unauthorized("This is not the operator's key.");
}

const unauthorized = (description: string) =>
  new OAuthError("invalid_token", description, { headers: { "www-authenticate": "Bearer" } });
