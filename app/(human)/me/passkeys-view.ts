import { lengthOfTime } from "@/app/(human)/length-of-time";
import type { Visitor } from "@/app/visitor";
import type { PasskeysView } from "@/components/passkeys";
import { ACCOUNT_PURPOSE } from "@/lib/http/my-agents";
import { CHECK_SENTENCE, passkeyCheck } from "@/lib/http/passkeys";
import { loginPath } from "@/lib/http/session";
import { listPasskeys, MAX_PASSKEYS, type Passkey } from "@/lib/services/passkeys";
import { FRESH_SIGN_IN } from "@/lib/services/proof-of-presence";
import { isFresh, type SignedIn } from "@/lib/services/sessions";
import { digestShown } from "@/lib/services/signed-decisions";
import { relyingPartyOf } from "@/lib/services/webauthn";
import { browserLabel } from "./browser-label";

/** What the page says of a person's passkeys, and what they may do with them now. */
export async function passkeysView(
  { ctx, issuerHost, formToken }: Visitor,
  by: SignedIn,
): Promise<PasskeysView> {
  const passkeys = await listPasskeys(ctx, by.user.id);
  return {
    csrf: formToken(ACCOUNT_PURPOSE),
    now: ctx.now(),
    host: issuerHost,
    most: MAX_PASSKEYS,
    signInPath: loginPath("/me"),
    suggestedName: browserLabel(by.session.userAgent),
    checkSentence: CHECK_SENTENCE,
    isFresh: isFresh(ctx, by.session, FRESH_SIGN_IN),
    freshFor: lengthOfTime(FRESH_SIGN_IN),
    hasDomain: relyingPartyOf(ctx.settings) !== undefined,
    passkeys: passkeys.map(({ credentialId, name, createdAt, lastUsedAt }: Passkey) => ({
      id: credentialId,
      name,
      addedAt: createdAt,
      lastUsedAt: lastUsedAt ?? undefined,
      checkDigest: digestShown(ctx, { by }, passkeyCheck(credentialId)),
    })),
  };
}
