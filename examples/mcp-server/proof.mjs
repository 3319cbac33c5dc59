import { createHash } from "node:crypto";
import { calculateJwkThumbprint, EmbeddedJWK, jwtVerify } from "jose";

export const ALGORITHMS = ["ES256", "ES384", "RS256", "PS256", "Ed25519"];
const FRESH = { maxTokenAge: 300, clockTolerance: 30 };
const PROOF = {
  typ: "dpop+jwt",
  algorithms: ALGORITHMS,
  requiredClaims: ["jti", "htm", "htu", "ath"],
  ...FRESH,
};

/** Thrown when a token and what proves its key do not belong together; `error` is for the challenge. */
export class ProofError extends Error {
  constructor(error, message) {
    super(message);
    this.error = error;
  }
}

/**
 * Checks that a token is used as what it is: one that is bound to a key (`cnf`) only with a proof by that key, made for
 * this request and this token, just now, and for one use; one that is bound to none as a bearer token (RFC 9449 §7).
 *
 * @param {string} resource The address of this MCP server.
 * @returns {(request: Request, scheme: string, token: string, cnf: { jkt?: string } | undefined) => Promise<void>}
 */
export function keyChecker(resource) {
  const seen = rememberUses();

  return async (request, scheme, token, cnf) => {
    const isBearer = !/^DPoP$/i.test(scheme);
    if (cnf === undefined && isBearer) return;
    if (cnf === undefined || isBearer) throw new ProofError("invalid_token", WRONG_SCHEME);
    const { payload, protectedHeader } = await readProof(request.headers.get("dpop"));
    const isForThis =
      payload.htm === request.method && addressOf(payload.htu) === resource && payload.ath === hashOf(token);
    if (!isForThis) throw new ProofError("invalid_dpop_proof", "The proof is for another request or token.");
    if ((await calculateJwkThumbprint(protectedHeader.jwk)) !== cnf.jkt)
      throw new ProofError("invalid_dpop_proof", "The proof is made with another key than the token's.");
    if (!seen.isFirst(`${cnf.jkt} ${payload.jti}`, payload.iat))
      throw new ProofError("invalid_dpop_proof", "The proof was used already. Make a new one.");
  };
}

const WRONG_SCHEME =
  "Send a token that is bound to a key as Authorization: DPoP, with a proof, and any other one as Bearer.";

/** The proof with the key in its own header, which has to be a public one. */
function readProof(proof) {
  return jwtVerify(proof ?? "", EmbeddedJWK, PROOF).catch(() => {
    throw new ProofError("invalid_dpop_proof", "Send one DPoP proof, made now by the key of the token.");
  });
}

/** Without query and fragment. */
const addressOf = (htu) => (URL.canParse(htu) ? new URL(htu).origin + new URL(htu).pathname : undefined);

const hashOf = (token) => createHash("sha256").update(token).digest("base64url");

/** In this process only: several behind one address keep what they have seen in a place that all of them ask. */
function rememberUses() {
  const uses = new Map();
  return {
    isFirst(id, issuedAt) {
      const now = Date.now() / 1000;
      for (const [old, endsAt] of uses) {
        if (endsAt >= now) break;
        uses.delete(old);
      }
      if (uses.has(id)) return false;
      uses.set(id, Math.max(issuedAt, now) + FRESH.maxTokenAge + FRESH.clockTolerance);
      return true;
    },
  };
}

/** The 401 that says which proof is needed (RFC 9449 §7.1). */
export function proofChallengeResponse({ error, message }, resourceMetadataUrl) {
  const parameters = {
    error,
    error_description: message,
    resource_metadata: resourceMetadataUrl,
    algs: ALGORITHMS.join(" "),
  };
  const challenge = Object.entries(parameters).map(([name, value]) => `${name}="${value}"`);
  return Response.json(
    { error, error_description: message },
    { status: 401, headers: { "www-authenticate": `DPoP ${challenge.join(", ")}` } },
  );
}
