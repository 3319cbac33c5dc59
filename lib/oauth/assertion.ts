import { z } from "zod";
import { type ErrorCode, OAuthError } from "@/lib/errors";
import { ID_JAG_TYPE } from "./id-jag";
import { JWS_ALGORITHMS, type Jws, type JwsAlgorithm, keySourceOf, parseJson, parseJws } from "./jws";
import { isStorable } from "./storable";

/** What an assertion may be used as; the registry of trusted issuers says which of them an issuer has. */
export type AssertionPurpose = "id_token" | "id_jag" | "chaining" | "workload";

/** A key of an index is at most 2704 bytes in PostgreSQL: an issuer and a subject have to fit in. */
const MAX_SUBJECT_BYTES = 1024;
/** It stands in the trail and in receipts. */
const JTI = /^[\x20-\x7e]{1,1024}$/;

/** The claims of a verified assertion (RFC 7519 §4.1); the rest is what the issuer says. */
export const AssertionClaims = z.looseObject({
  iss: z.string().optional(),
  sub: z.string().refine((sub) => Buffer.byteLength(sub) <= MAX_SUBJECT_BYTES),
  aud: z.union([z.string(), z.tuple([z.string()])]),
  exp: z.number(),
  iat: z.number().optional(),
  nbf: z.number().optional(),
  jti: z.string().regex(JTI).optional(),
  client_id: z.string().optional(),
  scope: z.string().optional(),
});
export type AssertionClaims = z.output<typeof AssertionClaims>;

type Claims = Readonly<Record<string, unknown>>;

/** More than any claim has, and few enough to look at one within the other. */
const MAX_DEPTH = 500;

/** Takes an assertion apart; nothing in it is believed yet (RFC 7519 §7.2). */
export function decodeAssertion(token: string): { jws: Jws; claims: Claims } {
  const refuse = (reason: string) =>
    new OAuthError("invalid_request", "Send the assertion as a JWT in the compact serialization.", {
      reason,
    });

  const jws = parseJws(token, "invalid_request");
  const claims = parseJson(jws.payload);
  if (!isClaims(claims)) throw refuse("the payload is not a JSON object");
  if (!isStorable(claims, MAX_DEPTH))
    throw refuse("the payload has a NUL, half a character or too many levels");
  return { jws, claims };
}

const isClaims = (value: unknown): value is Claims =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Other registered types (`at+jwt`, `txntoken+jwt`, `logout+jwt`, …) are tokens for something else. */
const PLAIN_TYPES: readonly unknown[] = [undefined, "JWT", "jwt"];

/**
 * What a token of this type can be used as, of what the caller takes: "explicit typing" keeps one kind of JWT from
 * being taken for another (RFC 8725 §3.11, draft-ietf-oauth-identity-assertion-authz-grant-04 §4.4.1).
 */
export function purposesOfType(
  { typ }: Jws["header"],
  purposes: readonly AssertionPurpose[],
  code: ErrorCode,
): readonly AssertionPurpose[] {
  const isTyped = typ === ID_JAG_TYPE;
  const possible = purposes.filter((purpose) => (purpose === "id_jag" ? isTyped : PLAIN_TYPES.includes(typ)));
  if (possible.length > 0) return possible;
  const expected = purposes.map((purpose) => (purpose === "id_jag" ? ID_JAG_TYPE : "JWT"));
  const description = `Send an assertion whose typ is ${[...new Set(expected)].join(" or ")}.`;
  throw new OAuthError(code, description, { reason: "typ is another" });
}

/** The algorithm of a token, if it is one of ours; the key comes from its issuer and from nowhere else. */
export function algorithmOf(header: Jws["header"], code: ErrorCode): JwsAlgorithm {
  const refuse = (reason: string) =>
    new OAuthError(
      code,
      `Send an assertion that is signed with ${JWS_ALGORITHMS.join(", ")} and names its key by kid only.`,
      { reason },
    );

  const alg = JWS_ALGORITHMS.find((ours) => ours === header.alg);
  if (!alg) throw refuse("the algorithm is not one of ours");
  const source = keySourceOf({ header });
  if (source) throw refuse(`the header has ${source}`);
  return alg;
}

const SPIFFE_ID = /^(spiffe:\/\/[a-z0-9._-]{1,255})\/./;

