import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { timeOrderedUuid } from "@/lib/ids";
import { actorsOf } from "@/lib/oauth/actor";
import { CHAINING_GRANT_TYPE, chainingGrantClaims, findChainingTarget } from "@/lib/oauth/chaining-grant";
import { formatScope } from "@/lib/oauth/scope";
import { TOKEN_TYPES } from "@/lib/oauth/token-types";
import { deriveKey } from "@/lib/secret-key";
import { touchClient } from "@/lib/services/clients";
import { record } from "@/lib/services/events";
import { requireAllowed } from "@/lib/services/issuing";
import type { TokenResponse } from "../grant";
import { oneResource } from "../one-resource";
import { remainingSeconds } from "./access-token";
import { commitExchange } from "./commit";
import { type Asked, planExchange } from "./plan";
import type { Exchange } from "./requested-token";
import { byName } from "./target";

/** Issues a grant that another domain's server makes a token of (draft-ietf-oauth-identity-chaining-17 §2.3). */
export async function issueChainingGrant(ctx: Context, exchange: Exchange): Promise<TokenResponse> {
  const { asked, subject, address } = exchange;
  const { settings } = ctx;
  const target = chainingTarget(ctx, asked);
  const { act, scope, decision } = await planExchange(ctx, asked, subject, byName(target));
  const policy = requireAllowed(decision);
  const issuedAt = ctx.now();
  const ttl = remainingSeconds(issuedAt, exchange, settings.chainingGrantTtl);
  if (subject.admit) return issueChainingGrant(ctx, { ...exchange, subject: await subject.admit() });
  const { clientId } = asked.client;
  const jti = timeOrderedUuid(issuedAt);
  const claims = chainingGrantClaims(
    {
      issuer: settings.serverUrl,
      target,
      jti,
      subject: subject.sub,
      act,
      clientId,
      scope,
      issuedAt,
      ttl,
      jkt: asked.jkt,
    },
    { policy: settings.chainingClaimsPolicy, key: deriveKey(settings.secretKey, "pairwise") },
  );
  const grant = await ctx.keys.sign(CHAINING_GRANT_TYPE, claims);
  const event = {
    type: "token.chaining_grant_issued" as const,
    actor: `client:${clientId}`,
    subject: `token:${jti}`,
    clientId,
    data: {
      principal: subject.sub,
      actors: actorsOf(act),
      parent: subject.lineage.at(-1) ?? null,
      scope,
      audience: target,
      known_as: claims.sub,
      policy,
    },
    address,
  };
  await commitExchange(ctx, subject, (tx) => record(tx, event));
  ctx.defer(() => touchClient(ctx, asked.client));
  return {
    access_token: grant,
    issued_token_type: TOKEN_TYPES.jwt,
    token_type: "N_A",
    expires_in: ttl,
    scope: formatScope(scope),
  };
}

/** "One of resource or audience is REQUIRED"; "if [they] are unknown … MUST deny the request" (§2.3.1, §2.3.2). */
function chainingTarget({ settings }: Context, { audience, resources }: Asked): string {
  const requested = [audience, oneResource(resources)].filter((one) => one !== undefined && one !== "");
  if (requested.length === 0) {
    throw new OAuthError(
      "invalid_request",
      "Send audience: the issuer of the authorization server the grant is for.",
    );
  }
  const [target, ...others] = requested.map((one) =>
    findChainingTarget(settings.trustedChainingTargets, one ?? ""),
  );
  if (target !== undefined && others.every((other) => other === target)) return target;
  throw new OAuthError(
    "invalid_target",
    "No grants are issued for this server. Ask the operator to add it to AUTHGENT_TRUSTED_CHAINING_TARGETS.",
  );
}
