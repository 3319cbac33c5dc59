import type { Context } from "@/lib/context";
import { deriveKey, open, seal } from "@/lib/secret-key";
import { findApproval } from "./approvals";

/** Where a client wants to be told that there is an answer, and the token that it knows us by (CIBA Core §10.2). */
export type Ping = { endpoint: string; token: string };

const keyOf = ({ settings }: Context) => deriveKey(settings.secretKey, "client-ping");

/** A ping as it is kept until somebody has answered. */
export const sealPing = (ctx: Context, ping: Ping): Promise<string> => seal(keyOf(ctx), JSON.stringify(ping));

/** The ping that a client asked for; undefined: none, or it has been there meanwhile and needs none. */
export async function openPing(ctx: Context, approvalId: string): Promise<Ping | undefined> {
  const sealed = (await findApproval(ctx, approvalId))?.sealedPing;
  return sealed ? (JSON.parse(await open(keyOf(ctx), sealed)) as Ping) : undefined;
}
