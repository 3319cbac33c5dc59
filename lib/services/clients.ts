import {
  and,
  asc,
  desc,
  eq,
  inArray,
  isNull,
  lt,
  lte,
  notExists,
  notInArray,
  or,
  type SQL,
  sql,
} from "drizzle-orm";
import type { PgUpdateSetSource } from "drizzle-orm/pg-core";
import { type ClientKind, clients, type IdJagTarget } from "@/db/schema/clients";
import { grants } from "@/db/schema/grants";
import { type Context, inTransaction } from "@/lib/context";
import { hashSecret, newOpaqueId, newSecret } from "@/lib/ids";
import type { ClientMetadata } from "@/lib/oauth/client-metadata";
import { columnsOf, someRedirectUris, takesSecret } from "./client-rows";
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

/** A client that stays as it is until the transaction ends. */
export async function lockClient(tx: Context, clientId: string): Promise<Client | undefined> {
  const [client] = await tx.db.select().from(clients).where(eq(clients.clientId, clientId)).for("update");
  return client;
}

/** A client and, where it has them, its secret and its registration access token: told now and never again. */
export type RegisteredClient = {
  client: Client;
  clientSecret: string | undefined;
  registrationToken: string | undefined;
};

type Registration = {
  metadata: ClientMetadata;
  kind: keyof typeof ID_PREFIX;
  /** The most it may be granted; null: whatever a resource offers. */
  scope: readonly string[] | null;
  allowedResources?: readonly string[];
  legacyAssertionAudience?: boolean;
  idJagTargets?: readonly IdJagTarget[];
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
  const { legacyAssertionAudience = false, idJagTargets = [] } = registration;
  const clientSecret = takesSecret(metadata) ? newSecret("sec_") : undefined;
  const registrationToken = kind === "dynamic" ? newSecret("reg_") : undefined;
  return inTransaction(ctx, async (tx) => {
    const now = tx.now();
    const [client] = await tx.db
      .insert(clients)
      .values({
        clientId: newOpaqueId(ID_PREFIX[kind]),
        kind,
        ...columnsOf(metadata),
        secretHash: clientSecret === undefined ? null : hashSecret(clientSecret),
        registrationTokenHash: registrationToken === undefined ? null : hashSecret(registrationToken),
        scope: scope === null ? null : [...scope],
        allowedResources: [...allowedResources],
        legacyAssertionAudience,
        idJagTargets: [...idJagTargets],
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
    return { client, clientSecret, registrationToken };
  });
}

const unusedUntil = (now: Date): Date => new Date(now.getTime() + UNUSED_AFTER_DAYS * DAY);

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
      ...columnsOf(metadata),
      documentFetchedAt: tx.now(),
      documentExpiresAt: expiresAt,
      documentEtag: etag,
      documentDigest: digest,
    };
    const before = await lockClient(tx, clientId);
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

type Changes = Omit<PgUpdateSetSource<typeof clients>, "clientId" | "version">;

/** Changes a client within the caller's transaction, if it is there and `when` holds of it as it is now. */
export async function updateClient(
  tx: Context,
  clientId: string,
  changes: Changes,
  when?: SQL,
): Promise<Client | undefined> {
  const [client] = await tx.db
    .update(clients)
    .set({ ...changes, version: sql`${clients.version} + 1` })
    .where(and(eq(clients.clientId, clientId), when))
    .returning();
  return client;
}

/** Removes a client within the caller's transaction: with its row gone, nothing that it holds counts. */
export async function removeClient(tx: Context, clientId: string): Promise<void> {
  await tx.db.delete(clients).where(eq(clients.clientId, clientId));
}

/** Erases earlier secrets whose overlap is over. */
export async function eraseEndedSecrets(ctx: Context): Promise<void> {
  await ctx.db
    .update(clients)
    .set({ previousSecretHash: null, previousSecretExpiresAt: null })
    .where(lte(clients.previousSecretExpiresAt, ctx.now()));
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
