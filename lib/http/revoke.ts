import type { Context } from "@/lib/context";
import { isOAuthError, OAuthError } from "@/lib/errors";
import { findRefreshToken } from "@/lib/services/refresh-tokens";
import { isDelegator, readAccessToken } from "@/lib/services/token-state";
import { findAccessToken, revokeAccessToken, revokeFamily } from "@/lib/services/tokens";
import type { Call } from "./call";
import { authenticateClient } from "./client-auth/index";
import { readForm } from "./form";

/** Token revocation (RFC 7009 §2): both kinds are looked for, the hint decides nothing. */
export async function revokeEndpoint(ctx: Context, call: Call): Promise<Response> {
  const { fields } = await readForm(call.request);
  const { client } = await authenticateClient(ctx, call, fields);
  const { token } = fields;
  if (!token) throw new OAuthError("invalid_request", "Send the token to revoke.");
  const actor = `client:${client.clientId}`;
  // "the authorization server first validates … whether the token was issued to the client making the request";
  // another client's token is answered like one that is not known.
  const refresh = await findRefreshToken(ctx, token);
  if (refresh?.token.clientId === client.clientId) {
    const { familyId, userId } = refresh.token;
    const data = { credential: "refresh_token", family: familyId };
    const event = {
      type: "token.revoked",
      actor,
      subject: `user:${userId}`,
      clientId: client.clientId,
      data,
      address: call.address,
    } as const;
    await revokeFamily(ctx, { familyId, because: "revoked by the client", event });
  } else {
    await revokeDelegatedOrOwn(ctx, call, token, client.clientId);
  }
  // "The authorization server responds with HTTP status code 200" also when there was nothing to revoke.
  return new Response(null, { status: 200 });
}

async function revokeDelegatedOrOwn(
  ctx: Context,
  { address }: Call,
  token: string,
  clientId: string,
): Promise<void> {
  try {
    // Whether it counts now is not asked: what is only held back would count again after the thaw.
    const row = await findAccessToken(ctx, (await readAccessToken(ctx, token)).jti);
    // Who delegated may take it back: the holder of any token that this one descends from.
    if (!row || (row.clientId !== clientId && !(await isDelegator(ctx, row, clientId)))) return;
    const data = { credential: "access_token" };
    const event = {
      type: "token.revoked",
      actor: `client:${clientId}`,
      subject: `token:${row.jti}`,
      clientId,
      data,
      address,
    } as const;
    await revokeAccessToken(ctx, row.jti, event);
  } catch (error) {
    // Never a token of ours: there is nothing to revoke.
    if (!isOAuthError(error) || error.code !== "invalid_token") throw error;
  }
}
