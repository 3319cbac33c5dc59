import type { Context } from "@/lib/context";
import { isOAuthError, OAuthError } from "@/lib/errors";
import { type AccessTokenClaims, parseAccessTokenClaims } from "@/lib/oauth/access-token";
import { readKid, verifyCompactJws } from "@/lib/oauth/compact-jws";
import { importVerificationKey } from "@/lib/oauth/verification-key";
import { findChain, receiptKeys } from "@/lib/services/receipts";
import type { Call } from "./call";
import { readForm } from "./form";
import { authenticateCaller, maySee } from "./introspect";
import { json } from "./json";

/** Everything that proves the chain of a token offline, also after it expired or was revoked. */
export async function receiptsEndpoint(ctx: Context, call: Call): Promise<Response> {
  const { fields } = await readForm(call.request);
  const caller = await authenticateCaller(ctx, call, fields);
  const { token } = fields;
  if (!token) throw new OAuthError("invalid_request", "Send the token whose receipts you want.");
  const claims = await findSignedClaims(ctx, token);
  // One answer for both: that a token exists is nothing for those who may not see it (RFC 7662 §2.2).
  if (!claims || !(await maySee(ctx, call, caller, claims)))
    throw new OAuthError("invalid_request", "Send an access token of this server that you may look at.");

  const receipts = claims.rcpt === undefined ? [] : await findChain(ctx, claims.rcpt);
  if (claims.rcpt !== undefined && receipts.length === 0)
    throw new OAuthError("not_found", "Receipts are kept for 30 days after a token ends. These are gone.");
  return json({
    issuer: ctx.settings.serverUrl,
    exported_at: ctx.now().toISOString(),
    jwks: { keys: await receiptKeys(ctx, kidsOf([token, ...receipts])) },
    receipts,
  });
}

/** The claims of a token that one of our keys signed, be it the key of another year; undefined for every other. */
async function findSignedClaims(ctx: Context, token: string): Promise<AccessTokenClaims | undefined> {
  try {
    const keys = await receiptKeys(ctx, kidsOf([token]));
    const { payload } = verifyCompactJws(token, {
      typ: "at+jwt",
      keys: new Map(keys.map((jwk) => [String(jwk.kid), importVerificationKey({ ...jwk }, jwk.alg)])),
    });
    const claims = parseAccessTokenClaims(payload);
    return claims.iss === ctx.settings.serverUrl ? claims : undefined;
  } catch (error) {
    if (isOAuthError(error) && error.code === "invalid_token") return undefined;
    throw error;
  }
}

const kidsOf = (signed: readonly string[]): readonly string[] => [
  ...new Set(signed.flatMap((jws) => readKid(jws) ?? [])),
];
