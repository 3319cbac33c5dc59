import type { accessTokens } from "@/db/schema/tokens";
import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { timeOrderedUuid } from "@/lib/ids";
import { type Actor, accessTokenClaims } from "@/lib/oauth/access-token";
import { actorsOf } from "@/lib/oauth/actor";
import type { AuthorizationDetail } from "@/lib/oauth/authorization-details";
import { withoutReserved } from "@/lib/oauth/reserved-claims";
import type { Decision, Delegation } from "@/lib/providers/policy/provider";
import { findAgentByClientRecently } from "./agent-lookup";
import { needsApproval, rulingOf } from "./approval-rules";
import { requiresBoundTokens } from "./resources";

/** What an access token is to say, decided by the grant that issues it. */
export type Issue = {
  grantType: string;
  clientId: string;
  /** `user:<id>` or `client:<client_id>`. */
  subject: string;
  scope: readonly string[];
  /** One resource identifier: `aud` is a single string (product decision D6). */
  audience: string;
  /** Seconds. */
  ttl: number;
  grantId?: string | undefined;
  familyId?: string | undefined;
  approvalId?: string | undefined;
  /** Scopes that the approval was for; absent: it was a consent, or there was none. */
  approvedScope?: readonly string[] | undefined;
  /** Digest of the act that the approval was for, which the token names; absent: as for the scopes. */
  approvedDigest?: string | undefined;
  /** The person whose token it is has just consented to it, and is the one to ask. */
  isConsented?: boolean | undefined;
  authTime?: Date | undefined;
  amr?: readonly string[] | undefined;
  /** The server whose assertion the token comes from. */
  chainedFrom?: string | undefined;
  /** Thumbprint of the key it is bound to; undefined: a bearer token (RFC 9449 §6). */
  jkt: string | undefined;
  authorizationDetails?: readonly AuthorizationDetail[] | undefined;
  delegated?: Delegated | undefined;
  /** The policy's answer, where it was asked before; absent: it is asked now. */
  policyVersion?: string | undefined;
};

/** What a token that descends from another adds: who acts, what it descends from, and of an exchange the proof of the hop. */
export type Delegated = {
  jti: string;
  issuedAt: Date;
  act: Actor | undefined;
  /** The `jti` of every token it descends from, the first of the chain first. */
  lineage: readonly string[];
  /** Hash of the hop's receipt; absent: no hop made it, and what is made of it starts a chain of its own. */
  receipt?: string;
  /** The policy's answer, which was asked for before the receipt was signed; absent: it is asked now. */
  policyVersion?: string;
};

/** A signed access token, and the row that makes it known and revocable. */
export type MintedToken = { token: string; row: typeof accessTokens.$inferInsert };

/** Signs an access token (RFC 9068 §2); it counts for nothing until its row is committed. */
export async function mintAccessToken(ctx: Context, issue: Issue): Promise<MintedToken> {
  const { clientId, subject, audience, scope, delegated } = issue;
  await requireKeyWhereNeeded(ctx, issue);
  const policyVersion = delegated?.policyVersion ?? issue.policyVersion ?? (await requirePolicy(ctx, issue));
  const issuedAt = delegated?.issuedAt ?? ctx.now();
  const expiresAt = new Date(issuedAt.getTime() + issue.ttl * 1000);
  const jti = delegated?.jti ?? timeOrderedUuid(issuedAt);
  const claims = accessTokenClaims({
    issuer: ctx.settings.serverUrl,
    jti,
    clientId,
    subject,
    audience,
    scope,
    issuedAt,
    expiresAt,
    authTime: issue.authTime,
    amr: issue.amr,
    act: delegated?.act,
    mayAct: await registeredMayAct(ctx, clientId),
    receipt: delegated?.receipt,
    chainedFrom: issue.chainedFrom,
    jkt: issue.jkt,
    authorizationDetails: issue.authorizationDetails,
    approval:
      issue.approvalId !== undefined && issue.approvedDigest !== undefined
        ? { id: issue.approvalId, digest: issue.approvedDigest }
        : undefined,
  });
  const { kept } = withoutReserved(await ctx.claims.enrich(issue));
  return {
    token: await ctx.keys.sign("at+jwt", { ...kept, ...claims }),
    row: {
      jti,
      clientId,
      subject,
      familyId: issue.familyId ?? null,
      grantId: issue.grantId ?? null,
      approvalId: issue.approvalId ?? null,
      approvedScope: issue.approvedScope ? [...issue.approvedScope] : null,
      scope: [...scope],
      audience,
      issuedAt,
      expiresAt,
      lineage: [...(delegated?.lineage ?? [])],
      receipt: delegated?.receipt ?? null,
      policyVersion,
    },
  };
}

/** Refuses a bearer token for a resource that takes tokens bound to a key, and no others (RFC 9728 §2). */
export async function requireKeyWhereNeeded(
  ctx: Context,
  { audience, jkt }: Pick<Issue, "audience" | "jkt">,
): Promise<void> {
  if (jkt !== undefined || !(await requiresBoundTokens(ctx, audience))) return;
  throw new OAuthError("invalid_dpop_proof", `Send a DPoP proof: ${audience} takes no bearer tokens.`, {
    reason: "no proof, and the resource needs one",
  });
}

/** Who may act with the tokens of an agent, as its registration says (RFC 8693 §4.4). */
async function registeredMayAct(ctx: Context, clientId: string): Promise<readonly string[] | undefined> {
  const agent = await findAgentByClientRecently(ctx, clientId);
  return agent && agent.mayAct.length > 0 ? agent.mayAct.map((actor) => `client:${actor}`) : undefined;
}

type Asked = Pick<
  Issue,
  "grantType" | "clientId" | "subject" | "scope" | "audience" | "authorizationDetails"
> & { delegated?: Pick<Delegated, "act"> | undefined };

/** What the policy says of a token to be issued; a policy that cannot be asked has not allowed it. */
export async function askPolicy(
  ctx: Context,
  { grantType, clientId, subject, scope, audience, authorizationDetails, delegated }: Asked,
  delegation?: { act: Actor | undefined; facts: Delegation },
): Promise<Decision> {
  const ruling = await rulingOf(ctx, { resource: audience, scope, authorizationDetails });
  return ctx.policy.decide({
    grantType,
    clientId,
    subject,
    actors: actorsOf(delegation ? delegation.act : delegated?.act),
    scope,
    audience,
    ...(authorizationDetails && { authorizationDetails }),
    ...(needsApproval(ruling) && { approval: { scope: ruling.scope, types: ruling.types } }),
    ...(delegation && { delegation: delegation.facts }),
  });
}

async function requirePolicy(ctx: Context, issue: Issue): Promise<string> {
  const decision = await askPolicy(ctx, issue);
  const isApproved = issue.isConsented === true || issue.approvedDigest !== undefined;
  return decision.effect === "step_up" && isApproved ? decision.version : requireAllowed(decision);
}

/** The version of the policy that allowed a token; throws its first denial otherwise, or that a person is to be asked. */
export function requireAllowed(decision: Decision): string {
  switch (decision.effect) {
    case "allow":
      return decision.version;
    case "step_up":
      throw new OAuthError(
        "interaction_required",
        "A person approves this each time, and this way of asking does not wait for one. Ask at /stepup or /bc-authorize.",
        { detail: "approval_required" },
      );
    case "deny": {
      const [{ code, description, detail }] = decision.denials;
      throw new OAuthError(code, description, detail ? { detail } : {});
    }
  }
}
