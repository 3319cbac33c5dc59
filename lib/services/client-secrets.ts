import { and, isNotNull, isNull, lte, or, sql } from "drizzle-orm";
import { clients } from "@/db/schema/clients";
import { type Context, inTransaction } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { hashSecret, newSecret } from "@/lib/ids";
import { findClient, forgetClients, updateClient } from "./clients";
import { record } from "./events";

type Rotation = {
  clientId: string;
  /** Seconds that the secret of until now is good beside the new one. */
  overlap: number;
  actor: string;
  address?: string | undefined;
};

/** The new secret, shown in this answer and never again, and until when the one before it is good. */
export type RotatedSecret = { clientId: string; clientSecret: string; previousSecretExpiresAt: Date };

/**
 * Gives a client a new secret. While an earlier one is still good there is no second rotation: no answer that named
 * a secret and its end is made untrue by the next. Without an overlap it is possible at any time, and ends them all.
 */
export async function rotateSecret(
  ctx: Context,
  { clientId, overlap, actor, address }: Rotation,
): Promise<RotatedSecret> {
  const clientSecret = newSecret("sec_");
  const previousSecretExpiresAt = new Date(ctx.now().getTime() + overlap * 1000);
  const rotated = await inTransaction(ctx, async (tx) => {
    const { secretHash, previousSecretExpiresAt: end } = clients;
    const isOver = overlap === 0 ? undefined : or(isNull(end), lte(end, tx.now()));
    const client = await updateClient(
      tx,
      clientId,
      {
        secretHash: hashSecret(clientSecret),
        // The one that is current at this moment, on whatever instance it was made.
        previousSecretHash: overlap === 0 ? null : sql`${secretHash}`,
        previousSecretExpiresAt: overlap === 0 ? null : previousSecretExpiresAt,
      },
      and(isNotNull(secretHash), isOver),
    );
    if (!client) return false;
    await record(tx, {
      type: "client.secret_rotated",
      actor,
      subject: `client:${clientId}`,
      clientId,
      data: { previousSecretExpiresAt: previousSecretExpiresAt.toISOString() },
      address,
    });
    return true;
  });
  forgetClients(ctx, [clientId]);
  if (!rotated) throw await refusalFor(ctx, clientId);
  return { clientId, clientSecret, previousSecretExpiresAt };
}

async function refusalFor(ctx: Context, clientId: string): Promise<OAuthError> {
  const client = await findClient(ctx, clientId);
  if (!client) return new OAuthError("not_found", "There is no client with this id.");
  if (client.secretHash === null)
    return new OAuthError(
      "conflict",
      `This client has no secret: it authenticates by ${client.tokenEndpointAuthMethod}.`,
    );
  const until = client.previousSecretExpiresAt?.toISOString();
  return new OAuthError(
    "conflict",
    `The secret before this one is good until ${until}: another rotation would end it early. Wait, or send overlap 0, which ends every secret of before at once.`,
  );
}
