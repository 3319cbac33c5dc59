import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { hashSecret, matchesSecret } from "@/lib/ids";
import { freshenDocumentClient } from "@/lib/services/client-documents";
import { type Client, findClientRecently } from "@/lib/services/clients";
import { record } from "@/lib/services/events";
import { addressKey } from "@/lib/services/rate-limits";
import type { Call } from "./call";
import { noteParty } from "./denials";
import { tooManyRequests } from "./endpoint";

/** Methods of client authentication this server takes (RFC 6749 §2.3, RFC 7591 §2). */
export const AUTH_METHODS = ["none", "client_secret_basic", "client_secret_post"] as const;
export type AuthMethod = (typeof AUTH_METHODS)[number];

export type AuthenticatedClient = { client: Client; authMethod: AuthMethod };

type Presented = { clientId: string; secret: string | undefined; authMethod: AuthMethod };

/** One answer for an unknown client, a disabled one and a wrong secret: it tells nobody which. */
const refused = (reason: string) =>
  new OAuthError(
    "invalid_client",
    "Client authentication failed. Check client_id and client_secret, or register again.",
    {
      reason,
    },
  );

/** Authenticates the client of a request (RFC 6749 §2.3.1); secrets by header or body, whichever it registered (D21). */
export async function authenticateClient(
  ctx: Context,
  call: Call,
  fields: Readonly<Record<string, string>>,
): Promise<AuthenticatedClient> {
  const presented = presentedCredentials(call.request, fields);
  const key = `${presented.clientId.slice(0, 200)} ${addressKey(call.address)}`;
  const { secret } = presented;
  if (secret !== undefined) await refuseGuessing(ctx, key);
  const client = await findClientRecently(ctx, presented.clientId);
  // Compared even without a client, so that a wrong secret and an unknown client take the same time.
  const matches = secret !== undefined && matchesSecret(secret, client?.secretHash ?? NO_SECRET);
  const isPublic = client?.tokenEndpointAuthMethod === "none";
  const proven = isPublic ? secret === undefined : matches && client?.secretHash != null;
  // Knowing the name of a public client proves nothing.
  if (client && proven && !isPublic) noteClient(call, client);
  if (client && proven && client.status === "active") {
    return {
      client: await freshenDocumentClient(ctx, client, addressKey(call.address)),
      authMethod: presented.authMethod,
    };
  }
  if (client && proven && client.status === "frozen") throw frozen();
  if (secret !== undefined) await countFailure(ctx, call, key, client);
  throw refused(client ? "wrong credentials or disabled" : "unknown client");
}

/** Notes that a request comes from a client, which proved it: its refusals leave a trace (product decision D26). */
export const noteClient = ({ request }: Call, { clientId }: Client): void =>
  noteParty(request, { actor: `client:${clientId}`, clientId });

/** Told only to a client that proved itself: it should wait, not register anew. */
const frozen = () =>
  new OAuthError(
    "unauthorized_client",
    "This client is frozen: nothing is issued to it until it is thawed.",
    {
      detail: "agent_frozen",
    },
  );

const NO_SECRET = hashSecret("no client has this secret");

/** Too many wrong secrets from here close the door to right ones too; looked up at most once a second. */
async function refuseGuessing(ctx: Context, key: string): Promise<void> {
  const allowance = await ctx.recent.read(guessing(key), () => ctx.limits.check("clientSecret", key));
  if (allowance && !allowance.allowed) throw tooManyRequests(allowance.retryAfter);
}

const guessing = (key: string): string => `guessing ${key}`;

async function countFailure(
  ctx: Context,
  { address }: Call,
  key: string,
  client: Client | undefined,
): Promise<void> {
  const allowance = await ctx.limits.take("clientSecret", key);
  ctx.recent.forget(guessing(key));
  // One row when the door closes, not one for each guess: nobody is to fill the audit trail (product decision D26).
  if (!client || allowance.allowed) return;
  const { clientId } = client;
  await record(ctx, {
    type: "client_authentication.denied",
    actor: "anonymous",
    subject: `client:${clientId}`,
    clientId,
    address,
  });
}

/** Whether a request brings proof of its client, good or bad; its name alone is none. */
export const presentsCredentials = (request: Request, fields: Readonly<Record<string, string>>): boolean =>
  request.headers.has("authorization") ||
  Boolean(fields.client_secret) ||
  fields.client_assertion !== undefined;

const twoMethods = () =>
  new OAuthError(
    "invalid_request",
    "Authenticate once: by the Authorization header or in the body, not both.",
  );

/** What the request presents; two methods at once are refused (RFC 6749 §2.3). */
function presentedCredentials(request: Request, fields: Readonly<Record<string, string>>): Presented {
  const basic = basicCredentials(request.headers.get("authorization"));
  const { client_id: clientId, client_secret: secret, client_assertion: assertion } = fields;
  if (assertion !== undefined && (basic || secret !== undefined)) throw twoMethods();
  if (assertion !== undefined) throw refused("client_assertion is not supported by this release");
  if (basic) {
    // "The client MUST NOT use more than one authentication method in each request."
    if (secret !== undefined) throw twoMethods();
    if (clientId !== undefined && clientId !== basic.clientId)
      throw refused("client_id differs from the Authorization header");
    return basic;
  }
  if (!clientId) throw new OAuthError("invalid_client", "Send client_id, or authenticate with HTTP Basic.");
  return secret === undefined || secret === ""
    ? { clientId, secret: undefined, authMethod: "none" }
    : { clientId, secret, authMethod: "client_secret_post" };
}

/** HTTP Basic with both halves form-encoded (RFC 6749 §2.3.1). */
function basicCredentials(header: string | null): Presented | undefined {
  if (header === null) return undefined;
  const encoded = /^Basic +([A-Za-z0-9+/]+={0,2})$/i.exec(header)?.[1];
  if (!encoded) throw refused("Authorization header is not Basic");
  const decoded = Buffer.from(encoded, "base64").toString("utf8");
  const colon = decoded.indexOf(":");
  if (colon < 0) throw refused("Basic credentials without a colon");
  const clientId = formDecode(decoded.slice(0, colon));
  const secret = formDecode(decoded.slice(colon + 1));
  if (secret === "") return { clientId, secret: undefined, authMethod: "none" };
  return { clientId, secret, authMethod: "client_secret_basic" };
}

function formDecode(value: string): string {
  try {
    const decoded = decodeURIComponent(value.replaceAll("+", " "));
    if (!decoded.includes("\0")) return decoded;
  } catch {
    // Told below.
  }
  throw refused("Basic credentials are not form-encoded, or hold NUL");
}
