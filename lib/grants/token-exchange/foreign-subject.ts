import type { Context } from "@/lib/context";
import { assertedActors, assertedSignIn, nestActors } from "@/lib/oauth/asserted-claims";
import { type AssertionPurpose, decodeAssertion } from "@/lib/oauth/assertion";
import { intersectScope, parseScope } from "@/lib/oauth/scope";
import type { VerifiedAssertion } from "@/lib/services/assertions";
import type { User } from "@/lib/services/users";
import {
  admitPerson,
  assertedDetails,
  findPerson,
  newcomerId,
  requireKeyOf,
  singleUse,
  verifyForeign,
} from "../foreign-assertion";
import type { Reading, SubjectToken, SubjectTokenReader } from "./subject-token";

/** RFC 8693 §2.2.2 has one code for a subject token that does not count, wherever it comes from (D21). */
const INVALID = "invalid_request";

/** An ID token of a trusted issuer, made for this server or for the client that exchanges it (OIDC Core §2). */
export const foreignIdToken: SubjectTokenReader = (ctx, reading) => readAssertion(ctx, reading, "id_token");

/** A JWT of ours is read as what it is, one of another server as the grant of its domain. */
export const foreignJwt =
  (own: SubjectTokenReader): SubjectTokenReader =>
  (ctx, reading) => {
    const { typ } = decodeAssertion(reading.token).jws.header;
    return typ === "at+jwt" ? own(ctx, reading) : readAssertion(ctx, reading, "chaining");
  };

async function readAssertion(
  ctx: Context,
  { token, client, jkt }: Reading,
  purpose: AssertionPurpose,
): Promise<SubjectToken> {
  const expected = { purposes: [purpose], code: INVALID, clientId: client.clientId } as const;
  const assertion = await verifyForeign(ctx, token, expected);
  requireKeyOf(assertion, jkt, INVALID);
  const known = await findPerson(ctx, assertion);
  if (known) return subjectOf(ctx, assertion, known);
  const newcomer = { id: newcomerId(ctx, assertion, INVALID), role: "member" } as const;
  return {
    ...subjectOf(ctx, assertion, newcomer),
    admit: async () =>
      subjectOf(ctx, assertion, await admitPerson(ctx, assertion, { id: newcomer.id, code: INVALID })),
  };
}

function subjectOf(
  ctx: Context,
  assertion: VerifiedAssertion,
  { id, role }: Pick<User, "id" | "role">,
): SubjectToken {
  const { issuer, claims } = assertion;
  const act = nestActors(assertedActors(claims, issuer.issuer, INVALID));
  return {
    sub: `user:${id}`,
    role,
    act,
    mayAct: claims.may_act,
    scope: scopeOf(assertion),
    authorizationDetails: assertedDetails(assertion),
    audience: undefined,
    issuedTo: undefined,
    expiresAt: new Date(claims.exp * 1000),
    lineage: [],
    proof: { issuer: issuer.issuer, sub: claims.sub, jti: claims.jti, act },
    issuer: issuer.issuer,
    once: singleUse(assertion),
    ...assertedSignIn(claims, ctx.now()),
  };
}

/** An ID token says who somebody is and grants nothing; another domain's grant gives what it says and no more. */
function scopeOf({ issuer, purpose, claims }: VerifiedAssertion): readonly string[] | undefined {
  const limit = issuer.scope ?? undefined;
  if (purpose === "id_token") return limit;
  const given = parseScope(claims.scope);
  return limit ? intersectScope(given, limit) : given;
}
