import { and, asc, desc, eq, inArray, isNull, lt, notExists, notInArray, or, sql } from "drizzle-orm";
import { type ClientKind, clients } from "@/db/schema/clients";
import { grants } from "@/db/schema/grants";
import { type Context, inTransaction } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { hashSecret, newOpaqueId, newSecret } from "@/lib/ids";
import type { ClientMetadata } from "@/lib/oauth/client-metadata";
import { isChangedBy, type StatusChange, standingAfter } from "./client-status";
import { record } from "./events";

export type Client = typeof clients.$inferSelect;

/** An unused dynamic registration goes after this many days (client quirk Q15). */
const UNUSED_AFTER_DAYS = 90;
const DAY = 86_400_000;

/** A client as the database has it; documents not seen yet are not fetched here. */
export async function findClient(ctx: Context, clientId: string): Promise<Client | undefined> {
  const [client] = await ctx.db.select().from(clients).where(eq(clients.clientId, clientId));
  return client;
}

/** A client as it was at most a second ago: for requests that only ask whether it may go on. */
export const findClientRecently = (ctx: Context, clientId: string): Promise<Client | undefined> =>
  ctx.recent.read(recentKey(clientId), () => findClient(ctx, clientId));

const recentKey = (clientId: string): string => `client ${clientId}`;

/** A client and, where it has one, its secret: shown in this answer and never again. */
export type RegisteredClient = { client: Client; clientSecret: string | undefined };

type Registration = {
  metadata: ClientMetadata;
  kind: keyof typeof ID_PREFIX;
  /** The most it may be granted; null: whatever a resource offers. */
  scope: readonly string[] | null;
  allowedResources?: readonly string[];
  actor: string;
  /** Where it says more than the actor: a member's agents are not an admin's (product decision D19). */
  createdBy?: string;
  address?: string | undefined;
};

const ID_PREFIX = { dynamic: "dyn_", static: "app_", agent: "agnt_" } as const satisfies Partial<
  Record<ClientKind, string>
>;

/** Registers a client (RFC 7591 §3.2.1, by an operator, or as an agent's). */
export function registerClient(ctx: Context, registration: Registration): Promise<RegisteredClient> {
  const { metadata, kind, scope, allowedResources = [], actor, createdBy = actor, address } = registration;
  const clientSecret = hasSecret(metadata) ? newSecret("sec_") : undefined;
  return inTransaction(ctx, async (tx) => {
    const now = tx.now();
    const [client] = await tx.db
      .insert(clients)
      .values({
        clientId: newOpaqueId(ID_PREFIX[kind]),
        kind,
        ...columns(metadata),
        secretHash: clientSecret === undefined ? null : hashSecret(clientSecret),
        scope: scope === null ? null : [...scope],
        allowedResources: [...allowedResources],
        createdAt: now,
        createdBy,
        expiresAt: kind === "dynamic" ? unusedUntil(now) : null,
      })
      .returning();
    if (!client) throw new Error("an insert without conflict clause returns its row");
    await record(tx, {
      type: "client.created",
      actor,
      subject: `client:${client.clientId}`,
      clientId: client.clientId,
      data: { kind, name: client.name, ...someRedirectUris(client), grantTypes: client.grantTypes },
      address,
    });
    return { client, clientSecret };
  });
}

/** Other methods prove something else than that a secret is known. */
const hasSecret = ({ tokenEndpointAuthMethod }: ClientMetadata): boolean =>
  tokenEndpointAuthMethod.startsWith("client_secret_");

const unusedUntil = (now: Date): Date => new Date(now.getTime() + UNUSED_AFTER_DAYS * DAY);

const columns = (metadata: ClientMetadata) => ({
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
  display: metadata.display,
});

/** A metadata document as it was fetched and checked, and how long it may be served. */
export type FetchedDocument = {
  clientId: string;
  metadata: ClientMetadata;
  digest: string;
  etag: string | null;
  expiresAt: Date;
};

/** Stores a client's metadata document; what an operator decided about the client stays. */
export function saveDocumentClient(
  ctx: Context,
  { clientId, metadata, digest, etag, expiresAt }: FetchedDocument,
): Promise<Client> {
  return inTransaction(ctx, async (tx) => {
    const document = {
      ...columns(metadata),
      documentFetchedAt: tx.now(),
      documentExpiresAt: expiresAt,
      documentEtag: etag,
      documentDigest: digest,
    };
    const [before] = await tx.db.select().from(clients).where(eq(clients.clientId, clientId)).for("update");
    const [client] = await tx.db
      .insert(clients)
      .values({ clientId, kind: "document", ...document, createdAt: tx.now(), createdBy: "system" })
      .onConflictDoUpdate({
        target: clients.clientId,
        set: { ...document, version: sql`${clients.version} + 1` },
      })
      .returning();
    if (!client) throw new Error("an upsert returns its row");
    if (before?.documentDigest !== digest) {
      await record(tx, {
        type: before ? "client.updated" : "client.created",
        actor: "system",
        subject: `client:${clientId}`,
        clientId,
        data: { kind: "document", name: client.name, ...someRedirectUris(client), digest },
      });
    }
    return client;
  });
}

/** Events stay for good, and strangers choose these: a few, with their number, tell enough. */
const someRedirectUris = ({ redirectUris }: Client) => ({
  redirectUris: redirectUris.slice(0, 3).map((uri) => uri.slice(0, 200)),
  redirectUriCount: redirectUris.length,
});

