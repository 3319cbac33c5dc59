import { and, desc, eq, isNull, lt, ne, notExists, or, sql } from "drizzle-orm";
import { clients } from "@/db/schema/clients";
import { grants } from "@/db/schema/grants";
import { type Context, inTransaction } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { hashSecret, newOpaqueId, newSecret } from "@/lib/ids";
import type { ClientMetadata } from "@/lib/oauth/client-metadata";
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
  kind: "dynamic" | "static";
  /** The most it may be granted; null: whatever a resource offers. */
  scope: readonly string[] | null;
  allowedResources?: readonly string[];
  actor: string;
  address?: string | undefined;
};

/** Registers a client (RFC 7591 §3.2.1, or by an operator). */
export function registerClient(ctx: Context, registration: Registration): Promise<RegisteredClient> {
  const { metadata, kind, scope, allowedResources = [], actor, address } = registration;
  const clientSecret = metadata.tokenEndpointAuthMethod === "none" ? undefined : newSecret("sec_");
  return inTransaction(ctx, async (tx) => {
    const now = tx.now();
    const [client] = await tx.db
      .insert(clients)
      .values({
        clientId: newOpaqueId(kind === "dynamic" ? "dyn_" : "app_"),
        kind,
        ...columns(metadata),
        secretHash: clientSecret === undefined ? null : hashSecret(clientSecret),
        scope: scope === null ? null : [...scope],
        allowedResources: [...allowedResources],
        createdAt: now,
        createdBy: actor,
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

const unusedUntil = (now: Date): Date => new Date(now.getTime() + UNUSED_AFTER_DAYS * DAY);

const columns = (metadata: ClientMetadata) => ({
  name: metadata.name,
  tokenEndpointAuthMethod: metadata.tokenEndpointAuthMethod,
  applicationType: metadata.applicationType,
  redirectUris: [...metadata.redirectUris],
  grantTypes: [...metadata.grantTypes],
  responseTypes: [...metadata.responseTypes],
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

/** Enables or disables a client; a disabled one gets nothing, and what it holds is refused. */
export async function setClientStatus(
  ctx: Context,
  clientId: string,
  status: Client["status"],
  actor: string,
): Promise<Client> {
  const changed = await inTransaction(ctx, async (tx) => {
    const [client] = await tx.db
      .update(clients)
      .set({ status, version: sql`${clients.version} + 1` })
      .where(and(eq(clients.clientId, clientId), ne(clients.status, status)))
      .returning();
    if (client) {
      const type = status === "active" ? "client.enabled" : "client.disabled";
      await record(tx, { type, actor, subject: `client:${clientId}`, clientId });
      return client;
    }
    const unchanged = await findClient(tx, clientId);
    if (!unchanged) throw new OAuthError("not_found", "There is no client with this id.");
    return unchanged;
  });
  ctx.recent.forget(recentKey(clientId));
  return changed;
}

/**
 * Removes apps that made themselves known, once they are of no use to anybody: never used within a day, or a
 * registration unused for long; not while a person's grant stands on them, nor what an operator disabled.
 */
export async function pruneClients(ctx: Context): Promise<void> {
  const dayAgo = new Date(ctx.now().getTime() - DAY);
  const neverUsed = and(isNull(clients.lastUsedAt), lt(clients.createdAt, dayAgo));
  await ctx.db.delete(clients).where(
    and(
      ne(clients.kind, "static"),
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
