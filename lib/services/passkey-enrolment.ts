import type {
  PublicKeyCredentialCreationOptionsJSON,
  RegistrationResponseJSON,
} from "@simplewebauthn/server";
import type { Context } from "@/lib/context";
import { isOAuthError, OAuthError } from "@/lib/errors";
import { jwkThumbprint } from "@/lib/oauth/jwk-thumbprint";
import { decodeBase64url } from "@/lib/oauth/jws";
import { importVerificationKey } from "@/lib/oauth/verification-key";
import { type PasskeyJwk, parseClientData, wasFramed } from "@/lib/oauth/webauthn";
import { COSE_ALGORITHMS, jwkOfCose } from "./cose-key";
import { addPasskey, listPasskeys, MAX_PASSKEYS, type Passkey, tooManyPasskeys } from "./passkeys";
import {
  CHALLENGE_TTL,
  checkNonce,
  issueNonce,
  type Person,
  requireRelyingParty,
  simpleWebAuthn,
  staleChallenge,
  userHandle,
} from "./webauthn";

const PURPOSE = "add a passkey";

/** The options that a person's browser makes a passkey with (WebAuthn Level 3 §5.4). */
export async function enrolmentOptions(
  ctx: Context,
  person: Person,
): Promise<PublicKeyCredentialCreationOptionsJSON> {
  const party = requireRelyingParty(ctx);
  const { user } = person.by;
  const known = await listPasskeys(ctx, user.id);
  if (known.length >= MAX_PASSKEYS) throw tooManyPasskeys();
  const { generateRegistrationOptions } = await simpleWebAuthn();
  return generateRegistrationOptions({
    rpName: party.name,
    rpID: party.id,
    userID: userHandle(user.id),
    userName: user.email,
    userDisplayName: user.name,
    challenge: new Uint8Array(issueNonce(ctx, person, PURPOSE)),
    timeout: CHALLENGE_TTL * 1000,
    attestationType: "none",
    excludeCredentials: known.map(({ credentialId, transports }) => ({ id: credentialId, transports })),
    authenticatorSelection: { residentKey: "preferred", userVerification: "required" },
    supportedAlgorithmIDs: COSE_ALGORITHMS,
  });
}

/** What a browser brings back of a new passkey, as far as anybody reads it. */
export type NewCredential = {
  id: string;
  clientDataJson: string;
  attestationObject: string;
  transports: readonly string[];
};

/** Adds the passkey that a person's browser has made (WebAuthn Level 3 §7.1). */
export async function enrolPasskey(
  ctx: Context,
  person: Person,
  { name, credential }: { name: string; credential: NewCredential },
): Promise<Passkey> {
  const use = checkChallenge(ctx, person, credential);
  const { registered, jwk } = await verifyCredential(ctx, credential);
  return addPasskey(ctx, {
    use,
    thumbprint: jwkThumbprint(jwk),
    passkey: {
      credentialId: credential.id,
      userId: person.by.user.id,
      name,
      publicKey: Buffer.from(registered.credential.publicKey).toString("base64url"),
      signCount: registered.credential.counter,
      transports: [...credential.transports],
      backupEligible: registered.credentialDeviceType === "multiDevice",
      backedUp: registered.credentialBackedUp,
      aaguid: registered.aaguid,
    },
  });
}

function checkChallenge(ctx: Context, person: Person, { clientDataJson }: NewCredential) {
  const clientData = parseClientData(Buffer.from(clientDataJson, "base64url"));
  if (!clientData) throw notVerified("the client data cannot be read");
  if (wasFramed(clientData)) throw notVerified("it was made in a frame of another site");
  const nonce = decodeBase64url(clientData.challenge);
  const use = nonce && checkNonce(ctx, person, { purpose: PURPOSE, nonce });
  if (!use) throw staleChallenge("the challenge is not one that this person was given, or too old");
  return use;
}

async function verifyCredential(ctx: Context, credential: NewCredential) {
  const registered = await register(ctx, credential);
  if (registered.credential.id !== credential.id)
    throw notVerified("the credential has another id than it says");
  const jwk = await jwkOfCose(registered.credential.publicKey);
  if (!jwk) throw notVerified("the key is of an algorithm that was not asked for");
  requireSound(jwk);
  return { registered, jwk };
}

async function register(ctx: Context, credential: NewCredential) {
  const party = requireRelyingParty(ctx);
  if (await isUnaskedFor(credential)) throw notVerified("it has an attestation that nobody asked for");
  const { verifyRegistrationResponse } = await simpleWebAuthn();
  const verified = await verifyRegistrationResponse({
    response: asBrowsersWriteIt(credential),
    // Whose challenge it is was checked before: nobody else can have made it.
    expectedChallenge: () => true,
    expectedOrigin: party.origin,
    expectedRPID: party.id,
    requireUserVerification: true,
    supportedAlgorithmIDs: COSE_ALGORITHMS,
  }).catch((cause: Error) => {
    throw notVerified(cause.message, cause);
  });
  if (!verified.verified) throw notVerified("the attestation is not valid");
  return verified.registrationInfo;
}

/**
 * Browsers leave no attestation when asked for none, or one that the passkey made of itself (§5.1.3, §7.1 step 24). Any
 * other is refused unread: the library would fetch the revocation lists that its certificates name, from addresses that
 * whoever made them chose.
 */
async function isUnaskedFor({ attestationObject }: NewCredential): Promise<boolean> {
  const { decodeAttestationObject } = await import("@simplewebauthn/server/helpers");
  try {
    const attestation = decodeAttestationObject(new Uint8Array(Buffer.from(attestationObject, "base64url")));
    const format = attestation.get("fmt");
    return format !== "none" && !(format === "packed" && attestation.get("attStmt").get("x5c") === undefined);
  } catch (cause) {
    throw notVerified("the attestation object cannot be read", cause);
  }
}

const asBrowsersWriteIt = (credential: NewCredential): RegistrationResponseJSON => ({
  id: credential.id,
  rawId: credential.id,
  type: "public-key",
  clientExtensionResults: {},
  response: {
    clientDataJSON: credential.clientDataJson,
    attestationObject: credential.attestationObject,
    transports: [...credential.transports],
  },
});

/** A weak key, or one that is no point of its curve, would only be noticed when it matters. */
function requireSound(jwk: PasskeyJwk): void {
  try {
    importVerificationKey(jwk, jwk.alg);
  } catch (error) {
    throw isOAuthError(error) ? notVerified(error.options.reason ?? error.message, error) : error;
  }
}

function notVerified(reason: string, cause?: unknown): OAuthError {
  const description = "This passkey could not be verified. Try again, or use another device or key.";
  return new OAuthError("invalid_request", description, { reason, cause });
}
