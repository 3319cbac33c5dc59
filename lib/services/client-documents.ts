import { createHash } from "node:crypto";
import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { parseClientDocument, parseDocumentClientId } from "@/lib/oauth/client-id-document";
import { cacheLifetime, entityTagOf } from "@/lib/oauth/document-cache";
import { OutboundError, type PublicResponse } from "@/lib/outbound/public-fetch";
import { type Client, findClient, forgetClients, saveDocumentClient, updateClient } from "./clients";
import type { BucketName } from "./rate-limits";

/** Fetches under way in this process, so that a hundred requests for one document are one fetch. */
const underWay = new WeakMap<Context["limits"], Map<string, Promise<Client>>>();

/**
 * The client behind a metadata document URL, fetched anew when the copy we hold is no longer fresh
 * (draft-ietf-oauth-client-id-metadata-document-02 §4). For new consent: without the document there is none.
 */
export async function resolveDocumentClient(ctx: Context, clientId: string, caller: string): Promise<Client> {
  const url = parseDocumentClientId(clientId, { allowLoopback: ctx.settings.localMode });
  const known = await findClient(ctx, clientId);
  if (known?.documentExpiresAt && known.documentExpiresAt > ctx.now()) return known;
  const fetches = fetchesOf(ctx);
  const running = fetches.get(clientId);
  if (running) return running;
  const fetching = fetchWithinBudget(ctx, { clientId, url, known, caller }).finally(() =>
    fetches.delete(clientId),
  );
  fetches.set(clientId, fetching);
  return fetching;
}

type LookUp = { clientId: string; url: URL; known: Client | undefined; caller: string };

async function fetchWithinBudget(ctx: Context, { clientId, url, known, caller }: LookUp): Promise<Client> {
  const wait = await spendBudget(ctx, url, known, caller);
  // No stale copy instead: a known app's budget is spent only while its document cannot be read, and then there is
  // no new consent. Others' floods are counted elsewhere.
  if (wait !== undefined) throw tooManyLookUps(wait);
  return fetchDocument(ctx, clientId, url, known);
}

/** How long past its freshness a copy serves for what was consented before, in milliseconds (client quirk Q22). */
const MAX_STALE_MS = 86_400_000;

/** A known client fit for a token request: a copy that is long out of date is fetched anew, or the request waits. */
export const freshenDocumentClient = async (ctx: Context, client: Client, caller: string): Promise<Client> =>
  (await fetchAnew(ctx, client, caller, MAX_STALE_MS)) ?? client;

/** A client that its document may describe otherwise by now; undefined: the copy is what there is. */
export const renewDocumentClient = (ctx: Context, client: Client, caller: string) =>
  fetchAnew(ctx, client, caller, 0);

async function fetchAnew(
  ctx: Context,
  client: Client,
  caller: string,
  staleFor: number,
): Promise<Client | undefined> {
  const isStopped = client.kind !== "document" || client.status !== "active";
  if (isStopped || millisecondsStale(ctx, client) < staleFor) return undefined;
  try {
    return await resolveDocumentClient(ctx, client.clientId, caller);
  } catch (cause) {
    throw new OAuthError(
      "temporarily_unavailable",
      "The app's own description could not be read anew. Try again later; nothing was used up.",
      { cause, reason: "client metadata document is stale", headers: { "retry-after": "60" } },
    );
  }
}

/** Milliseconds since a copy stopped being fresh. */
const millisecondsStale = (ctx: Context, { documentExpiresAt }: Client): number =>
  ctx.now().getTime() - (documentExpiresAt?.getTime() ?? Number.POSITIVE_INFINITY);

function fetchesOf({ limits }: Context): Map<string, Promise<Client>> {
  const fetches = underWay.get(limits) ?? new Map<string, Promise<Client>>();
  underWay.set(limits, fetches);
  return fetches;
}

async function fetchDocument(
  ctx: Context,
  clientId: string,
  url: URL,
  known: Client | undefined,
): Promise<Client> {
  const response = await get(ctx, url, known?.documentEtag ?? undefined);
  const expiresAt = new Date(ctx.now().getTime() + cacheLifetime(response.headers, ctx.now()) * 1000);
  if (response.status === 304 && known) return keep(ctx, clientId, expiresAt);
  // "The authorization server MUST treat any response other than 200 OK as an error"
  if (response.status !== 200) throw unreadable(url, `answered ${response.status} instead of 200`);
  const type = response.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase() ?? "";
  if (!/^application\/(?:[\w.-]+\+)?json$/.test(type))
    throw unreadable(url, `is ${type || "untyped"} instead of application/json`);
  const metadata = parseClientDocument(clientId, parseJson(url, response.body));
  const digest = createHash("sha256").update(response.body).digest("base64url");
  const etag = entityTagOf(response.headers) ?? null;
  const client = await saveDocumentClient(ctx, { clientId, metadata, digest, etag, expiresAt });
  forgetClients(ctx, [clientId]);
  return client;
}

/** A document that was found unchanged may be served until `expiresAt`. */
async function keep(ctx: Context, clientId: string, expiresAt: Date): Promise<Client> {
  const fresh = { documentFetchedAt: ctx.now(), documentExpiresAt: expiresAt };
  const client = await updateClient(ctx, clientId, fresh);
  if (!client) throw new Error(`document client ${clientId} vanished`);
  forgetClients(ctx, [clientId]);
  return client;
}

/**
 * A spray of client ids must not turn this server into a load on others, nor shut out anybody else: ids never seen
 * are counted by caller first. Returns the seconds to wait when a budget is spent.
 */
async function spendBudget(
  ctx: Context,
  url: URL,
  known: Client | undefined,
  caller: string,
): Promise<number | undefined> {
  const budgets: [BucketName, string][] = known
    ? [["documentKnown", known.clientId]]
    : [
        ["documentCaller", caller],
        ["documentHost", url.host],
        ["documentNew", "all"],
      ];
  for (const [bucket, key] of budgets) {
    const allowance = await ctx.limits.take(bucket, key);
    if (!allowance.allowed) return allowance.retryAfter;
  }
  return undefined;
}

const tooManyLookUps = (retryAfter: number) =>
  new OAuthError("too_many_requests", `Too many apps were looked up. Try again in ${retryAfter} seconds.`, {
    headers: { "retry-after": String(retryAfter) },
  });

async function get(ctx: Context, url: URL, etag: string | undefined): Promise<PublicResponse> {
  try {
    const allowLoopback = ctx.settings.localMode;
    return await ctx.fetchPublic(url, {
      accept: "application/json",
      allowLoopback,
      ...(etag ? { etag } : {}),
    });
  } catch (error) {
    if (!(error instanceof OutboundError)) throw error;
    throw unreadable(url, WHY[error.reason], error);
  }
}

const WHY: Record<OutboundError["reason"], string> = {
  not_public: "is not at a public address",
  timeout: "did not arrive in time",
  too_large: "is larger than 5 KB",
  redirect: "redirects elsewhere, which is not followed",
  unreachable: "could not be reached",
};

function parseJson(url: URL, body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (cause) {
    throw unreadable(url, "is not JSON", cause);
  }
}

const unreadable = (url: URL, why: string, cause?: unknown) =>
  new OAuthError(
    "invalid_client",
    `The app describes itself at ${url.host}, but that document ${why}. Tell the maker of the app.`,
    {
      reason: `client metadata document ${why}`,
      cause,
    },
  );
