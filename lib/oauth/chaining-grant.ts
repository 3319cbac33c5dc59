import { createHmac } from "node:crypto";
import type { Actor } from "./access-token";
import { formatScope } from "./scope";

/** A plain JWT: the draft registers no type of its own (draft-ietf-oauth-identity-chaining-17 §2.3.3). */
export const CHAINING_GRANT_TYPE = "JWT";

/** What a grant says of the person and of who acts for them; the names are those of the settings. */
type ClaimsPolicy = "preserve_sub" | "minimize";

/** The trusted server that a request means, as it is written in the settings: an issuer, or its token endpoint. */
export const findChainingTarget = (trusted: readonly string[], requested: string): string | undefined =>
  trusted.find((target) => issuerOf(target) === issuerOf(requested));

/** "using either the token endpoint … or the issuer identifier" (draft-ietf-oauth-identity-chaining-17 §2.4.2). */
const issuerOf = (target: string): string => target.replace(/\/token$/, "");

type Grant = {
  issuer: string;
  /** The authorization server of the other domain. */
  target: string;
  jti: string;
  subject: string;
  act: Actor | undefined;
  clientId: string;
  scope: readonly string[];
  issuedAt: Date;
  /** Seconds. */
  ttl: number;
  /** Thumbprint of the key that whoever redeems it has to hold. */
  jkt?: string | undefined;
};

type Transcription = {
  policy: ClaimsPolicy;
  /** For pseudonyms. */
  key: Buffer;
};

/** The payload of a grant for another domain, and what it learns (draft-ietf-oauth-identity-chaining-17 §2.5). */
export function chainingGrantClaims(grant: Grant, { policy, key }: Transcription): Record<string, unknown> {
  const { issuer, target, subject, act, clientId } = grant;
  const iat = Math.floor(grant.issuedAt.getTime() / 1000);
  const isMinimal = policy === "minimize";
  return {
    iss: issuer,
    sub: isMinimal ? pairwiseSubject(key, target, subject) : subject,
    // "it is RECOMMENDED that the aud claim is restricted to a single authorization server"
    aud: target,
    jti: grant.jti,
    iat,
    exp: iat + grant.ttl,
    // Empty is said, too: there, a grant without scope could mean everything.
    scope: formatScope(grant.scope),
    // Said either way: behind a pseudonym nobody could tell a person from an agent.
    human_root: subject.startsWith("user:"),
    // What was bound to a key stays so on its way (RFC 7800 §3.1).
    ...(grant.jkt && { cnf: { jkt: grant.jkt } }),
    ...(!isMinimal && { client_id: clientId, ...(act && { act: issuedBy(act, issuer) }) }),
  };
}

/** Names of clients and people mean something only together with who gave them (RFC 8693 §4.1). */
function issuedBy({ act, ...actor }: Actor, issuer: string): Actor {
  return { ...actor, iss: actor.iss ?? issuer, ...(act && { act: issuedBy(act, issuer) }) };
}

/** The same for one subject at one server, and different at every other one (OIDC Core §8.1). */
const pairwiseSubject = (key: Buffer, target: string, subject: string): string =>
  createHmac("sha256", key)
    .update(JSON.stringify([issuerOf(target), subject]))
    .digest("base64url");
