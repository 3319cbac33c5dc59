import { type ErrorCode, OAuthError } from "@/lib/errors";
import { isSignedBy, type Jws, type JwsKey, keySourceOf, parseJson, parseJws, signJws } from "./jws";

export type VerificationKey = JwsKey;
export type SigningKey = JwsKey & { kid: string };

type Expectations = {
  /** The one `typ` this kind of token has (RFC 8725 §3.11). */
  typ: string;
  /** By `kid`. */
  keys: ReadonlyMap<string, VerificationKey>;
  /** The error that a refusal carries; `invalid_token` if absent. */
  code?: ErrorCode;
};

/** Verifies the signature, type and key of a token; what it claims is for the caller to judge (RFC 7515 §5.2). */
export function verifyCompactJws(token: string, expectations: Expectations) {
  return verifyParsedJws(parseJws(token, expectations.code), expectations);
}

/** The same for a token that was taken apart before, to look its key up. */
export function verifyParsedJws(jws: Jws, { typ, keys, code = "invalid_token" }: Expectations) {
  const refuse = (reason: string) => new OAuthError(code, "Send a valid token: get a new one", { reason });
  const { header } = jws;

  const source = keySourceOf(jws);
  if (source) throw refuse(`the header has ${source}`);
  if (header.typ !== typ) throw refuse(`typ is not ${typ}`);

  const key = typeof header.kid === "string" ? keys.get(header.kid) : undefined;
  if (!key) throw refuse("kid names no key");
  if (!isSignedBy(jws, key)) throw refuse("the signature or its algorithm is wrong");

  const payload = parseJson(jws.payload);
  if (payload === undefined) throw refuse("the payload is not JSON");
  return { header, payload };
}

/** The `kid` that a token names, before anything is verified: it serves to look the key up, for nothing else. */
export const readKid = (token: string, code?: ErrorCode): string | undefined => kidOf(parseJws(token, code));

/** The same of a token that was taken apart before. */
export const kidOf = ({ header: { kid } }: Jws): string | undefined =>
  typeof kid === "string" ? kid : undefined;

/** Signs claims as a JWT of the given type (RFC 7519 §7.1). */
export function signCompactJws(key: SigningKey, typ: string, claims: Record<string, unknown>): string {
  return signJws({ typ, kid: key.kid }, JSON.stringify(claims), key);
}
