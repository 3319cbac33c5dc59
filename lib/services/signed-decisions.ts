import type {
  AuthenticationResponseJSON,
  PublicKeyCredentialRequestOptionsJSON,
} from "@simplewebauthn/server";
import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import type { Json } from "@/lib/oauth/canonical-json";
import {
  type Decision,
  type DecisionProof,
  decisionChallenge,
  decisionDigest,
  decisionProof,
  readDecisionChallenge,
  verifyProofOffline,
} from "@/lib/oauth/signed-decision";
import { parseClientData } from "@/lib/oauth/webauthn";
import { jwkOfCose } from "./cose-key";
import { findPasskey, listPasskeys, noteSignature, type Passkey } from "./passkeys";
import type { Answerer } from "./sessions";
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

/** A question that a page puts to a person, and the answer they are about to give. */
export type Question = {
  approvalId: string;
  decision: string;
  /** All that the page says of the question: it is made of this and of nothing else. */
  shown: Json;
};

const decisionOf = (
  { settings }: Pick<Context, "settings">,
  { by }: { by: Pick<Answerer, "user"> },
  question: Question,
): Decision => ({
  ...question,
  issuer: settings.serverUrl,
  user: `user:${by.user.id}`,
});

/** The digest of what a page shows, base64url, for the page to carry: it asks for options with it. */
export const digestShown = (
  ctx: Pick<Context, "settings">,
  person: { by: Pick<Answerer, "user"> },
  question: Question,
): string => decisionDigest(decisionOf(ctx, person, question)).toString("base64url");

type Asked = {
  question: Question;
  /** The digest that the page carries: a page that shows something else by now is refused. */
  digest: string;
  /** Only this passkey may sign; absent: any of the person's. */
  credentialId?: string | undefined;
};

/** The options that a person's browser has a decision signed with (WebAuthn Level 3 §5.5). */
export async function assertionOptions(
  ctx: Context,
  person: Person,
  { question, digest: seen, credentialId }: Asked,
): Promise<PublicKeyCredentialRequestOptionsJSON> {
  const party = requireRelyingParty(ctx);
  const digest = decisionDigest(decisionOf(ctx, person, question));
  if (digest.toString("base64url") !== seen)
    throw new OAuthError("conflict", "What this page shows has changed. Load it again before you sign.");
  const known = await listPasskeys(ctx, person.by.user.id);
  const allowed = known.filter((one) => credentialId === undefined || one.credentialId === credentialId);
  if (allowed.length === 0) throw new OAuthError("not_found", "You have no such passkey here.");
  const { generateAuthenticationOptions } = await simpleWebAuthn();
  return generateAuthenticationOptions({
    rpID: party.id,
    challenge: new Uint8Array(decisionChallenge(digest, issueNonce(ctx, person, purposeOf(digest)))),
    timeout: CHALLENGE_TTL * 1000,
    userVerification: "required",
    allowCredentials: allowed.map((one) => ({ id: one.credentialId, transports: one.transports })),
  });
}

/** The nonce of one decision is none for another. */
const purposeOf = (digest: Buffer): string => `decide ${digest.toString("base64url")}`;

/** What a browser brings back of a signature, as far as anybody reads it. */
export type Assertion = {
  id: string;
  clientDataJson: string;
  authenticatorData: string;
  signature: string;
  userHandle?: string | undefined;
};

/**
 * Verifies that a person signed this answer to this question with a passkey of theirs, uses the challenge up, and
 * returns the proof to keep with the decision (WebAuthn Level 3 §7.2). What `verifyProofOffline` would not believe
 * later is not believed now.
 */
