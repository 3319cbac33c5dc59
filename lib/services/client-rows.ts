import type { clients } from "@/db/schema/clients";
import type { ClientMetadata } from "@/lib/oauth/client-metadata";

type Row = typeof clients.$inferSelect;

/** Other methods prove something else than that a secret is known. */
export const takesSecret = ({
  tokenEndpointAuthMethod,
}: Pick<ClientMetadata, "tokenEndpointAuthMethod">): boolean =>
  tokenEndpointAuthMethod.startsWith("client_secret_");

/** A client's metadata as its row has them. */
export const columnsOf = (metadata: ClientMetadata) => ({
  name: metadata.name,
  tokenEndpointAuthMethod: metadata.tokenEndpointAuthMethod,
  applicationType: metadata.applicationType,
  redirectUris: [...metadata.redirectUris],
  grantTypes: [...metadata.grantTypes],
  responseTypes: [...metadata.responseTypes],
  jwks: metadata.jwks ?? null,
  jwksUri: metadata.jwksUri ?? null,
  assertionAlg: metadata.assertionAlg ?? null,
  spiffeId: metadata.spiffeId ?? null,
  dpopBoundAccessTokens: metadata.dpopBoundAccessTokens ?? false,
  requirePushedAuthorizationRequests: metadata.requirePushedAuthorizationRequests ?? false,
  authorizationDetailsTypes: metadata.authorizationDetailsTypes
    ? [...metadata.authorizationDetailsTypes]
    : null,
  backchannelTokenDeliveryMode: metadata.backchannelTokenDeliveryMode ?? null,
  backchannelClientNotificationEndpoint: metadata.backchannelClientNotificationEndpoint ?? null,
  display: metadata.display,
});

/** Events stay for good, and strangers choose these: a few, with their number, tell enough. */
export const someRedirectUris = ({ redirectUris }: Pick<Row, "redirectUris">) => ({
  redirectUris: redirectUris.slice(0, 3).map((uri) => uri.slice(0, 200)),
  redirectUriCount: redirectUris.length,
});
