import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { bearerChallenge } from "@/lib/oauth/challenge";
import { protectedResourceMetadataUrl } from "@/lib/oauth/protected-resource";
import { type LiveToken, verifyAccessToken } from "@/lib/services/token-state";
import type { Call } from "./call";

/** The bearer of a request to one of our own resources, or a challenge that says how to become one (RFC 6750 §3). */
export async function authenticateBearer(
  ctx: Context,
  { request }: Call,
  { resource, scope }: { resource: string; scope?: readonly string[] },
): Promise<LiveToken> {
  const resourceMetadata = protectedResourceMetadataUrl(resource);
  const token = bearerToken(request.headers.get("authorization"));
  if (token === undefined) {
    // "the resource server SHOULD NOT include an error code" when no credentials were sent (RFC 6750 §3.1).
    throw new OAuthError("invalid_token", "Send an access token of this server as Authorization: Bearer.", {
      headers: { "www-authenticate": bearerChallenge({ resourceMetadata, scope }) },
    });
  }
  try {
    const bearer = await verifyAccessToken(ctx, token);
    if (bearer.claims.aud !== resource) {
      throw new OAuthError(
        "invalid_token",
        `The token is for ${bearer.claims.aud}. Ask for one with resource=${resource}.`,
      );
    }
    return bearer;
  } catch (error) {
    throw challenged(error, resourceMetadata, scope);
  }
}

function challenged(error: unknown, resourceMetadata: string, scope: readonly string[] | undefined): unknown {
  if (!(error instanceof OAuthError) || error.code !== "invalid_token") return error;
  const { description, options } = error;
  const challenge = bearerChallenge({ resourceMetadata, scope, error: "invalid_token", description });
  return new OAuthError("invalid_token", description, {
    ...options,
    headers: { "www-authenticate": challenge },
  });
}

/** "Bearer" 1*SP b64token (RFC 6750 §2.1); everything else is no bearer token, also two of them. */
function bearerToken(header: string | null): string | undefined {
  return header === null ? undefined : /^Bearer +([\w.~+/-]+=*)$/i.exec(header)?.[1];
}
