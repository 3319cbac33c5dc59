import { createHash } from "node:crypto";
import { z } from "zod";
import { OAuthError } from "@/lib/errors";
import { jwkThumbprint } from "./jwk-thumbprint";
import { isSignedBy, type JwsKey, parseJson, parseJws } from "./jws";
import { importVerificationKey } from "./verification-key";

/** Algorithms that proofs may be signed with, as metadata names them (RFC 9449 §5.1). */
export const DPOP_ALGORITHMS = ["ES256", "ES384", "RS256", "PS256", "Ed25519"] as const;

/** Seconds after which a proof counts no more, and seconds that the clock of its maker may be ahead (RFC 9449 §11.1). */
export const DPOP_MAX_AGE = 300;
export const DPOP_MAX_AHEAD = 30;

/** The request that a proof is to be made for. */
type Expected = {
  method: string;
  /** The address as the caller knows it, from the issuer and never from a header. */
  url: string;
  now: Date;
  /** The access token that comes with it; absent at the authorization server (RFC 9449 §4.3). */
  accessToken?: string | undefined;
};

/** What a proof shows: whoever sent it holds the key with this thumbprint. */
export type DpopProof = {
  /** RFC 7638, SHA-256, base64url. */
  jkt: string;
  jti: string;
  issuedAt: Date;
  nonce: string | undefined;
};

const Payload = z.object({
  jti: z.string().min(1).max(1024),
  htm: z.string(),
  htu: z.string(),
  iat: z.number(),
  nonce: z.string().max(1024).optional(),
  ath: z.string().optional(),
});
type Payload = z.infer<typeof Payload>;

const refusal = (reason: string, description = "Send a new DPoP proof made for this request: ") =>
  new OAuthError("invalid_dpop_proof", `${description}${reason}.`, { reason });

/**
 * Verifies a DPoP proof for one request (RFC 9449 §4.3). Pure: that its `jti` was not seen before and that its `nonce`
 * is one of ours is for the caller to see to.
 */
export function verifyDpopProof(proof: string, expected: Expected): DpopProof {
  const jws = parseJws(proof, "invalid_dpop_proof");
  const { typ, alg, jwk } = jws.header;
  if (typ !== "dpop+jwt") throw refusal("typ is not dpop+jwt");
  if (typeof jwk !== "object" || jwk === null || Array.isArray(jwk)) throw refusal("jwk is missing");
  const key = importVerificationKey(jwk as Record<string, unknown>, alg, "invalid_dpop_proof");
  if (!isSignedBy(jws, key)) throw refusal("the signature is wrong");

  const payload = Payload.safeParse(parseJson(jws.payload));
  if (!payload.success) {
    throw refusal(`${payload.error.issues[0]?.path.join(".") || "the payload"} is missing or malformed`);
  }
  checkRequest(payload.data, expected);
  const { jti, iat, nonce } = payload.data;
  return { jkt: thumbprintOf(key), jti, issuedAt: new Date(iat * 1000), nonce };
}

function checkRequest({ htm, htu, iat, ath }: Payload, { method, url, now, accessToken }: Expected): void {
  if (htm !== method) throw refusal(`htm is not ${method}`);
  if (normalized(htu) !== normalized(url)) throw refusal(`htu is not ${url}`);
  const age = now.getTime() / 1000 - iat;
  // Written so that NaN is refused, too.
  if (!(age <= DPOP_MAX_AGE && age >= -DPOP_MAX_AHEAD)) throw refusal("iat is not now");
  if (accessToken === undefined) return;
  if (ath !== createHash("sha256").update(accessToken).digest("base64url"))
    throw refusal("ath is not the hash of the access token");
}

/** What its parts mean, not how they are spelled, "ignoring any query and fragment parts" (RFC 9449 §4.3, RFC 3986 §6.2). */
function normalized(address: string): string | undefined {
  if (!/^https?:\/\//i.test(address) || !URL.canParse(address)) return undefined;
  const { origin, pathname, username, password } = new URL(address);
  if (username || password) return undefined;
  return `${origin}${pathname.replace(/%[0-9a-f]{2}/gi, spelledPlainly)}`;
}

/** "URIs that differ in the replacement of an unreserved character with its percent-encoded form are equivalent". */
function spelledPlainly(escaped: string): string {
  const character = String.fromCharCode(Number.parseInt(escaped.slice(1), 16));
  return /[\w.~-]/.test(character) ? character : escaped.toUpperCase();
}

/** Of the key as it was read, so that nothing else in the header has a part in it. */
const thumbprintOf = ({ key }: JwsKey): string => jwkThumbprint(key.export({ format: "jwk" }));
