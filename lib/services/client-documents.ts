import { createHash } from "node:crypto";
import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { parseClientDocument, parseDocumentClientId } from "@/lib/oauth/client-id-document";
import { cacheLifetime, entityTagOf } from "@/lib/oauth/document-cache";
import { OutboundError, type PublicResponse } from "@/lib/outbound/public-fetch";
import { type Client, findClient, refreshDocumentClient, saveDocumentClient } from "./clients";

/** Fetches under way in this process, so that a hundred requests for one document are one fetch. */
const underWay = new WeakMap<Context["limits"], Map<string, Promise<Client>>>();

/**
 * The client behind a metadata document URL, fetched anew when the copy we hold is no longer fresh
 * (draft-ietf-oauth-client-id-metadata-document-02 §4). For new consent: without the document there is none.
 */
export async function resolveDocumentClient(ctx: Context, clientId: string): Promise<Client> {
  const url = parseDocumentClientId(clientId, { allowLoopback: ctx.settings.localMode });
  const known = await findClient(ctx, clientId);
  if (known?.documentExpiresAt && known.documentExpiresAt > ctx.now()) return known;
  const fetches = fetchesOf(ctx);
  const running = fetches.get(clientId);
  if (running) return running;
  const fetching = fetchDocument(ctx, clientId, url, known).finally(() => fetches.delete(clientId));
  fetches.set(clientId, fetching);
  return fetching;
}

/** How long past its freshness a copy serves for what was consented before, in milliseconds (client quirk Q22). */
const MAX_STALE_MS = 86_400_000;

/** A known client fit for a token request: a copy that is long out of date is fetched anew, or the request waits. */
export async function freshenDocumentClient(ctx: Context, client: Client): Promise<Client> {
  const staleSince = client.documentExpiresAt?.getTime() ?? Number.POSITIVE_INFINITY;
  if (client.kind !== "document" || ctx.now().getTime() - staleSince < MAX_STALE_MS) return client;
  try {
    return await resolveDocumentClient(ctx, client.clientId);
  } catch (cause) {
    throw new OAuthError(
      "temporarily_unavailable",
      "The app's own description could not be read for a day. Try again later; nothing was used up.",
      { cause, reason: "client metadata document is stale", headers: { "retry-after": "60" } },
    );
  }
}

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
  await spendBudget(ctx, url, known);
  const response = await get(ctx, url, known?.documentEtag ?? undefined);
  const expiresAt = new Date(ctx.now().getTime() + cacheLifetime(response.headers, ctx.now()) * 1000);
  if (response.status === 304 && known) return refreshDocumentClient(ctx, clientId, expiresAt);
  // "The authorization server MUST treat any response other than 200 OK as an error"
  if (response.status !== 200) throw unreadable(url, `answered ${response.status} instead of 200`);
  const type = response.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase() ?? "";
  if (!/^application\/(?:[\w.-]+\+)?json$/.test(type))
    throw unreadable(url, `is ${type || "untyped"} instead of application/json`);
  const metadata = parseClientDocument(clientId, parseJson(url, response.body));
  const digest = createHash("sha256").update(response.body).digest("base64url");
  return saveDocumentClient(ctx, {
    clientId,
    metadata,
    digest,
    etag: entityTagOf(response.headers) ?? null,
    expiresAt,
  });
}

/** A spray of client ids must not turn this server into a load on others. */
async function spendBudget(ctx: Context, url: URL, known: Client | undefined): Promise<void> {
  const spent = [await ctx.limits.take("documentHost", url.host)];
  if (!known) spent.push(await ctx.limits.take("documentNew", "all"));
  const refused = spent.find((allowance) => !allowance.allowed);
  if (!refused || refused.allowed) return;
  throw new OAuthError(
    "too_many_requests",
    `Too many apps were looked up. Try again in ${refused.retryAfter} seconds.`,
    {
      headers: { "retry-after": String(refused.retryAfter) },
    },
  );
}

async function get(ctx: Context, url: URL, etag: string | undefined): Promise<PublicResponse> {
  try {
    return await ctx.fetchPublic(url, { accept: "application/json", ...(etag ? { etag } : {}) });
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
