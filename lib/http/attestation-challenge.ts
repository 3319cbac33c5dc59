import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { isRecentNonce, nonceAt } from "@/lib/oauth/rotating-nonce";
import { deriveKey } from "@/lib/secret-key";
import { currentDpopNonce } from "./dpop";
import { json } from "./json";

/** What a client that is attested sends, and where an answer to it carries a challenge (§4, §6.2). */
export const ATTESTATION_HEADER = "oauth-client-attestation";
export const CHALLENGE_HEADER = "oauth-client-attestation-challenge";

type Clock = Pick<Context, "settings" | "now">;

const keyOf = ({ settings }: Clock): Buffer => deriveKey(settings.secretKey, "attestation-challenge");

/** A challenge for the next proof of whoever is answered. */
export const currentChallenge = (ctx: Clock): string => nonceAt(keyOf(ctx), ctx.now());

/**
 * `POST /challenge`: a challenge, so that no request has to be sent twice to get one
 * (draft-ietf-oauth-attestation-based-client-auth-11 §6.3).
 */
export async function challengeEndpoint(ctx: Context): Promise<Response> {
  // "the response MUST additionally include a fresh DPoP nonce", which is what counts in the combined mode
  const headers = { "dpop-nonce": currentDpopNonce(ctx) };
  return json({ attestation_challenge: currentChallenge(ctx) }, { headers });
}

/** A challenge that is there has to be ours and recent; one has to be there where the operator says so (§6.1, §7.2). */
export function checkChallenge(ctx: Context, challenge: string | undefined): void {
  if (challenge === undefined && ctx.settings.attestationChallenge === "optional") return;
  if (challenge !== undefined && isRecentNonce(keyOf(ctx), challenge, ctx.now())) return;
  throw new OAuthError(
    "use_attestation_challenge",
    "Send a new OAuth-Client-Attestation-PoP whose challenge is the value of the OAuth-Client-Attestation-Challenge header of this answer.",
    {
      reason: challenge === undefined ? "no challenge" : "the challenge is old, or not ours",
      headers: { [CHALLENGE_HEADER]: currentChallenge(ctx) },
    },
  );
}
