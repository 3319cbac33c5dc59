import { createHash } from "node:crypto";
import { z } from "zod";
import { OAuthError } from "@/lib/errors";
import { jwkThumbprint } from "./jwk-thumbprint";
import { isSignedBy, JWS_ALGORITHMS, type Jws, type JwsKey, parseJson, parseJws } from "./jws";
import { importVerificationKey } from "./verification-key";

/** Algorithms that proofs may be signed with, as metadata names them (RFC 9449 §5.1): every one that is taken. */
export const DPOP_ALGORITHMS = JWS_ALGORITHMS;

/** Seconds after which a proof counts no more, and seconds that the clock of its maker may be ahead (RFC 9449 §11.1). */
export const DPOP_MAX_AGE = 300;
export const DPOP_MAX_AHEAD = 30;

/** The request that a proof is to be made for. */
type Expected = {
  method: string;
  /** The address as the caller knows it, from the issuer and never from a header. */
  url: string;
  now: Date;
  /** What it comes with at a protected resource, and the key that is bound to; absent at the authorization server. */
  token?: BoundToken | undefined;
};

/** An access token, and the thumbprint of the key that it is bound to (RFC 9449 §6). */
export type BoundToken = { accessToken: string; jkt: string };

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
  exp: z.number().optional(),
  nbf: z.number().optional(),
  nonce: z.string().max(1024).optional(),
  ath: z.string().optional(),
});
type Payload = z.infer<typeof Payload>;

const refusal = (reason: string) =>
  new OAuthError("invalid_dpop_proof", `Send a new DPoP proof made for this request: ${reason}.`, { reason });

/** A key that signs proofs, and its thumbprint. */
export type HolderKey = { key: JwsKey; jkt: string };

/** Keys of proofs that were good, by the header those came with: reading a key costs as much as the signature. */
export type KnownKeys = {
  get(header: string): HolderKey | undefined;
  set(header: string, holder: HolderKey): unknown;
};

/**
 * Verifies a DPoP proof for one request (RFC 9449 §4.3). Pure: that its `jti` was not seen before and that its `nonce`
 * is one of ours is for the caller to see to.
 */
export function verifyDpopProof(proof: string, expected: Expected, known?: KnownKeys): DpopProof {
  const jws = parseJws(proof, "invalid_dpop_proof");
  const [header = ""] = jws.signingInput.split(".", 1);
  const holder = known?.get(header) ?? holderOf(jws.header);
  if (!isSignedBy(jws, holder.key)) throw refusal("the signature is wrong");
  known?.set(header, holder);

  const payload = Payload.safeParse(parseJson(jws.payload));
  if (!payload.success) {
    throw refusal(`${payload.error.issues[0]?.path.join(".") || "the payload"} is missing or malformed`);
  }
  const { jkt } = holder;
  checkRequest(payload.data, expected);
  checkTimes(payload.data, Math.floor(expected.now.getTime() / 1000));
  checkToken({ ...payload.data, jkt }, expected.token);
  const { jti, iat, nonce } = payload.data;
  return { jkt, jti, issuedAt: new Date(iat * 1000), nonce };
}

/** The key that a header names, if the header is one of a proof. */
function holderOf({ typ, alg, jwk }: Jws["header"]): HolderKey {
  if (typ !== "dpop+jwt") throw refusal("typ is not dpop+jwt");
  if (typeof jwk !== "object" || jwk === null || Array.isArray(jwk)) throw refusal("jwk is missing");
  const key = importVerificationKey(jwk as Record<string, unknown>, alg, "invalid_dpop_proof");
  // Of the key as it was read, so that nothing else in the header has a part in it.
  return { key, jkt: jwkThumbprint(key.key.export({ format: "jwk" })) };
}

function checkRequest({ htm, htu }: Payload, { method, url }: Expected): void {
  if (htm !== method) throw refusal(`htm is not ${method}`);
  if (!isSameAddress(htu, url)) throw refusal(`htu is not ${url}`);
}

function checkTimes({ iat, exp = Number.POSITIVE_INFINITY, nbf = 0 }: Payload, now: number): void {
  if (now - iat > DPOP_MAX_AGE || iat - now > DPOP_MAX_AHEAD) throw refusal("iat is not now");
  // No proof needs them; a JWT that has them says when it does not count (RFC 7519 §4.1.4, §4.1.5).
  if (exp <= now || nbf - now > DPOP_MAX_AHEAD) throw refusal("exp is over, or nbf is to come");
}

/** "ensure that the value of the ath claim equals the hash of that access token", and that both mean one key (§4.3). */
function checkToken({ ath, jkt }: Payload & { jkt: string }, token: BoundToken | undefined): void {
  if (!token) return;
  const hash = createHash("sha256").update(token.accessToken).digest("base64url");
  if (ath !== hash) throw refusal("ath is not the hash of the access token");
  if (jkt !== token.jkt) throw refusal("the access token is bound to another key");
}

/** The characters of a URI; parsers let others pass, and take them for these (RFC 3986 §2). */
const ADDRESS = /^https?:\/\/[\w.~:/?#[\]@!$&'()*+,;=%-]+$/i;

/** Whether two addresses are one, "ignoring any query and fragment parts", however they are spelled (RFC 9449 §4.3). */
export function isSameAddress(one: string, other: string): boolean {
  if (one === other) return true;
  const address = normalized(one);
  return address !== undefined && address === normalized(other);
}

/** One spelling for all that are equivalent (RFC 3986 §6.2.2, §6.2.3); undefined: it is no http address. */
function normalized(address: string): string | undefined {
  if (!ADDRESS.test(address) || !URL.canParse(address)) return undefined;
  const { origin, pathname, username, password } = new URL(address);
  if (username || password) return undefined;
  return `${origin}${pathname.replace(/%[0-9a-f]{2}/gi, spelledPlainly)}`;
}

/** "URIs that differ in the replacement of an unreserved character with its percent-encoded form are equivalent". */
function spelledPlainly(escaped: string): string {
  const character = String.fromCharCode(Number.parseInt(escaped.slice(1), 16));
  return /[\w.~-]/.test(character) ? character : escaped.toUpperCase();
}
