import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { continuesChain, currentActor } from "@/lib/oauth/actor";
import { TOKEN_TYPES } from "@/lib/oauth/token-types";
import { type SubjectToken, verified } from "./subject-token";

type Params = { actor_token?: string | undefined; actor_token_type?: string | undefined };

/** What an actor token adds: when it ends, and what it descends from. */
export type ActorToken = { id: string; expiresAt: Date; lineage: readonly string[] };

/** Reads the actor token of a request: an access token that says of its client that it is the actor (RFC 8693 §2.1). */
export async function readActorToken(
  ctx: Context,
  { actor_token: token, actor_token_type: type }: Params,
  { actor, subject, jkt }: { actor: string; subject: SubjectToken; jkt: string | undefined },
): Promise<ActorToken | undefined> {
  if (token === undefined) {
    // "actor_token_type … MUST NOT be included when the actor_token parameter is not included."
    if (type === undefined) return undefined;
    throw new OAuthError("invalid_request", "Send actor_token_type only together with actor_token.");
  }
  if (type !== TOKEN_TYPES.accessToken && type !== TOKEN_TYPES.jwt) {
    throw new OAuthError("invalid_request", `Send actor_token_type as ${TOKEN_TYPES.accessToken}.`);
  }
  const { claims, row } = await verified(ctx, token, "actor_token");
  if (currentActor(claims) !== actor) {
    throw new OAuthError(
      "invalid_request",
      "The actor_token is not this client's own: send one it acts with.",
    );
  }
  checkKey(claims.cnf?.jkt, jkt);
  if (!continuesChain(subject, claims)) {
    throw new OAuthError(
      "invalid_request",
      "The actor_token comes from another delegation than the subject_token. Send one of the same chain, or the client's own.",
      { reason: "chain splicing" },
    );
  }
  return { id: claims.jti, expiresAt: row.expiresAt, lineage: [...row.lineage, claims.jti] };
}

/** An actor token that is bound to a key shows who acts only together with that key (RFC 9449 §6). */
function checkKey(boundTo: string | undefined, proven: string | undefined): void {
  if (boundTo === undefined || boundTo === proven) return;
  if (proven === undefined)
    throw new OAuthError("invalid_dpop_proof", "Send a DPoP proof: the actor_token is bound to a key.");
  throw new OAuthError(
    "invalid_request",
    "The actor_token is bound to another key than the DPoP proof's. Send one that this key was proven for.",
  );
}
