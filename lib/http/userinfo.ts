import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { identityScope } from "@/lib/oauth/identity-scope";
import { personClaims } from "@/lib/services/identity";
import { authenticateBearer, insufficientScope } from "./bearer";
import type { Call } from "./call";
import { readFormParams } from "./form";
import { json } from "./json";

/** UserInfo (OIDC Core §5.3): what the person let the app know of them, as it is now. */
export async function userinfoEndpoint(ctx: Context, call: Call): Promise<Response> {
  if (call.request.method === "POST") await refuseTokenInBody(call.request);
  const wanted = {
    resource: ctx.settings.serverUrl,
    scope: ["openid"],
    // A sign-in names no resource, and its token is for this server.
    instead: "Ask for one with scope=openid and without resource.",
  };
  const bearer = await authenticateBearer(ctx, call, wanted);
  const { claims } = bearer;
  const identity = identityScope(bearer.scope);
  if (identity.length === 0) {
    const because = "The person did not let this app know who they are. Ask for scope=openid.";
    throw insufficientScope(wanted, bearer, because);
  }
  const userId = claims.sub.slice("user:".length);
  // "The sub (subject) Claim MUST always be returned in the UserInfo Response."
  return json({ sub: claims.sub, ...(await personClaims(ctx, { userId, scope: identity })) });
}

/** "It is RECOMMENDED that … the Access Token be sent using the Authorization header field" (OIDC Core §5.3.1). */
async function refuseTokenInBody(request: Request): Promise<void> {
  if (!request.headers.get("content-type")?.startsWith("application/x-www-form-urlencoded")) return;
  if (!(await readFormParams(request)).has("access_token")) return;
  throw new OAuthError(
    "invalid_request",
    "Send the access token as Authorization: Bearer, and nowhere else.",
  );
}
