import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { grants } from "@/lib/grants/index";
import { IDENTITY_SCOPE_NAMES } from "@/lib/oauth/identity-scope";
import { serverMetadata } from "@/lib/oauth/metadata";
import { protectedResourceMetadata } from "@/lib/oauth/protected-resource";
import { JWKS_MAX_AGE } from "@/lib/services/keys";
import { findRegisteredResource, listResources, type Resource } from "@/lib/services/resources";
import { vouchesForWorkloads } from "@/lib/services/trusted-issuers";
import type { Call } from "./call";
import { AUTH_METHODS, OPERATOR_AUTH_METHODS } from "./client-auth/index";
import { json } from "./json";

/** Discovery documents change rarely and are asked for often. */
const CACHEABLE = { "cache-control": `public, max-age=${JWKS_MAX_AGE}` };

/**
 * Server metadata (RFC 8414 §3). Clients also ask with the path of a resource inserted or in front (client quirk Q1):
 * the answer is the same, and `issuer` in it is always the real one.
 */
export async function serverMetadataEndpoint(ctx: Context): Promise<Response> {
  const known = await listResources(ctx);
  const scopes = new Set(known.flatMap((resource) => namesToAskFor(resource)));
  for (const name of ctx.settings.scopesSupported) scopes.add(name);
  for (const name of [...IDENTITY_SCOPE_NAMES, "offline_access"]) scopes.add(name);
  const types = known.flatMap((resource) => resource.authorizationDetailsTypes.map(({ type }) => type));
  const metadata = serverMetadata({
    issuer: ctx.settings.serverUrl,
    scopes: [...scopes],
    detailsTypes: [...new Set(types)],
    grantTypes: grants.map(({ grantType }) => grantType),
    // A method that no client could prove itself by is none to offer.
    authMethods: (await vouchesForWorkloads(ctx)) ? OPERATOR_AUTH_METHODS : AUTH_METHODS,
    registration: ctx.settings.registrationPolicy !== "off",
    signingAlgorithms: await signingAlgorithms(ctx),
    requiresPushedRequests: ctx.settings.requirePar,
    chains: ctx.settings.trustedChainingTargets.length > 0,
  });
  return json(metadata, { headers: CACHEABLE });
}

/** What is offered to everybody: what only an operator's clients can have is nothing to ask for. */
const namesToAskFor = ({ scopes }: Resource): string[] =>
  scopes.filter(({ operatorOnly }) => !operatorOnly).map(({ name }) => name);

/** What this server signs with: after a change of the setting, the key before still signs until verifiers know the next. */
async function signingAlgorithms({ settings, keys }: Context): Promise<readonly string[]> {
  const published = (await keys.jwks()).keys.flatMap(({ alg }) => alg ?? []);
  return [...new Set([settings.signingAlgorithm, ...published])];
}

/** Metadata of one of our own resources (RFC 9728 §3), at the path the resource has on this server. */
export async function protectedResourceEndpoint(ctx: Context, { params }: Call): Promise<Response> {
  const { serverUrl } = ctx.settings;
  const path = params.path ? `/${params.path}` : "";
  const resource = await findRegisteredResource(ctx, `${serverUrl}${path}`);
  if (!resource) {
    throw new OAuthError(
      "not_found",
      `No resource is registered at ${serverUrl}${path}. The server's own are ${serverUrl} and ${serverUrl}/mcp.`,
    );
  }
  const scopes = namesToAskFor(resource);
  const metadata = protectedResourceMetadata({
    resource: resource.resource,
    issuer: serverUrl,
    name: resource.name,
    scopes,
    detailsTypes: resource.authorizationDetailsTypes.map(({ type }) => type),
    requiresBoundTokens: resource.dpopBoundAccessTokensRequired || ctx.settings.requireDpop,
  });
  return json(metadata, { headers: CACHEABLE });
}

/** The public keys that tokens are verified with (RFC 7517 §5). */
export async function jwksEndpoint(ctx: Context): Promise<Response> {
  return json(await ctx.keys.jwks(), { headers: CACHEABLE });
}
