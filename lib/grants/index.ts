import type { z } from "zod";
import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import type { Client } from "@/lib/services/clients";
import { authorizationCode } from "./authorization-code";
import { clientCredentials } from "./client-credentials";
import { deviceCode } from "./device-code";
import type { Grant, TokenRequest, TokenResponse } from "./grant";
import { jwtBearer } from "./jwt-bearer/index";
import { refreshToken } from "./refresh-token";
import { tokenExchange } from "./token-exchange/index";

/** Every grant type the token endpoint accepts. To add one: write its file, add its line. */
export const grants: readonly Grant[] = [
  authorizationCode,
  refreshToken,
  clientCredentials,
  deviceCode,
  tokenExchange,
  jwtBearer,
];

type Params = Readonly<Record<string, string>>;

/** Answers one token request (RFC 6749 §3.2): finds the grant, checks the client may use it, runs it. */
export async function grantToken(
  ctx: Context,
  request: TokenRequest<Record<string, string>>,
): Promise<TokenResponse> {
  const { client, params } = request;
  if (!params.grant_type) throw new OAuthError("invalid_request", "Send grant_type in the form.");
  const grant = grantOf(params);
  if (!grant) {
    const known = grants.map(({ grantType }) => grantType).join(", ");
    throw new OAuthError("unsupported_grant_type", `Use one of the grant types of this server: ${known}.`);
  }
  if (!client.grantTypes.includes(grant.grantType)) {
    throw new OAuthError("unauthorized_client", `This client is not registered for ${grant.grantType}.`);
  }
  return grant.handle(ctx, { ...request, params: parse(grant, params) });
}

/** The client of a token request that authenticates none, if its grant type finds one (RFC 7521 §4.1). */
export async function clientOfAssertion(ctx: Context, params: Params): Promise<Client | undefined> {
  const grant = grantOf(params);
  return grant?.clientOf?.(ctx, parse(grant, params));
}

const grantOf = (params: Params): Grant | undefined =>
  grants.find(({ grantType }) => grantType === params.grant_type);

function parse(grant: Grant, params: Params): z.infer<Grant["params"]> {
  const parsed = grant.params.safeParse(params);
  if (parsed.success) return parsed.data;
  const names = [...new Set(parsed.error.issues.map((issue) => issue.path.join(".")))].join(", ");
  throw new OAuthError("invalid_request", `Missing or malformed: ${names}.`);
}