export async function verifyDecisionAssertion(
  ctx: Context,
  person: Person,
  { question, assertion }: { question: Question; assertion: Assertion },
): Promise<DecisionProof> {
  const decision = decisionOf(ctx, person, question);
  const passkey = await findSigner(ctx, person, assertion);
  const use = checkChallenge(ctx, person, { assertion, digest: decisionDigest(decision) });
  await verifyWithLibrary(ctx, passkey, assertion);
  const proof = await proofOf(decision, passkey, assertion);
  const check = verifyProofOffline(proof, decision);
  if (!check.ok) throw notVerified(check.problems.join(" "));
  const { backupEligible, backedUp, signCount } = check.authenticator;
  // §7.2 step 19: whether a passkey may be copied is settled when it is made.
  if (backupEligible !== passkey.backupEligible) throw notVerified("the backup eligibility has changed");
  const { userId, credentialId } = passkey;
  await noteSignature(ctx, { userId, credentialId, signCount, backedUp, use });
  return proof;
}

/** §7.2 step 6; step 5 is the digest's: where one passkey is asked for, the question names it. */
async function findSigner(
  ctx: Context,
  { by }: Person,
  { id, userHandle: handle }: Assertion,
): Promise<Passkey> {
  const passkey = await findPasskey(ctx, { userId: by.user.id, credentialId: id });
  if (!passkey)
    throw new OAuthError(
      "invalid_request",
      "This passkey is not one of yours here. Use one that your page lists.",
    );
  if (handle !== undefined && handle !== Buffer.from(userHandle(by.user.id)).toString("base64url"))
    throw notVerified("the user handle is another person's");
  return passkey;
}

/** §7.2 step 11: the challenge is one that this person was given, for what the question says now. */
function checkChallenge(
  ctx: Context,
  person: Person,
  { assertion, digest }: { assertion: Assertion; digest: Buffer },
) {
  const clientData = parseClientData(Buffer.from(assertion.clientDataJson, "base64url"));
  const challenge = clientData && readDecisionChallenge(clientData.challenge);
  if (!challenge) throw notVerified("the client data cannot be read, or is of no decision");
  if (!challenge.digest.equals(digest)) throw staleChallenge("another decision was signed");
  const use = checkNonce(ctx, person, { purpose: purposeOf(digest), nonce: challenge.nonce });
  if (!use) throw staleChallenge("the challenge is not one that this person was given, or too old");
  return use;
}

async function verifyWithLibrary(ctx: Context, passkey: Passkey, assertion: Assertion): Promise<void> {
  const party = requireRelyingParty(ctx);
  const { verifyAuthenticationResponse } = await simpleWebAuthn();
  const { verified } = await verifyAuthenticationResponse({
    response: asBrowsersWriteIt(assertion),
    // Whose challenge it is was checked before: nobody else can have made it.
    expectedChallenge: () => true,
    expectedOrigin: party.origin,
    expectedRPID: party.id,
    requireUserVerification: true,
    credential: {
      id: passkey.credentialId,
      publicKey: new Uint8Array(Buffer.from(passkey.publicKey, "base64url")),
      // The counter is compared where it is written, so that two signatures at once are, too.
      counter: 0,
    },
  }).catch((cause: Error) => {
    throw notVerified(cause.message, cause);
  });
  if (!verified) throw notVerified("the signature is not one of this passkey");
}

const asBrowsersWriteIt = ({
  id,
  clientDataJson,
  authenticatorData,
  signature,
}: Assertion): AuthenticationResponseJSON => ({
  id,
  rawId: id,
  type: "public-key",
  clientExtensionResults: {},
  response: { clientDataJSON: clientDataJson, authenticatorData, signature },
});

async function proofOf(decision: Decision, passkey: Passkey, assertion: Assertion): Promise<DecisionProof> {
  const publicKey = await jwkOfCose(new Uint8Array(Buffer.from(passkey.publicKey, "base64url")));
  if (!publicKey) throw new Error(`passkey ${passkey.credentialId} was enrolled with a key we cannot use`);
  return decisionProof(decision, {
    credential_id: passkey.credentialId,
    public_key: publicKey,
    authenticator_data: assertion.authenticatorData,
    client_data_json: assertion.clientDataJson,
    signature: assertion.signature,
  });
}

function notVerified(reason: string, cause?: unknown): OAuthError {
  const description = "This signature could not be verified. Load the page again, and sign anew.";
  return new OAuthError("invalid_request", description, { reason, cause });
}