/** Says that a document was found unchanged and may be served until `expiresAt`. */
export async function refreshDocumentClient(
  ctx: Context,
  clientId: string,
  expiresAt: Date,
): Promise<Client> {
  const [client] = await ctx.db
    .update(clients)
    .set({ documentFetchedAt: ctx.now(), documentExpiresAt: expiresAt })
    .where(eq(clients.clientId, clientId))
    .returning();
  if (!client) throw new Error(`document client ${clientId} vanished`);
  return client;
}

/** Notes that a client was used, which keeps a dynamic registration alive; at most once an hour. */
export async function touchClient(ctx: Context, client: Client): Promise<void> {
  const now = ctx.now();
  if (client.lastUsedAt && now.getTime() - client.lastUsedAt.getTime() < 3_600_000) return;
  await ctx.db
    .update(clients)
    .set({ lastUsedAt: now, ...(client.kind === "dynamic" ? { expiresAt: unusedUntil(now) } : {}) })
    .where(eq(clients.clientId, client.clientId));
}

/** Clients, newest first. */
export const listClients = (ctx: Context): Promise<Client[]> =>
  ctx.db.select().from(clients).orderBy(desc(clients.createdAt)).limit(1000);

/** Enables or disables a client; what a disabled one holds is dead, and stays so when it is enabled again. */
export async function setClientStatus(
  ctx: Context,
  clientId: string,
  status: "active" | "disabled",
  actor: string,
): Promise<Client> {
  const changed = await inTransaction(ctx, async (tx) => {
    const client = await findClient(tx, clientId);
    if (!client) throw new OAuthError("not_found", "There is no client with this id.");
    if (client.kind === "agent")
      throw new OAuthError("conflict", "Change the status of its agent: PATCH /agents/{id}.");
    const [changedClient] = await changeClientStatus(tx, [clientId], {
      ...{ status, by: { actor, isOperator: true }, aim: clientId },
      from: ["active", "frozen", "disabled"],
    });
    if (!changedClient) return client;
    const type = status === "active" ? "client.enabled" : "client.disabled";
    await record(tx, { type, actor, subject: `client:${clientId}`, clientId });
    return changedClient;
  });
  forgetClients(ctx, [clientId]);
  return changed;
}

/**
 * Gives clients another status within the caller's transaction, which records the events; answers those it changed.
 * A client that is `disabled`, or comes back from it, loses what it held until now.
 */
export async function changeClientStatus(
  tx: Context,
  clientIds: readonly string[],
  change: StatusChange,
): Promise<readonly Client[]> {
  if (clientIds.length === 0) return [];
  const theirs = inArray(clients.clientId, [...clientIds]);
  // Locked in one order, so that two of these at once wait for each other and never both.
  const locked = await tx.db
    .select()
    .from(clients)
    .where(theirs)
    .orderBy(asc(clients.clientId))
    .for("update");
  const changing = locked.filter((client) => isChangedBy(client, change));
  if (changing.length === 0) return [];
  // Also on the way back: what was being issued while it was stopped must not come alive with it.
  const loses = change.status === "disabled" || changing.some((client) => client.status === "disabled");
  return tx.db
    .update(clients)
    .set({
      ...standingAfter(change),
      ...(loses ? { notBefore: tx.now() } : {}),
      version: sql`${clients.version} + 1`,
    })
    .where(
      inArray(
        clients.clientId,
        changing.map(({ clientId }) => clientId),
      ),
    )
    .returning();
}

/** Lets the next request see what has just been committed for these clients. */
export function forgetClients(ctx: Context, clientIds: readonly string[]): void {
  for (const clientId of clientIds) ctx.recent.forget(recentKey(clientId));
}

/** Whether an operator or an admin said what a client may have, so that a scope which takes a role counts (D19). */
export const isOperatorRegistered = ({ kind, createdBy }: Pick<Client, "kind" | "createdBy">): boolean =>
  kind === "static" || (kind === "agent" && (createdBy === "operator" || createdBy.startsWith("user:")));

/** Limits a client to a scope, within the caller's transaction. */
export async function setClientScope(tx: Context, clientId: string, scope: readonly string[]): Promise<void> {
  await tx.db
    .update(clients)
    .set({ scope: [...scope], version: sql`${clients.version} + 1` })
    .where(eq(clients.clientId, clientId));
}

/** Gives a client another name for people to read, within the caller's transaction. */
export async function renameClient(tx: Context, clientId: string, name: string): Promise<void> {
  await tx.db
    .update(clients)
    .set({ name, version: sql`${clients.version} + 1` })
    .where(eq(clients.clientId, clientId));
}

/**
 * Removes apps that made themselves known, once they are of no use to anybody: never used within a day, or a
 * registration unused for long; not while a person's grant stands on them, nor what was stopped.
 */
export async function pruneClients(ctx: Context): Promise<void> {
  const dayAgo = new Date(ctx.now().getTime() - DAY);
  const neverUsed = and(isNull(clients.lastUsedAt), lt(clients.createdAt, dayAgo));
  await ctx.db.delete(clients).where(
    and(
      notInArray(clients.kind, ["static", "agent"]),
      eq(clients.status, "active"),
      or(neverUsed, lt(clients.expiresAt, ctx.now())),
      notExists(
        ctx.db
          .select({ one: sql`1` })
          .from(grants)
          .where(and(eq(grants.clientId, clients.clientId), eq(grants.status, "active"))),
      ),
    ),
  );
}
