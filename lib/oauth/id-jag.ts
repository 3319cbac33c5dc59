import type { Actor } from "./access-token";
import type { PersonClaims } from "./id-token";
import { formatScope } from "./scope";

/** "The typ of the JWT indicated in the JWT header MUST be oauth-id-jag+jwt" (draft-ietf-oauth-identity-assertion-authz-grant-04 §3.1). */
export const ID_JAG_TYPE = "oauth-id-jag+jwt";

/** Seconds: long enough to find the other server and its token endpoint, and too short to be kept (§4.3). */
export const ID_JAG_TTL = 300;

type IdJag = {
  issuer: string;
  /** The same here and in ID tokens, whoever they are for. */
  subject: string;
  /** The issuer of the resource's authorization server. */
  audience: string;
  /** What the client is called there. */
  clientId: string;
  resource: string;
  /** Undefined: that server decides. */
  scope: readonly string[] | undefined;
  jti: string;
  issuedAt: Date;
  /** Seconds. */
  ttl: number;
  authTime: Date | undefined;
  amr: readonly string[] | undefined;
  /** Who acts for the person, where the client said so. */
  act: Actor | undefined;
  /** Thumbprint of the key that whoever redeems it has to hold. */
  jkt: string | undefined;
  person: PersonClaims;
};

/** The payload of an identity assertion for another server (draft-ietf-oauth-identity-assertion-authz-grant-04 §3.1). */
export function idJagClaims(assertion: IdJag): Record<string, unknown> {
  const { issuer, authTime, amr, act, jkt, person } = assertion;
  const iat = secondsOf(assertion.issuedAt);
  return {
    iss: issuer,
    sub: assertion.subject,
    aud: assertion.audience,
    client_id: assertion.clientId,
    resource: assertion.resource,
    ...(assertion.scope && { scope: formatScope(assertion.scope) }),
    jti: assertion.jti,
    iat,
    exp: iat + assertion.ttl,
    ...(authTime && { auth_time: secondsOf(authTime) }),
    ...(amr && { amr: [...amr] }),
    // Names of clients mean something only together with who gave them (RFC 8693 §4.1).
    ...(act && { act: { ...act, iss: issuer } }),
    // "If the DPoP proof is valid, the IdP MUST include a cnf claim" (Proof-of-Possession During Token Exchange)
    ...(jkt && { cnf: { jkt } }),
    // The other server may find people by it: an address that nobody vouches for would be somebody else's there.
    ...(person.email_verified && { email: person.email, email_verified: true }),
  };
}

const secondsOf = (date: Date): number => Math.floor(date.getTime() / 1000);
