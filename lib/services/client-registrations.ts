import { type Context, inTransaction } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { hashSecret, matchesSecret, newSecret } from "@/lib/ids";
import type { ClientMetadata } from "@/lib/oauth/client-metadata";
import { endApprovalsOf } from "./approvals";
import { columnsOf, someRedirectUris, takesSecret } from "./client-rows";
import { type Client, findClient, forgetClients, lockClient, removeClient, updateClient } from "./clients";
import { record } from "./events";
import { revokeGrantsOf } from "./grants";
import { endBoundRefreshTokens } from "./refresh-tokens";
import { forgetRevocationFeed } from "./revocation-feed";
import { revokeTokens } from "./tokens";

/** A dynamic registration, and the token that proves that it is one's own (RFC 7592 §3). */
export type Registration = { clientId: string; registrationToken: string };

/** The client of a registration, if it is one and the token is its own; a stopped one is nobody's to manage. */
export async function findRegistration(ctx: Context, named: Registration): Promise<Client | undefined> {
  const client = await findClient(ctx, named.clientId);
  return isManagedBy(client, named) ? client : undefined;
}

const NO_TOKEN = hashSecret("no client has this token");

/** Compared even without a client, so that every wrong token takes the same time. */
function isManagedBy(client: Client | undefined, { registrationToken }: Registration): client is Client {
  const isIts = matchesSecret(registrationToken, client?.registrationTokenHash ?? NO_TOKEN);
  return isIts && client?.registrationTokenHash != null && client.status === "active";
}

type Replacement = Registration & {
  metadata: ClientMetadata;
  scope: readonly string[] | null;
  /** The secret that the client says it has. */
  secret?: string | undefined;
  address: string;
};

/**
 * Replaces all that a client registered (RFC 7592 §2.2); undefined: it is not there any more. A secret is made where
 * the new method takes one and there is none, and forgotten where it takes none; the one that the client says it has
 * is told again.
 */
export async function replaceRegistration(
  ctx: Context,
  { metadata, scope, secret, address, ...named }: Replacement,
): Promise<{ client: Client; clientSecret: string | undefined } | undefined> {
  const { clientId } = named;
  const replaced = await inTransaction(ctx, async (tx) => {
    const before = await lockClient(tx, clientId);
    if (!isManagedBy(before, named)) return undefined;
    if (secret !== undefined) checkSecret(before, secret);
    const isNew = takesSecret(metadata) && before.secretHash === null;
    const made = isNew ? newSecret("sec_") : undefined;
    const client = await updateClient(tx, clientId, {
      ...columnsOf(metadata),
      ...tightened(before, metadata),
      ...secretColumns(metadata, made),
      scope: scope === null ? null : [...scope],
    });
    if (!client) throw new Error("a locked client is there");
    await endWhatKeysProved(tx, before, client);
    await record(tx, {
      ...{ type: "client.updated", actor: `client:${clientId}`, subject: `client:${clientId}`, clientId },
      data: {
        kind: client.kind,
        name: client.name,
        ...someRedirectUris(client),
        method: client.tokenEndpointAuthMethod,
      },
      address,
    });
    return { client, clientSecret: made ?? (takesSecret(client) ? secret : undefined) };
  });
  forgetClients(ctx, [clientId]);
  return replaced;
}

/** A public client that gives itself another credential: what its key alone proved to be its own ends (RFC 9449 §5). */
async function endWhatKeysProved(tx: Context, before: Client, client: Client): Promise<void> {
  if (isPublic(before) && !isPublic(client)) await endBoundRefreshTokens(tx, client.clientId);
}

const isPublic = ({ tokenEndpointAuthMethod }: Client): boolean => tokenEndpointAuthMethod === "none";

function checkSecret({ secretHash }: Client, secret: string): void {
  // "the value of this field MUST match the currently issued client secret"
  if (secretHash !== null && matchesSecret(secret, secretHash)) return;
  throw new OAuthError("invalid_client_metadata", "Send client_secret as it was issued, or leave it out.");
}

/**
 * "The authorization server MAY ignore any null or empty value": what a client is held to, by itself or by an operator,
 * it does not shake off with a token that any copy of its configuration holds.
 */
const tightened = (before: Client, metadata: ClientMetadata) => ({
  dpopBoundAccessTokens: before.dpopBoundAccessTokens || metadata.dpopBoundAccessTokens === true,
  requirePushedAuthorizationRequests:
    before.requirePushedAuthorizationRequests || metadata.requirePushedAuthorizationRequests === true,
});

function secretColumns(metadata: ClientMetadata, made: string | undefined) {
  if (!takesSecret(metadata))
    return { secretHash: null, previousSecretHash: null, previousSecretExpiresAt: null };
  return made === undefined ? {} : { secretHash: hashSecret(made) };
}

/**
 * Removes a registration with all that people allowed it and all that it holds (RFC 7592 §2.3): "the authorization
 * server SHOULD immediately invalidate all existing authorization grants and currently active access tokens". False:
 * it was not there any more.
 */
export async function removeRegistration(
  ctx: Context,
  { address, ...named }: Registration & { address: string },
): Promise<boolean> {
  const { clientId } = named;
  const actor = `client:${clientId}`;
  const isRemoved = await inTransaction(ctx, async (tx) => {
    const client = await lockClient(tx, clientId);
    if (!isManagedBy(client, named)) return false;
    // First, so that a grant of somebody who answers meanwhile is ended with the others.
    await endApprovalsOf(tx, [clientId]);
    await revokeTokens(tx, { clientIds: [clientId] });
    await revokeGrantsOf(tx, { clientId }, actor);
    await removeClient(tx, clientId);
    const data = { kind: client.kind, name: client.name };
    await record(tx, { type: "client.deleted", actor, subject: actor, clientId, data, address });
    return true;
  });
  forgetClients(ctx, [clientId]);
  forgetRevocationFeed(ctx);
  return isRemoved;
}
