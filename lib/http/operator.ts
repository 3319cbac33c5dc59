import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { hashSecret, matchesSecret } from "@/lib/ids";
import { addressKey } from "@/lib/services/rate-limits";
import type { Call } from "./call";
import { noteParty } from "./denials";
import { takeFromBucket } from "./endpoint";
import { managingSession } from "./session";

/** Who manages the server: the operator's key, or an admin who is signed in. The words are the audit's. */
export type Operator = "operator" | `user:${string}`;

/** The operator of a management request (product decision D16); everybody else is refused. */
export async function requireOperator(ctx: Context, call: Call): Promise<Operator> {
  const { request } = call;
  const key = presentedKey(request.headers);
  if (key !== undefined) return checkKey(ctx, call, key);
  const by = await managingSession(ctx, call);
  if (!by) throw unauthorized(ctx.settings.adminApiKey === undefined ? NO_KEY : SEND_KEY);
  if (by.user.role !== "admin") throw new OAuthError("forbidden", "Only an admin may do this.");
  return `user:${by.user.id}`;
}

const SEND_KEY = "Send the operator's key as X-Admin-Key, or sign in as an admin.";
const NO_KEY =
  "This server has no operator's key: start it with AUTHGENT_ADMIN_API_KEY and send that as X-Admin-Key, or sign in as an admin.";

const presentedKey = (headers: Headers): string | undefined =>
  headers.get("x-admin-key") ?? /^Bearer +(\S+)$/i.exec(headers.get("authorization") ?? "")?.[1];

async function checkKey(ctx: Context, { address, request }: Call, key: string): Promise<Operator> {
  const { adminApiKey } = ctx.settings;
  if (adminApiKey === undefined) throw unauthorized(NO_KEY);
  // The right key is let in whatever came before it: guessers behind the same proxy must not shut the operator out.
  if (matchesSecret(key, hashSecret(adminApiKey))) {
    noteParty(request, { actor: "operator" });
    return "operator";
  }
  await takeFromBucket(ctx, "adminKey", addressKey(address));
  throw unauthorized("This is not the operator's key.");
}

const unauthorized = (description: string) =>
  new OAuthError("invalid_token", description, { headers: { "www-authenticate": "Bearer" } });
