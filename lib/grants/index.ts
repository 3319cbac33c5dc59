import type { z } from "zod";
import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { isOfActivePeople } from "@/lib/services/approval-decisions";
import type { ActApproval } from "@/lib/services/approvals";
import type { Client } from "@/lib/services/clients";
import { WaitsForPerson } from "./approved";
import { authorizationCode } from "./authorization-code";
import { ciba } from "./ciba";
import { clientCredentials } from "./client-credentials";
import { deferred } from "./deferred";
import { deviceCode } from "./device-code";
import type { Grant, TokenRequest, TokenResponse } from "./grant";
import { jwtBearer } from "./jwt-bearer/index";
import { pause, pausedRequest } from "./pausing";
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
  ciba(goOn),
  deferred(goOn),
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
  if (!grant.isContinuation) requireRegistered(client, grant.grantType);
  try {
    return await grant.handle(ctx, { ...request, params: parse(grant, params) });
  } catch (error) {
    if (!(error instanceof WaitsForPerson)) throw error;
    return pause(ctx, request, error.wanted, {
      narrow: (narrower) => grant.handle(ctx, { ...narrower, params: parse(grant, narrower.params) }),
      goOn: (approval) => goOn(ctx, request, approval),
    });
  }
}

/**
 * Goes on with a token request that waited for a person's yes: everything is judged anew, as if it had just come. The
 * client has authenticated again, and proven the same key.
 */
async function goOn(
  ctx: Context,
  request: TokenRequest<unknown>,
  approval: ActApproval,
): Promise<TokenResponse> {
  const paused = await pausedRequest(ctx, approval);
  if (paused.instanceJkt !== undefined && paused.instanceJkt !== request.instanceJkt)
    throw new OAuthError("invalid_grant", "This request was made by another instance of the client.");
  if (!(await isOfActivePeople(ctx, approval)))
    throw new OAuthError("invalid_grant", "Somebody who approved this was stopped since. Ask again later.");
  const grant = grantOf(paused.params);
  if (!grant) throw new Error("a request that waits was one of a known grant type");
  requireRegistered(request.client, grant.grantType);
  return grant.handle(ctx, { ...request, ...paused, params: parse(grant, paused.params), approval });
}

/** The client of a token request that authenticates none, if its grant type finds one (RFC 7521 §4.1). */
export async function clientOfAssertion(ctx: Context, params: Params): Promise<Client | undefined> {
  const grant = grantOf(params);
  return grant?.clientOf?.(ctx, parse(grant, params));
}

/** "unauthorized_client": the client may not use this grant type (RFC 6749 §5.2). */
function requireRegistered({ grantTypes }: Client, grantType: string): void {
  if (!grantTypes.includes(grantType))
    throw new OAuthError("unauthorized_client", `This client is not registered for ${grantType}.`);
}

const grantOf = (params: Params): Grant | undefined =>
  grants.find(({ grantType }) => grantType === params.grant_type);

function parse(grant: Grant, params: Params): z.infer<Grant["params"]> {
  const parsed = grant.params.safeParse(params);
  if (parsed.success) return parsed.data;
  const names = [...new Set(parsed.error.issues.map((issue) => issue.path.join(".")))].join(", ");
  throw new OAuthError("invalid_request", `Missing or malformed: ${names}.`);
}
