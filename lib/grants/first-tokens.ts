import { type Context, inTransaction } from "@/lib/context";
import type { AuthorizationDetail } from "@/lib/oauth/authorization-details";
import { touchClient } from "@/lib/services/clients";
import { record } from "@/lib/services/events";
import { touchGrantUse } from "@/lib/services/grants";
import { mintIdToken } from "@/lib/services/id-tokens";
import { mintAccessToken } from "@/lib/services/issuing";
import { mintRefreshToken, storeRefreshToken } from "@/lib/services/refresh-tokens";
import { interactiveTtl, newFamily, storeAccessToken, storeFamily } from "@/lib/services/tokens";
import { consentedTtl } from "./approved";
import { issuedToken, type TokenRequest, type TokenResponse } from "./grant";

/** What a person allowed an app, and where it stands written. */
type Authorization = {
  grantType: string;
  approvalId: string;
  grantId: string;
  familyId: string;
  userId: string;
  resource: string;
  scope: readonly string[];
  /** All that they agreed to, which the refresh token keeps. */
  authorizationDetails: AuthorizationDetail[] | null;
  authTime: Date;
  amr: string[];
  nonce?: string | undefined;
  /** Seconds after which they have to be asked anew; absent: as everywhere. */
  lasts?: number | undefined;
};

type Use = {
  /** What the access token says of the details. */
  details: readonly AuthorizationDetail[] | undefined;
  /** Uses up what the tokens are issued for, in their transaction: true for the first who does. */
  consume(tx: Context, jti: string): Promise<boolean>;
};

/**
 * The first tokens of what a person allowed, in one transaction with the use of what they are issued for; undefined when
 * another request was first.
 */
export async function firstTokens(
  ctx: Context,
  authorization: Authorization,
  { client, address, jkt, instanceJkt }: TokenRequest<unknown>,
  { details: authorizationDetails, consume }: Use,
): Promise<TokenResponse | undefined> {
  const { grantType, approvalId, familyId, grantId, userId, resource, authTime, amr } = authorization;
  const { clientId } = client;
  const scope = [...authorization.scope];
  const subject = `user:${userId}`;
  const family = newFamily(ctx, { id: familyId, grantId, clientId, approvalId }, authorization.lasts);
  const ttl = await consentedTtl(ctx, interactiveTtl(ctx, family), { resource, scope, authorizationDetails });
  // Signed before the transaction: inside it, the signer's own look at the database would wait for it to end.
  const access = await mintAccessToken(ctx, {
    ...{ grantType, approvalId, clientId, subject, scope, audience: resource, ttl, grantId, familyId },
    ...{ authTime, amr, jkt, authorizationDetails },
    isConsented: true,
  });
  const refresh = client.grantTypes.includes("refresh_token")
    ? mintRefreshToken(ctx, {
        ...{ familyId, clientId, userId, grantId, scope, resource, authTime, amr },
        // It keeps what the person agreed to: a narrower access token is no smaller grant.
        authorizationDetails: authorization.authorizationDetails,
        jkt: jkt ?? null,
        instanceJkt: instanceJkt ?? null,
        familyExpiresAt: family.expiresAt,
      })
    : undefined;
  const { nonce } = authorization;
  const signIn = { clientId, userId, scope, resource, authTime, amr, nonce, familyId };
  const idToken = await mintIdToken(ctx, { ...signIn, accessToken: access.token });
  const first = await inTransaction(ctx, async (tx) => {
    if (!(await consume(tx, access.row.jti))) return false;
    await storeFamily(tx, family);
    await storeAccessToken(tx, access);
    if (refresh) await storeRefreshToken(tx, refresh.row);
    await record(tx, {
      type: "token.issued",
      actor: `client:${clientId}`,
      subject: `token:${access.row.jti}`,
      clientId,
      data: {
        ...{ grantType, principal: subject, grant: grantId, scope, audience: resource, approval: approvalId },
        ...(authorizationDetails && { authorizationDetails }),
      },
      address,
    });
    return true;
  });
  if (!first) return undefined;
  ctx.defer(() => touchGrantUse(ctx, grantId));
  ctx.defer(() => touchClient(ctx, client));
  return {
    ...issuedToken({ token: access.token, jkt, ttl, scope, authorizationDetails }),
    ...refresh?.answer,
    ...(idToken !== undefined && { id_token: idToken }),
  };
}
