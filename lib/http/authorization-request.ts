import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { clientAndRedirect, parseAuthorizationRequest } from "@/lib/oauth/authorization-request";
import { isDocumentClientId } from "@/lib/oauth/client-id-document";
import { isIdentityScope } from "@/lib/oauth/identity-scope";
import { matchesRedirectUri } from "@/lib/oauth/redirect-uri";
import { intersectScope, unionScope } from "@/lib/oauth/scope";
import { resolveDocumentClient } from "@/lib/services/client-documents";
import { type Client, findClient } from "@/lib/services/clients";
import type { requestConsent } from "@/lib/services/consents";
import { identityAskedFor } from "@/lib/services/identity";
import { addressKey } from "@/lib/services/rate-limits";
import { requestedDetails } from "@/lib/services/requested-details";
import type { SignedIn } from "@/lib/services/sessions";
import { grantableScope, meantScope, requestedScope, resolveTarget } from "@/lib/services/targets";
import type { Call } from "./call";

/** Who asks, and where the answer goes: until both are known to belong together, nothing is sent there (RFC 6749 §4.1.2.1). */
export type Asker = { client: Client; redirectUri: string };

/** The client that an authorization request names, and the registered address it chose. */
export async function identifyAsker(ctx: Context, call: Call, params: URLSearchParams): Promise<Asker> {
  const { clientId, redirectUri } = clientAndRedirect(params);
  const client = isDocumentClientId(clientId)
    ? await resolveDocumentClient(ctx, clientId, addressKey(call.address))
    : await findClient(ctx, clientId);
  if (client?.status !== "active") {
    throw new OAuthError(
      "invalid_client",
      "The app that sent you here is not registered, or no longer. Remove this server from the app and add it again.",
    );
  }
  return { client, redirectUri: chosenRedirectUri(client, redirectUri) };
}

/** OAuth 2.1 §4.1.1 lets the parameter be left out when there is only one to choose. */
export function chosenRedirectUri({ redirectUris }: Client, requested: string | undefined): string {
  const [only, ...more] = redirectUris;
  const chosen = requested ?? (more.length === 0 ? only : undefined);
  if (chosen === undefined || !matchesRedirectUri(redirectUris, chosen)) {
    throw new OAuthError(
      "invalid_redirect_uri",
      "The address this app wants the answer sent to is not one it registered, so nothing was sent. Tell the maker of the app.",
    );
  }
  return chosen;
}

/** A validated authorization request as it is kept, but for where the browser came from. */
export type ValidRequest = Omit<Parameters<typeof requestConsent>[1]["request"], "crossSite">;

/** Checks everything an authorization request asks for; what this throws the client is told (RFC 6749 §4.1.1). */
export async function validRequest(
  ctx: Context,
  { client, redirectUri }: Asker,
  params: URLSearchParams,
  by: SignedIn | undefined,
): Promise<ValidRequest> {
  if (!client.grantTypes.includes("authorization_code")) {
    throw new OAuthError("unauthorized_client", "This client is not registered for authorization_code.");
  }
  const parsed = parseAuthorizationRequest(params);
  const { resources, scope: asked, authorizationDetails: details, responseType: _, ...request } = parsed;
  const target = await resolveTarget(ctx, client, resources[0]);
  const authorizationDetails = details && requestedDetails(client, target, details);
  const asking = { client, target, asked, ...(by && { role: by.user.role }) };
  const scope = await scopeOf(ctx, asking, {
    inDetail: details !== undefined,
    anywhere: resources.length === 0,
  });
  return {
    ...request,
    authorizationDetails,
    prompt: [...request.prompt],
    acrValues: [...request.acrValues],
    redirectUri,
    resource: target.resource,
    scope: [...scope],
  };
}

type Asking = Parameters<typeof grantableScope>[1];

type Kind = {
  /** It has authorization details. */
  inDetail: boolean;
  /** It names no resource. */
  anywhere: boolean;
};

/** The scope that a request comes to, of those that a person may give this client. */
export function scopeOf(
  ctx: Context,
  asking: Asking,
  { inDetail, anywhere }: Kind,
): Promise<readonly string[]> {
  if (inDetail) return scopeBesideDetails(ctx, asking);
  return anywhere && asking.asked?.includes("openid") ? signInScope(ctx, asking) : resourceScope(ctx, asking);
}

/** Who says in detail what is to be done, and names no scope of the resource, needs none (RFC 9396 §3.1). */
async function scopeBesideDetails(ctx: Context, asking: Asking): Promise<readonly string[]> {
  const meant = meantScope(grantableScope(ctx, asking), asking.asked ?? []);
  return meant.length > 0 ? resourceScope(ctx, asking) : identityOf(ctx, asking);
}

/** What a request for a resource comes to: scopes of the resource, and beside them who the person is, if that is asked. */
async function resourceScope(ctx: Context, asking: Asking): Promise<readonly string[]> {
  const { client, asked } = asking;
  const scope = requestedScope(grantableScope(ctx, asking), asked, client.scope ?? []);
  return unionScope(scope, await identityOf(ctx, asking));
}

/**
 * What a sign-in comes to (OIDC Core §3.1.2.1): `openid` and no resource. Nothing is added that was not asked for: the
 * app wants to know who the person is, and not to act for them.
 */
async function signInScope(ctx: Context, asking: Asking): Promise<readonly string[]> {
  const asked = asking.asked ?? [];
  const identity = await identityOf(ctx, asking);
  const others = asked.filter((name) => name !== "offline_access" && !isIdentityScope(name));
  if (identity.length > 0) return unionScope(identity, intersectScope(others, grantableScope(ctx, asking)));
  if (others.length > 0) return resourceScope(ctx, asking);
  throw new OAuthError(
    "invalid_scope",
    "This app was not registered to sign people in. Ask the operator to add openid to its scope.",
  );
}

const identityOf = (ctx: Context, { client, target, asked = [] }: Asking): Promise<readonly string[]> =>
  identityAskedFor(ctx, client, { resource: target.resource, scope: asked });
