import { z } from "zod";
import { isOAuthError } from "@/lib/errors";
import { NONCE_BYTES, nonceMadeAt } from "./bound-nonce";
import { canonicalJson, type Json } from "./canonical-json";
import { jwkThumbprint } from "./jwk-thumbprint";
import { decodeBase64url } from "./jws";
import {
  type AuthenticatorData,
  Base64url,
  type ClientData,
  isAssertionSignedBy,
  PasskeyJwk,
  parseAuthenticatorData,
  parseClientData,
  sha256,
  wasFramed,
} from "./webauthn";

/** An answer to a question, and exactly what the page showed to whoever gave it. */
export type Decision = {
  /** The server that asked. */
  issuer: string;
  /** Who answers: `user:…`. */
  user: string;
  approvalId: string;
  decision: string;
  /** All that the page said of the question: the page is made of this and of nothing else. */
  shown: Json;
};

const DIGEST_BYTES = 32;

/** The text that a decision is signed as: canonical JSON (RFC 8785), named so that it is the text of nothing else. */
const decisionStatement = ({ issuer, user, approvalId, decision, shown }: Decision): string =>
  canonicalJson({ typ: "authgent-decision", issuer, user, approval: approvalId, decision, shown });

/** The SHA-256 of a decision's statement. */
export const decisionDigest = (decision: Decision): Buffer => sha256(decisionStatement(decision));

/** What an authenticator signs: the digest, then a nonce of the server (docs/decisions/0009). */
export const decisionChallenge = (digest: Buffer, nonce: Buffer): Buffer => Buffer.concat([digest, nonce]);

/** The two parts of a challenge; undefined for what cannot be one. */
export function readDecisionChallenge(challenge: string): { digest: Buffer; nonce: Buffer } | undefined {
  const bytes = decodeBase64url(challenge);
  if (bytes?.length !== DIGEST_BYTES + NONCE_BYTES) return undefined;
  return { digest: bytes.subarray(0, DIGEST_BYTES), nonce: bytes.subarray(DIGEST_BYTES) };
}

/** Everything that proves a decision to somebody who cannot ask the server. */
export const DecisionProof = z.strictObject({
  /** What was signed, in the words that were hashed. */
  statement: z.string(),
  credential_id: Base64url,
  public_key: PasskeyJwk,
  /** As the authenticator and the browser made them. */
  authenticator_data: Base64url,
  client_data_json: Base64url,
  signature: Base64url,
});
export type DecisionProof = z.infer<typeof DecisionProof>;

/** The proof of a decision whose assertion was just made. */
export const decisionProof = (
  decision: Decision,
  signed: Omit<DecisionProof, "statement">,
): DecisionProof => ({
  statement: decisionStatement(decision),
  ...signed,
});

/** A passkey as the audit trail names it. */
export type TrustedPasskey = { credentialId: string; thumbprint: string };

export type ProofCheck =
  | {
      ok: true;
      /** When the server asked for the signature. */
      askedAt: Date;
      passkey: TrustedPasskey;
      authenticator: AuthenticatorData;
    }
  | { ok: false; problems: readonly string[] };

/**
 * Proves without asking anybody that a decision was signed, with the person verified by their device, over exactly
 * what was shown. Whose key it is says the trail (`passkey.added`): with `passkey` the proof must be made by that one,
 * without it the proof is worth what its own word for its key is.
 */
export function verifyProofOffline(
  proof: unknown,
  decision: Decision,
  passkey?: TrustedPasskey | undefined,
): ProofCheck {
  const parsed = DecisionProof.safeParse(proof);
  if (!parsed.success) return failed(["The proof is not in the form that a server exports."]);
  const read = readProof(parsed.data);
  if ("problems" in read) return failed(read.problems);
  const problems = [
    ...statementProblems(read, decision),
    ...clientProblems(read.clientData, decision),
    ...authenticatorProblems(read.authenticatorData, decision),
    ...signatureProblems(read.proof),
    ...keyProblems(read.proof, passkey),
  ];
  if (problems.length > 0) return failed(problems);
  return {
    ok: true,
    askedAt: nonceMadeAt(read.challenge.nonce),
    passkey: passkeyOf(read.proof),
    authenticator: read.authenticatorData,
  };
}

const failed = (problems: readonly string[]): ProofCheck => ({ ok: false, problems });

type ReadProof = {
  proof: DecisionProof;
  clientData: ClientData;
  challenge: { digest: Buffer; nonce: Buffer };
  authenticatorData: AuthenticatorData;
};

function readProof(proof: DecisionProof): ReadProof | { problems: readonly string[] } {
  const clientData = parseClientData(Buffer.from(proof.client_data_json, "base64url"));
  if (!clientData) return { problems: ["What the browser said cannot be read."] };
  const authenticatorData = parseAuthenticatorData(Buffer.from(proof.authenticator_data, "base64url"));
  if (!authenticatorData) return { problems: ["What the authenticator said cannot be read."] };
  const challenge = readDecisionChallenge(clientData.challenge);
  if (!challenge) return { problems: ["What was signed is not a decision."] };
  return { proof, clientData, challenge, authenticatorData };
}

function* statementProblems({ proof, challenge }: ReadProof, decision: Decision): Iterable<string> {
  if (!sha256(proof.statement).equals(challenge.digest))
    yield "The signed challenge does not begin with the digest of the statement.";
  if (proof.statement !== spelled(decision)) yield "The statement is not what was shown and decided.";
}

/** Undefined where what was shown is no JSON that can be written in one way, so that nobody can have signed it. */
function spelled(decision: Decision): string | undefined {
  try {
    return decisionStatement(decision);
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

/** WebAuthn Level 3 §7.2, steps 10 to 14. */
function* clientProblems(clientData: ClientData, { issuer }: Decision): Iterable<string> {
  if (clientData.type !== "webauthn.get") yield "The browser did not ask for a signature.";
  if (clientData.origin !== new URL(issuer).origin) yield "It was signed on another site's page.";
  if (wasFramed(clientData)) yield "It was signed in a frame of another site.";
}

/** WebAuthn Level 3 §7.2, steps 15 to 18. */
function* authenticatorProblems(data: AuthenticatorData, { issuer }: Decision): Iterable<string> {
  if (!data.rpIdHash.equals(sha256(new URL(issuer).hostname))) yield "The passkey is one for another site.";
  if (!data.userPresent) yield "Nobody was present.";
  if (!data.userVerified) yield "The device did not verify the person.";
  if (data.backedUp && !data.backupEligible) yield "The passkey is backed up and may not be.";
}

function* signatureProblems(proof: DecisionProof): Iterable<string> {
  const assertion = {
    authenticatorData: Buffer.from(proof.authenticator_data, "base64url"),
    clientDataJson: Buffer.from(proof.client_data_json, "base64url"),
    signature: Buffer.from(proof.signature, "base64url"),
  };
  try {
    if (!isAssertionSignedBy(proof.public_key, assertion)) yield "The key did not make this signature.";
  } catch (error) {
    if (!isOAuthError(error)) throw error;
    yield `The key cannot be used: ${error.options.reason}.`;
  }
}

const passkeyOf = (proof: DecisionProof): TrustedPasskey => ({
  credentialId: proof.credential_id,
  thumbprint: jwkThumbprint(proof.public_key),
});

function* keyProblems(proof: DecisionProof, passkey: TrustedPasskey | undefined): Iterable<string> {
  if (!passkey) return;
  const own = passkeyOf(proof);
  if (own.credentialId !== passkey.credentialId || own.thumbprint !== passkey.thumbprint)
    yield "It was signed with another passkey than the trail names.";
}
