import { z } from "zod";
import { OAuthError } from "@/lib/errors";
import { acrOf } from "./acr";
import type { AuthorizationDetail } from "./authorization-details";
import { formatScope, isScopeToken } from "./scope";

/** Seconds that the clocks of two instances may be apart. */
const CLOCK_SKEW = 60;

/** Whole seconds since 1970, up to the year 9999 (RFC 7519 §2, NumericDate). */
const numericDate = z.int().positive().max(253_402_300_799);
const identifier = z.string().min(1).max(2048);
const isScope = (value: string) => value === "" || value.split(" ").every(isScopeToken);

/** Who acts now, and for whom it acted before (RFC 8693 §4.1). */
const Actor = z.object({
  sub: identifier,
  iss: identifier.optional(),
  client_id: identifier.optional(),
  get act() {
    return Actor.optional();
  },
});

const Claims = z.object({
  iss: identifier,
  sub: identifier,
  /** A single string: a token for several resources could be passed on from one to another. */
  aud: identifier,
  client_id: identifier,
  iat: numericDate,
  exp: numericDate,
  nbf: numericDate.optional(),
  jti: z.uuid(),
  scope: z.string().refine(isScope),
  auth_time: numericDate.optional(),
  amr: z.array(identifier).optional(),
  acr: identifier.optional(),
  act: Actor.optional(),
  /** The key it is bound to (RFC 9449 §6.1). */
  cnf: z.object({ jkt: z.string().regex(/^[\w-]{43}$/) }).optional(),
  authorization_details: z.array(z.looseObject({ type: identifier })).optional(),
  /** Who may become the actor; read by whoever exchanges the token (RFC 8693 §4.4). */
  may_act: z.unknown().optional(),
  /** A person started the chain (product decision D7). */
  human_root: z.literal(true).optional(),
  /** The person's yes that this token was issued for, and the digest of what they allowed; for one use. */
  approval: z.object({ id: identifier, digest: z.string().regex(/^[\w-]{43}$/) }).optional(),
  /** Hash of the receipt of the hop that made this token. */
  rcpt: identifier.optional(),
  /** The server whose assertion this token came from (draft-ietf-oauth-identity-chaining-17). */
  chained_from: identifier.optional(),
});

export type Actor = z.infer<typeof Actor>;

/** Reads a chain of actors that was kept apart from its token. */
export const parseActor = (value: unknown): Actor => Actor.parse(value);

/** The payload of an access token (RFC 9068 §2.2). */
export type AccessTokenClaims = z.infer<typeof Claims>;

/** Reads the payload of a token whose signature and `typ` are verified already; claims we do not know are left out. */
export function parseAccessTokenClaims(payload: unknown): AccessTokenClaims {
  const parsed = Claims.safeParse(payload);
  if (!parsed.success) {
    const reason = parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; ");
    throw refusal(reason);
  }
  return parsed.data;
}

type Token = {
  issuer: string;
  subject: string;
  audience: string;
  clientId: string;
  scope: readonly string[];
  jti: string;
  issuedAt: Date;
  expiresAt: Date;
  /** When and how the person proved who they are; absent when no person did. */
  authTime?: Date | undefined;
  amr?: readonly string[] | undefined;
  act?: Actor | undefined;
  /** The clients that may become the actor. */
  mayAct?: readonly string[] | undefined;
  receipt?: string | undefined;
  chainedFrom?: string | undefined;
  jkt?: string | undefined;
  authorizationDetails?: readonly AuthorizationDetail[] | undefined;
  approval?: { id: string; digest: string } | undefined;
};

/** The payload to sign for an access token (RFC 9068 §2.2). */
export function accessTokenClaims(token: Token): AccessTokenClaims {
  return {
    iss: token.issuer,
    sub: token.subject,
    aud: token.audience,
    client_id: token.clientId,
    iat: secondsOf(token.issuedAt),
    exp: secondsOf(token.expiresAt),
    jti: token.jti,
    scope: formatScope(token.scope),
    ...(token.authTime && { auth_time: secondsOf(token.authTime) }),
    ...(token.amr && { amr: [...token.amr] }),
    // RFC 9470 §6: of a person whom another server signed in, that server would have to say it.
    ...(token.authTime && token.amr && !token.chainedFrom && { acr: acrOf(token.amr) }),
    ...(token.jkt && { cnf: { jkt: token.jkt } }),
    ...(token.authorizationDetails?.length && { authorization_details: [...token.authorizationDetails] }),
    ...(token.act && { act: token.act }),
    ...(token.act && token.subject.startsWith("user:") && { human_root: true }),
    ...(token.mayAct && { may_act: { sub: [...token.mayAct] } }),
    ...(token.approval && { approval: token.approval }),
    ...(token.receipt && { rcpt: token.receipt }),
    ...(token.chainedFrom && { chained_from: token.chainedFrom }),
  };
}

/** Throws unless the token is in force at this moment (RFC 7519 §4.1.4, §4.1.5). */
export function checkAccessTokenTimes({ exp, iat, nbf }: AccessTokenClaims, now: Date): void {
  const seconds = secondsOf(now);
  // "on or after which the JWT MUST NOT be accepted for processing"
  if (exp <= seconds) throw new OAuthError("invalid_token", "Get a new access token: this one has expired");
  if (iat > seconds + CLOCK_SKEW) throw refusal("iat is in the future");
  if (nbf !== undefined && nbf > seconds + CLOCK_SKEW) throw refusal("nbf is in the future");
}

function secondsOf(date: Date): number {
  return Math.floor(date.getTime() / 1000);
}

function refusal(reason: string): OAuthError {
  return new OAuthError("invalid_token", "Get a new access token from the authorization server", { reason });
}
