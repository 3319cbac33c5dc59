import type { Context } from "@/lib/context";
import {
  type ClientAttestation,
  checkFreshness,
  invalidAttestation,
  readClientAttestation,
  verifyPossession,
} from "@/lib/oauth/client-attestation";
import { isSignedBy, type JwsKey } from "@/lib/oauth/jws";
import { matchWorkload } from "@/lib/services/assertions";
import { findAttester } from "@/lib/services/client-attesters";
import { findClientKey } from "@/lib/services/client-keys";
import type { Client } from "@/lib/services/clients";
import { findForeignKey } from "@/lib/services/foreign-keys";
import { addressKey } from "@/lib/services/rate-limits";
import { ATTESTATION_HEADER, checkChallenge } from "../attestation-challenge";
import type { Call } from "../call";
import { readProof, verifyProof } from "../dpop";
import type { Authenticator, AuthMethod, Proof } from "./authenticator";

const PROOF_HEADER = "oauth-client-attestation-pop";

/** A client may prove possession either way, whichever it registered: both show that it holds the same key. */
const METHODS = [
  "attest_jwt_client_auth",
  "attest_jwt_client_auth_dpop",
] as const satisfies readonly AuthMethod[];
const [BY_PROOF, BY_DPOP] = METHODS;

/**
 * An attestation of the instance of a client that asks, and proof that it holds the key in it
 * (draft-ietf-oauth-attestation-based-client-auth-11 §7).
 */
export const clientAttestation: Authenticator = {
  methods: METHODS,
  present: ({ headers }) => {
    const [token, proof] = [headers.get(ATTESTATION_HEADER), headers.get(PROOF_HEADER)];
    if (token === null && proof === null) return undefined;
    if (token === null) throw invalidAttestation("a proof without an attestation");
    const attestation = readClientAttestation(token);
    return {
      method: proof === null ? BY_DPOP : BY_PROOF,
      clientId: attestation.claims.sub,
      isGuessable: false,
      prove: (ctx, call, client) => prove(ctx, call, { attestation, proof, client }),
    };
  },
};

/** Whether a request carries an attestation, or what comes with one. */
export const hasAttestation = ({ headers }: Request): boolean =>
  headers.has(ATTESTATION_HEADER) || headers.has(PROOF_HEADER);

/** Says the same of an attester nobody knows, one for something else, one that did not sign, and an unknown client. */
const UNVOUCHED =
  "Get an attestation from an attester that vouches for this client here, and make a new proof with the key in it.";

type Shown = { attestation: ClientAttestation; proof: string | null; client: Client | undefined };

/**
 * Whatever is wrong with the attestation or its proof is told before it matters whether the client is registered:
 * who is, only somebody learns for whom an attester vouches.
 */
async function prove(ctx: Context, call: Call, { attestation, proof, client }: Shown): Promise<Proof> {
  const key = await attesterKey(ctx, call, { attestation, client });
  if (!key || !isSignedBy(attestation.jws, key))
    throw invalidAttestation(key ? "the signature is wrong" : "nobody vouches for it", UNVOUCHED);
  checkFreshness(attestation, { now: ctx.now(), maxAge: ctx.settings.attestationMaxAge });
  const consume =
    proof === null ? checkDpop(ctx, call, attestation) : checkPossession(ctx, attestation, proof);
  if (!METHODS.some((method) => client?.tokenEndpointAuthMethod === method))
    return { isProven: false, reason: "not registered for attestations", isUnregistered: true };
  // Last, so that only what counts in every other way is used up (§10.7).
  await consume();
  return { isProven: true, instanceJkt: attestation.instanceJkt };
}

/**
 * The key of who vouches for the instance: an attester that an operator trusts, by `iss`; without one, the client
 * itself, "The kid header parameter combined with Client Metadata" (§10.8).
 */
async function attesterKey(
  ctx: Context,
  { address }: Call,
  { attestation: { alg, kid, claims }, client }: Pick<Shown, "attestation" | "client">,
): Promise<JwsKey | undefined> {
  const { iss = claims.sub, sub } = claims;
  const attester = await findAttester(ctx, iss);
  if (!attester)
    return iss === sub && client
      ? findClientKey(ctx, client, { kid, alg, caller: addressKey(address) })
      : undefined;
  // Without rules it vouches for every client that is registered for attestations.
  const isTheirs = attester.workloads.length === 0 || matchWorkload(attester, claims)?.clientId === sub;
  return isTheirs ? findForeignKey(ctx, attester, { kid, alg }) : undefined;
}

type Consume = () => Promise<void>;

/** The proof that is made for this (§7.2). */
function checkPossession(ctx: Context, attestation: ClientAttestation, proof: string): Consume {
  const expected = { issuer: ctx.settings.serverUrl, now: ctx.now() };
  const { jti, challenge, expiresAt } = verifyPossession(proof, attestation, expected);
  checkChallenge(ctx, challenge);
  return async () => {
    const use = { issuer: `attestation ${attestation.instanceJkt}`, jti, expiresAt };
    if (!(await ctx.consumeOnce(use))) throw invalidAttestation("replayed proof");
  };
}

/** The combined mode: a DPoP proof with the same key stands for it, and its nonce for the challenge (§5.2, §7.3). */
function checkDpop(ctx: Context, call: Call, { instanceJkt }: ClientAttestation): Consume {
  const needsNonce = ctx.settings.attestationChallenge === "required";
  const proof = readProof(ctx, call, { needsNonce });
  if (proof?.jkt !== instanceJkt)
    throw invalidAttestation(proof ? "the DPoP proof is made with another key" : "no proof of possession");
  return async () => void (await verifyProof(ctx, call));
}
