import type { Context } from "@/lib/context";
import { type ErrorCode, OAuthError } from "@/lib/errors";
import { bearerChallenge, dpopChallenge } from "@/lib/oauth/challenge";
import { DPOP_ALGORITHMS } from "@/lib/oauth/dpop-proof";
import { protectedResourceMetadataUrl } from "@/lib/oauth/protected-resource";
import { requiresBoundTokens } from "@/lib/services/resources";
import { type LiveToken, verifyAccessToken } from "@/lib/services/token-state";
import type { Call } from "./call";
import { verifyProof } from "./dpop";

type Wanted = {
  resource: string;
  scope?: readonly string[];
  /** How to get a token for it, where that is not by naming the resource. */
  instead?: string;
  /** Tokens for other resources count too: all that is asked of them is whose they are. */
  ofAnyResource?: boolean;
};

/**
 * Whoever holds the access token of a request to one of our own resources, or a challenge that says how to get one
 * (RFC 6750 §3). A token that is bound to a key counts only with a proof of that key (RFC 9449 §7).
 */
export async function authenticateBearer(ctx: Context, call: Call, wanted: Wanted): Promise<LiveToken> {
  const needsKey = ctx.settings.requireDpop || (await requiresBoundTokens(ctx, wanted.resource));
  const presented = presentedToken(call.request.headers.get("authorization"));
  if (presented === undefined) {
    // "the resource server SHOULD NOT include an error code" when no credentials were sent (RFC 6750 §3.1).
    const how = needsKey ? "DPoP, with a proof: it has to be bound to a key" : "Bearer";
    throw new OAuthError("invalid_token", `Send an access token of this server as Authorization: ${how}.`, {
      headers: { "www-authenticate": challengesOf(wanted, needsKey ? ["Bearer", "DPoP"] : ["Bearer"]) },
    });
  }
  let schemes: readonly Scheme[] = [needsKey ? "DPoP" : presented.scheme];
  try {
    const bearer = await verifyAccessToken(ctx, presented.token);
    if (bearer.claims.aud !== wanted.resource && !wanted.ofAnyResource) {
      const { instead = `Ask for one with resource=${wanted.resource}.` } = wanted;
      throw new OAuthError("invalid_token", `The token is for ${bearer.claims.aud}. ${instead}`);
    }
    const jkt = bearer.claims.cnf?.jkt;
    if (jkt !== undefined) schemes = ["DPoP"];
    await requireKey(ctx, call, presented, { jkt, needsKey });
    return bearer;
  } catch (error) {
    throw challenged(error, wanted, schemes);
  }
}

type Scheme = "Bearer" | "DPoP";
type Presented = { scheme: Scheme; token: string };

/** A bound token never serves as a bearer token, nor a bearer token as a bound one (RFC 9449 §7.1, §7.2). */
async function requireKey(
  ctx: Context,
  call: Call,
  { scheme, token }: Presented,
  { jkt, needsKey }: { jkt: string | undefined; needsKey: boolean },
): Promise<void> {
  if (jkt === undefined) {
    if (scheme === "Bearer" && !needsKey) return;
    const instead = needsKey ? "Get one that is bound to a key (DPoP)." : "Send it as Authorization: Bearer.";
    throw new OAuthError("invalid_token", `The token is bound to no key. ${instead}`);
  }
  if (scheme === "Bearer") {
    throw new OAuthError(
      "invalid_token",
      "The token is bound to a key: send it as Authorization: DPoP, with a proof.",
    );
  }
  if ((await verifyProof(ctx, call, { accessToken: token, jkt })) !== undefined) return;
  throw new OAuthError("invalid_dpop_proof", "Send a DPoP proof with the token: it is bound to a key.");
}

/** The refusal of a token that counts and may not do this; it names all that the request needs (RFC 6750 §3.1). */
export function insufficientScope(wanted: Wanted, { claims }: LiveToken, description: string): OAuthError {
  const error = "insufficient_scope";
  const challenge = challengesOf(wanted, [claims.cnf ? "DPoP" : "Bearer"], { error, description });
  return new OAuthError(error, description, { headers: { "www-authenticate": challenge } });
}

type Told = { error?: ErrorCode; description?: string };

/** One challenge for each scheme; clients that know only bearer tokens read the first (client quirk Q8). */
function challengesOf({ resource, scope }: Wanted, schemes: readonly Scheme[], told: Told = {}): string {
  const challenge = { ...told, resourceMetadata: protectedResourceMetadataUrl(resource), scope };
  return schemes
    .map((scheme) =>
      scheme === "DPoP"
        ? dpopChallenge({ ...challenge, algorithms: DPOP_ALGORITHMS })
        : bearerChallenge(challenge),
    )
    .join(", ");
}

/** What a challenge can tell; the rest is no matter of the token. */
const CHALLENGED: readonly string[] = ["invalid_token", "invalid_dpop_proof", "use_dpop_nonce"];

/** The same refusal as 401, with the challenge of the scheme that the token needs. */
function challenged(error: unknown, wanted: Wanted, schemes: readonly Scheme[]): unknown {
  if (!(error instanceof OAuthError) || !CHALLENGED.includes(error.code)) return error;
  const { code, description, options } = error;
  const challenge = challengesOf(wanted, schemes, { error: code, description });
  return new OAuthError(code, description, {
    ...options,
    status: 401,
    headers: { ...options.headers, "www-authenticate": challenge },
  });
}

/** scheme 1*SP token68 (RFC 9110 §11.4); everything else is no token, also two of them. */
function presentedToken(header: string | null): Presented | undefined {
  const [, scheme, token] = /^(Bearer|DPoP) +([\w.~+/-]+=*)$/i.exec(header ?? "") ?? [];
  if (scheme === undefined || token === undefined) return undefined;
  return { scheme: scheme.toLowerCase() === "dpop" ? "DPoP" : "Bearer", token };
}
