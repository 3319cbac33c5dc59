import type { Context } from "@/lib/context";
import { type ErrorCode, OAuthError } from "@/lib/errors";
import { type AssertionPurpose, decodeAssertion } from "@/lib/oauth/assertion";
import {
  type AuthorizationDetail,
  invalidDetails,
  readAuthorizationDetails,
} from "@/lib/oauth/authorization-details";
import { identityOf, type VerifiedAssertion, verifyAssertion } from "@/lib/services/assertions";
import type { Use } from "@/lib/services/used-assertions";
import { linkPerson, mayComeIn, newPersonId, type User } from "@/lib/services/users";

/** Verifies what another server asserts, with nothing in it that we would have to obey and cannot. */
export async function verifyForeign(
  ctx: Context,
  token: string,
  expected: Parameters<typeof verifyAssertion>[2],
): Promise<VerifiedAssertion> {
  refuseOwn(ctx, token, expected.code);
  const assertion = await verifyAssertion(ctx, token, expected);
  refuseLimits(assertion, expected.code);
  if (assertion.purpose !== "workload") refuseMachine(assertion, expected.code);
  return assertion;
}

/** Nobody redeems their own word, whatever the operator trusts (draft-ietf-oauth-identity-assertion-authz-grant-04). */
function refuseOwn({ settings }: Context, token: string, code: ErrorCode): void {
  const { iss } = decodeAssertion(token).claims;
  if (typeof iss !== "string" || iss.replace(/\/$/, "") !== settings.serverUrl) return;
  throw new OAuthError(code, "This server issued the assertion itself: redeem it at the server it is for.");
}

/** A limit that is not understood is not ignored: the token would say more than the assertion. */
const LIMITS = {
  requested_cnf:
    "Get an assertion without requested_cnf, and send a DPoP proof: the token is bound to its key.",
  tenant: "Get an assertion of an issuer that has one tenant: this server does not tell tenants apart.",
  aud_tenant: "Get an assertion without aud_tenant: this server has one tenant.",
  aud_sub: "Get an assertion without aud_sub: this server finds people by iss and sub.",
};

/** A workload says who it is and an ID token who somebody is: neither says what may be done. */
const IN_DETAIL: readonly AssertionPurpose[] = ["id_jag", "chaining"];

function refuseLimits({ purpose, claims }: VerifiedAssertion, code: ErrorCode): void {
  if (claims.authorization_details !== undefined && !IN_DETAIL.includes(purpose))
    throw new OAuthError(
      code,
      "Get an assertion without authorization_details: none of this kind has them.",
      {
        reason: "the assertion has authorization_details",
      },
    );
  for (const [name, description] of Object.entries(LIMITS))
    if (claims[name] !== undefined)
      throw new OAuthError(code, description, { reason: `the assertion has ${name}` });
}

/**
 * The details that another server says a person gave; undefined: it says none. An issuer whose scopes the operator
 * limited has no say in them: a detail is no smaller power than a scope.
 */
export function assertedDetails({
  issuer,
  claims,
}: VerifiedAssertion): readonly AuthorizationDetail[] | undefined {
  if (claims.authorization_details === undefined) return undefined;
  if (issuer.scope === null) return readAuthorizationDetails(claims.authorization_details);
  throw invalidDetails(
    "Get an assertion without authorization_details: its issuer is trusted with scopes only.",
  );
}

/**
 * Refuses an assertion that is bound to another key than the request proves to hold: "the client MUST … prove possession
 * of the key" (draft-ietf-oauth-identity-assertion-authz-grant-04 §4.4.1, RFC 7800 §3.1); a key we cannot compare binds all the same.
 */
export function requireKeyOf({ claims }: VerifiedAssertion, jkt: string | undefined, code: ErrorCode): void {
  if (claims.cnf === undefined) return;
  const { jkt: bound } = Object(claims.cnf) as { jkt?: unknown };
  if (typeof bound !== "string" || Object.keys(Object(claims.cnf)).length !== 1) {
    throw new OAuthError(code, "Get an assertion whose cnf is a jkt: this server compares no other keys.", {
      reason: "cnf is no jkt",
    });
  }
  if (bound === jkt) return;
  throw new OAuthError(code, "Send a DPoP proof with the key that the assertion is bound to.", {
    reason: jkt === undefined ? "no proof" : "another key",
  });
}

/** A server of our kind names its agents so: taken for a person, one would seem to have a human at the root (D7). */
function refuseMachine({ claims }: VerifiedAssertion, code: ErrorCode): void {
  if (!claims.sub.startsWith("client:") && claims.human_root !== false) return;
  throw new OAuthError(
    code,
    "The assertion is about no person. Ask the operator of this server to map the agent as a workload.",
    { reason: "the subject is a client" },
  );
}

/** What makes an assertion good for one use; undefined where nothing in it does. */
export const singleUse = ({ issuer, claims }: VerifiedAssertion): Use | undefined =>
  claims.jti === undefined
    ? undefined
    : { issuer: issuer.issuer, jti: claims.jti, expiresAt: new Date(claims.exp * 1000) };

/** The active person an assertion is about, if they are known already. */
export const findPerson = (ctx: Context, assertion: VerifiedAssertion): Promise<User | undefined> =>
  linkPerson(ctx, identityOf(assertion), { create: false, allowedDomains: [] });

/** The id of somebody whom nobody has seen before: what is decided about them is about them, although nobody is known yet. */
export function newcomerId(ctx: Context, assertion: VerifiedAssertion, code: ErrorCode): string {
  if (mayComeIn(identityOf(assertion), assertion.issuer.people)) return newPersonId(ctx);
  throw notWelcome(code, "the person is unknown and may not come in");
}

/**
 * Makes the person of an assertion known by that id, where the issuer's rule says so (product decision D19). It is
 * another id where another request was first.
 */
export async function admitPerson(
  ctx: Context,
  assertion: VerifiedAssertion,
  { id, code }: { id: string; code: ErrorCode },
): Promise<User> {
  const person = await linkPerson(ctx, identityOf(assertion), assertion.issuer.people, id);
  if (person) return person;
  throw notWelcome(code, "the person is not active");
}

const notWelcome = (code: ErrorCode, reason: string) =>
  new OAuthError(
    code,
    "Ask the operator of this server to let this person in: nobody here is known by this sub.",
    { reason },
  );
