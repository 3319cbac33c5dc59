import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { authorizationCode } from "./authorization-code";
import { clientCredentials } from "./client-credentials";
import type { Grant, TokenRequest, TokenResponse } from "./grant";
import { refreshToken } from "./refresh-token";

/** Every grant type the token endpoint accepts. To add one: write its file, add its line. */
export const grants: readonly Grant[] = [authorizationCode, refreshToken, clientCredentials];

/** Answers one token request (RFC 6749 §3.2): finds the grant, checks the client may use it, runs it. */
export async function grantToken(
  ctx: Context,
  request: TokenRequest<Record<string, string>>,
): Promise<TokenResponse> {
  const { client, params } = request;
  if (!params.grant_type) throw new OAuthError("invalid_request", "Send grant_type in the form.");
  const grant = grants.find(({ grantType }) => grantType === params.grant_type);
  if (!grant) {
    const known = grants.map(({ grantType }) => grantType).join(", ");
    throw new OAuthError("unsupported_grant_type", `Use one of the grant types of this server: ${known}.`);
  }
  if (!client.grantTypes.includes(grant.grantType)) {
    throw new OAuthError("unauthorized_client", `This client is not registered for ${grant.grantType}.`);
  }
  const parsed = grant.params.safeParse(params);
  if (!parsed.success) {
    const names = [...new Set(parsed.error.issues.map((issue) => issue.path.join(".")))].join(", ");
    throw new OAuthError("invalid_request", `Missing or malformed: ${names}.`);
  }
  return grant.handle(ctx, { ...request, params: parsed.data });
}
