import { randomBytes } from "node:crypto";
import { boundNonce, NONCE_RANDOM_BYTES } from "@/lib/oauth/bound-nonce";
import {
  type Decision,
  type DecisionProof,
  decisionChallenge,
  decisionDigest,
  decisionProof,
} from "@/lib/oauth/signed-decision";
import type { Authenticator, Misbehaviour } from "./authenticator";

type Signing = { askedAt?: Date; bad?: Misbehaviour };

/** What an authenticator makes of a decision, as the server would keep it, but for the statement. */
export function signDecision(
  { id, jwk, get }: Authenticator,
  decision: Decision,
  { askedAt = new Date(), bad }: Signing = {},
): Omit<DecisionProof, "statement"> {
  const made = { now: askedAt, random: randomBytes(NONCE_RANDOM_BYTES) };
  const nonce = boundNonce(Buffer.alloc(32), "only the server can tell", made);
  const challenge = decisionChallenge(decisionDigest(decision), nonce).toString("base64url");
  const { response } = get({ challenge, rpId: new URL(decision.issuer).hostname }, bad);
  return {
    credential_id: id,
    public_key: jwk(),
    authenticator_data: response.authenticatorData,
    client_data_json: response.clientDataJSON,
    signature: response.signature,
  };
}

/** The proof of a decision that no server has seen. */
export const provenDecision = (
  authenticator: Authenticator,
  decision: Decision,
  signing?: Signing,
): DecisionProof => decisionProof(decision, signDecision(authenticator, decision, signing));
