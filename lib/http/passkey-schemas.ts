import { z } from "zod";
import { isPlainText } from "@/lib/oauth/display-text";
import { Base64url } from "@/lib/oauth/webauthn";
import type { Assertion } from "@/lib/services/signed-decisions";

const Bytes = Base64url.max(16_384);
/** "Verify that the credentialId is ≤ 1023 bytes" (WebAuthn Level 3 §7.1 step 25): so many characters. */
const CredentialId = Base64url.max(1364);

/** A passkey that a browser made (WebAuthn Level 3 §5.1, RegistrationResponseJSON), and what the person calls it. */
export const NewPasskey = z.strictObject({
  name: z.string().trim().min(1).max(60).refine(isPlainText, "must be plain text"),
  // Members that browsers add, now and later, are nothing we read. Of `id` and `rawId`, which say the same, `id` counts.
  credential: z.object({
    id: CredentialId,
    type: z.literal("public-key"),
    response: z.object({
      clientDataJSON: Bytes,
      attestationObject: Bytes,
      transports: z
        .array(z.string().regex(/^[a-z-]{1,32}$/))
        .max(10)
        .default([]),
    }),
  }),
});

/** Nothing: whose passkey it is to be, the session says. */
export const PasskeyOptions = z.strictObject({});

/** Which passkey to try, and what the page shows. */
export const PasskeyCheckOptions = z.strictObject({
  id: CredentialId,
  digest: z.string().max(64).describe("Of what the page shows, as the page carries it"),
});

/** What the page of a confirmation shows. */
export const ConfirmOptions = z.strictObject({ digest: z.string().max(64) });

/** A signature as browsers write it (WebAuthn Level 3 §5.1, AuthenticationResponseJSON), as far as we read it. */
export const SignedAssertion = z
  .object({
    id: CredentialId,
    type: z.literal("public-key"),
    response: z.object({
      clientDataJSON: Bytes,
      authenticatorData: Bytes,
      signature: Bytes,
      userHandle: z.string().max(100).nullish(),
    }),
  })
  .transform(
    ({ id, response }): Assertion => ({
      id,
      clientDataJson: response.clientDataJSON,
      authenticatorData: response.authenticatorData,
      signature: response.signature,
      // Keys of before passkeys say none, in as many ways as there are browsers.
      userHandle: response.userHandle || undefined,
    }),
  );

/** The signature of the passkey that was tried. */
export const PasskeyCheck = z.strictObject({ credential: SignedAssertion });
