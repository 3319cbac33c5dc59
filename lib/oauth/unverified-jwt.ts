import type { z } from "zod";
import type { ErrorCode, OAuthError } from "@/lib/errors";
import { JWS_ALGORITHMS, type Jws, type JwsAlgorithm, keySourceOf, parseJson, parseJws } from "./jws";

/** Longer than anybody's: nobody's keys are looked up for it. */
const MAX_KID_LENGTH = 1024;

/** A JWT that was taken apart: of its kind and well formed, and nothing in it is believed yet. */
export type UnverifiedJwt<Claims> = {
  jws: Jws;
  alg: JwsAlgorithm;
  /** Serves to look the key up, for nothing else. */
  kid: string | undefined;
  claims: Claims;
};

type Kind<Schema extends z.ZodType> = {
  /** "explicit typing": what its `typ` may be (RFC 8725 §3.11). */
  types: readonly unknown[];
  /** What it may be signed with; without, whatever we verify. */
  algorithms?: readonly JwsAlgorithm[];
  claims: Schema;
  /** The error of what is no JWT at all. */
  code: ErrorCode;
  /** The refusal of what is another kind, with the reason for the log. */
  refuse(reason: string): OAuthError;
};

/** Takes a JWT of one kind apart, strictly, to find out whose key verifies it (RFC 7519 §7.2, RFC 8725 §3). */
export function readJwt<Schema extends z.ZodType>(
  token: string,
  { types, algorithms = JWS_ALGORITHMS, claims, code, refuse }: Kind<Schema>,
): UnverifiedJwt<z.infer<Schema>> {
  const jws = parseJws(token, code);
  const alg = algorithms.find((ours) => ours === jws.header.alg);
  if (!alg) throw refuse("the algorithm is not one of ours");
  if (!types.includes(jws.header.typ)) throw refuse("typ is another");
  const { kid } = jws.header;
  if (kid !== undefined && (typeof kid !== "string" || kid.length > MAX_KID_LENGTH))
    throw refuse("kid is no text, or too long");
  const source = keySourceOf(jws);
  if (source) throw refuse(`the header has ${source}`);
  const parsed = claims.safeParse(parseJson(jws.payload));
  if (!parsed.success) {
    const missing = parsed.error.issues[0]?.path.join(".") || "the payload";
    throw refuse(`${missing} is missing or malformed`);
  }
  return { jws, alg, kid, claims: parsed.data };
}