/** Who may have issued a token: its `iss`, or the trust domain of a SPIFFE ID (SPIFFE JWT-SVID §3). */
export function issuersOf({ iss, sub }: Claims): readonly string[] {
  const trustDomain = typeof sub === "string" ? SPIFFE_ID.exec(sub)?.[1] : undefined;
  return [iss, trustDomain].filter((issuer) => typeof issuer === "string");
}

/** Refuses an assertion that is not for us alone: another audience could redeem it here (RFC 7523 §3). */
export function checkAudience(
  { aud }: Claims,
  accepted: readonly string[],
  code: ErrorCode,
  meant: string,
): void {
  // "array only if exactly 1"
  const [audience, ...others] = Array.isArray(aud) ? aud : [aud];
  if (others.length === 0 && accepted.includes(audience)) return;
  throw new OAuthError(code, `Get an assertion whose only aud is ${meant}.`, {
    reason: others.length > 0 ? "several audiences" : "aud is another",
  });
}

/** "shall accept JWTs with an iat or nbf timestamp between 0 and 10 seconds in the future" (FAPI 2.0 §5.3.2.1). */
const CLOCK_OFFSET = 10;
/** Seconds. An assertion for one redemption has no reason to live longer. */
const MAX_LIFETIME = 3600;
/** The year 9999: a database has no use for later ones. */
const MAX_TIME = 253_402_300_799;
const SHORT_LIVED: readonly AssertionPurpose[] = ["id_jag", "chaining"];

/** Refuses an assertion that is expired, of the future, or good for too long (RFC 7523 §3). */
export function checkTimes(claims: Claims, purpose: AssertionPurpose, now: Date, code: ErrorCode): void {
  const reason = timeProblem(claims, now.getTime() / 1000, SHORT_LIVED.includes(purpose));
  if (!reason) return;
  const description =
    "Get a new assertion from its issuer: it must have exp, be valid now, and not be good for too long.";
  throw new OAuthError(code, description, { reason });
}

function timeProblem({ exp, iat, nbf }: Claims, now: number, isShortLived: boolean): string | undefined {
  if (exp === undefined) return "exp is missing";
  if (![exp, iat ?? 0, nbf ?? 0].every(isTime)) return "a time is not a number of seconds";
  if (Number(exp) <= now) return "expired";
  if (Number(iat ?? 0) > now + CLOCK_OFFSET) return "iat is in the future";
  if (Number(nbf ?? 0) > now + CLOCK_OFFSET) return "nbf is in the future";
  if (isShortLived && Number(exp) - Number(iat ?? now) > MAX_LIFETIME) return "lives longer than an hour";
  return undefined;
}

const isTime = (value: unknown): boolean => typeof value === "number" && value >= 0 && value <= MAX_TIME;

/** The claims each profile requires besides `aud` and `exp`, in the words of its specification. */
const REQUIRED: Record<AssertionPurpose, readonly string[]> = {
  // draft-ietf-oauth-identity-assertion-authz-grant-04 §3.1
  id_jag: ["iss", "sub", "client_id", "jti", "iat"],
  // draft-ietf-oauth-identity-chaining-17 §2.3: single use needs jti
  chaining: ["iss", "sub", "jti"],
  // SPIFFE JWT-SVID §3 has no iss
  workload: ["sub"],
  // OIDC Core §2
  id_token: ["iss", "sub", "iat"],
};

/** What a grant or an access token says and an ID token never does: nothing else tells them apart. */
const OF_ACCESS = ["scope", "scp", "client_id"];

/** The claims of an assertion, if all that its profile requires are there. */
export function requiredClaims(claims: Claims, purpose: AssertionPurpose, code: ErrorCode): AssertionClaims {
  const foreign = purpose === "id_token" ? OF_ACCESS.find((name) => claims[name] !== undefined) : undefined;
  if (foreign) {
    throw new OAuthError(code, `Send an ID token: what has ${foreign} is a grant or an access token.`, {
      reason: `an ID token with ${foreign}`,
    });
  }
  const missing = REQUIRED[purpose].find((name) => claims[name] === undefined || claims[name] === "");
  if (missing) {
    throw new OAuthError(code, `Get an assertion that has ${missing}.`, { reason: `${missing} is missing` });
  }
  const parsed = AssertionClaims.safeParse(claims);
  if (parsed.success) return parsed.data;
  const malformed = parsed.error.issues[0]?.path[0];
  throw new OAuthError(code, `Get an assertion whose ${String(malformed)} is as its specification says.`, {
    reason: `${String(malformed)} is malformed`,
  });
}
