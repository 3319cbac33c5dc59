import type { WorkloadRule } from "@/db/schema/trusted-issuers";
import type { Context } from "@/lib/context";
import { type ErrorCode, OAuthError } from "@/lib/errors";
import {
  type AssertionClaims,
  type AssertionPurpose,
  algorithmOf,
  checkAudience,
  checkTimes,
  decodeAssertion,
  issuersOf,
  purposesOfType,
  requiredClaims,
} from "@/lib/oauth/assertion";
import { meetsConditions } from "@/lib/oauth/claim-conditions";
import { isPlainText, shortenForDisplay } from "@/lib/oauth/display-text";
import { isSignedBy, type Jws, type JwsAlgorithm } from "@/lib/oauth/jws";
import { findForeignKey } from "./foreign-keys";
import { findTrustedIssuer, type TrustedIssuer } from "./trusted-issuers";
import type { ForeignIdentity } from "./users";

export type VerifiedAssertion = {
  issuer: TrustedIssuer;
  purpose: AssertionPurpose;
  claims: AssertionClaims;
  header: Jws["header"];
};

type Expectations = {
  /** What the caller takes it as; an issuer with several is taken at the first of them. */
  purposes: readonly AssertionPurpose[];
  /** The error that a refusal carries, except that what cannot be decoded is `invalid_request`. */
  code: ErrorCode;
  /** The acting client: an ID token issued to it is accepted. */
  clientId?: string | undefined;
};

/**
 * Verifies an assertion of a trusted issuer (RFC 7523 §3, RFC 8725 §3). That it is used once, and by whom, is for
 * the caller to see to.
 */
export async function verifyAssertion(
  ctx: Context,
  token: string,
  { purposes, code, clientId }: Expectations,
): Promise<VerifiedAssertion> {
  const { jws, claims } = decodeAssertion(token);
  const possible = purposesOfType(jws.header, purposes, code);
  const alg = algorithmOf(jws.header, code);
  const { issuer, purpose } = await trust(ctx, issuersOf(claims), possible, code);
  await checkSignature(ctx, issuer, jws, alg, code);
  const { accepted, meant } = audiencesOf(ctx.settings, issuer, purpose, clientId);
  checkAudience(claims, accepted, code, meant);
  checkTimes(claims, purpose, ctx.now(), code);
  return { issuer, purpose, claims: requiredClaims(claims, purpose, code), header: jws.header };
}

/**
 * Says the same of an issuer nobody knows, one that is disabled, one for something else, and one that did not sign:
 * whom we trust is not for everybody to find out.
 */
const refuseIssuer = (code: ErrorCode, reason: string) =>
  new OAuthError(
    code,
    "Get a new assertion, of an issuer that the operator of this server trusts for this, signed with a key it publishes.",
    { reason },
  );

async function trust(
  ctx: Context,
  names: readonly string[],
  possible: readonly AssertionPurpose[],
  code: ErrorCode,
): Promise<{ issuer: TrustedIssuer; purpose: AssertionPurpose }> {
  const issuer = await firstTrusted(ctx, names);
  if (!issuer) throw refuseIssuer(code, "the issuer is not registered");
  if (issuer.status !== "active") throw refuseIssuer(code, "the issuer is disabled");
  const purpose = possible.find((one) => issuer.purposes.includes(one));
  if (!purpose) throw refuseIssuer(code, "the issuer is trusted for something else");
  return { issuer, purpose };
}

async function firstTrusted(ctx: Context, names: readonly string[]): Promise<TrustedIssuer | undefined> {
  for (const name of names) {
    const issuer = await findTrustedIssuer(ctx, name);
    if (issuer) return issuer;
  }
  return undefined;
}

async function checkSignature(
  ctx: Context,
  issuer: TrustedIssuer,
  jws: Jws,
  alg: JwsAlgorithm,
  code: ErrorCode,
): Promise<void> {
  const { kid } = jws.header;
  const key = await findForeignKey(ctx, issuer, { kid: typeof kid === "string" ? kid : undefined, alg });
  if (!key) throw refuseIssuer(code, "no key of the issuer fits");
  if (!isSignedBy(jws, key)) throw refuseIssuer(code, "the signature is wrong");
}

/** Who an assertion may be for, and which of them its sender is told of. */
function audiencesOf(
  { serverUrl, trustedOidcAudience }: Context["settings"],
  { audiences, purposes }: TrustedIssuer,
  purpose: AssertionPurpose,
  clientId: string | undefined,
): { accepted: readonly string[]; meant: string } {
  switch (purpose) {
    // "The aud claim MUST contain the issuer identifier of the Resource Authorization Server"
    case "id_jag":
      return { accepted: [serverUrl], meant: serverUrl };
    // "the token endpoint URL of Authorization Server B MAY be used" (RFC 7523 §3)
    case "chaining":
      return { accepted: [serverUrl, `${serverUrl}/token`], meant: serverUrl };
    case "workload":
      return { accepted: [serverUrl, `${serverUrl}/`, ...audiences], meant: serverUrl };
    case "id_token": {
      // Where the settings trust an issuer for both, only the audience tells its ID tokens from its grants.
      const ambiguous = purposes.includes("chaining") ? [serverUrl, `${serverUrl}/token`] : [];
      const accepted = [trustedOidcAudience, clientId, ...audiences]
        .filter((aud) => aud !== undefined)
        .filter((aud) => !ambiguous.includes(aud));
      return { accepted, meant: "the client that exchanges it, or the one this server was told of" };
    }
  }
}

/** The rule that the claims of a workload are mapped by: the first whose every condition they meet. */
export function matchWorkload(
  { workloads }: TrustedIssuer,
  claims: Readonly<Record<string, unknown>>,
): WorkloadRule | undefined {
  return workloads.find((rule) => meetsConditions(claims, rule.claims));
}

const GOOGLE = "https://accounts.google.com";
const EMAIL = /^[^\s@]+@[^\s@]+$/;

/** Who an assertion says its subject is, for `linkPerson`; what cannot be shown is left out. */
export function identityOf({
  issuer,
  claims,
}: Pick<VerifiedAssertion, "issuer" | "claims">): ForeignIdentity {
  const name = text(claims.name, 1000);
  const given = text(claims.email, 254);
  const isVerified = given && EMAIL.test(given) && isVouchedFor(issuer.issuer, claims, given);
  return {
    issuer: issuer.issuer,
    sub: claims.sub,
    verifiedEmail: isVerified ? given : undefined,
    name: name && shortenForDisplay(name, 100),
  };
}

/** Some issuers send their booleans as text. */
function isVouchedFor(issuer: string, { email_verified, hd }: AssertionClaims, email: string): boolean {
  const isVerified = email_verified === true || email_verified === "true";
  const domain = email.slice(email.lastIndexOf("@") + 1);
  // A private Google account can carry a company's address; only `hd` says that the company manages the account.
  return isVerified && (issuer !== GOOGLE || domain === "gmail.com" || domain === hd);
}

function text(claim: unknown, max: number): string | undefined {
  if (typeof claim !== "string") return undefined;
  const trimmed = claim.trim();
  return trimmed !== "" && trimmed.length <= max && isPlainText(trimmed) ? trimmed : undefined;
}
