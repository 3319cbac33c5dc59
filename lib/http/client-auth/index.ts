import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { freshenDocumentClient, renewDocumentClient } from "@/lib/services/client-documents";
import { type Client, findClientRecently, forgetClients } from "@/lib/services/clients";
import { record } from "@/lib/services/events";
import { addressKey } from "@/lib/services/rate-limits";
import type { Call } from "../call";
import { noteParty } from "../denials";
import { tooManyRequests } from "../endpoint";
import { clientAttestation, hasAttestation } from "./attestation";
import {
  type Authenticator,
  type AuthMethod,
  type Fields,
  type Presented,
  type Proof,
  refused,
} from "./authenticator";
import { privateKeyJwt } from "./private-key-jwt";
import { clientSecret, nameOnly } from "./secret";
import { spiffeJwt } from "./spiffe";

/** How a client may prove who it is (RFC 6749 §2.3). To add a way: write its file, add its line. */
const authenticators: readonly Authenticator[] = [clientSecret, privateKeyJwt, clientAttestation, spiffeJwt];

/** Methods of client authentication that an operator may register a client for (RFC 7591 §2). */
export const OPERATOR_AUTH_METHODS: readonly AuthMethod[] = [
  "none",
  ...authenticators.flatMap(({ methods }) => methods),
];

/** Those that a client may choose for itself: which workloads are whose, nobody claims by their own word. */
export const AUTH_METHODS: readonly AuthMethod[] = OPERATOR_AUTH_METHODS.filter(
  (method) => !spiffeJwt.methods.includes(method),
);

export type AuthenticatedClient = {
  client: Client;
  authMethod: AuthMethod;
  /** Thumbprint of the instance of the client, where it proved to be a certain one. */
  instanceJkt?: string | undefined;
};

/** Authenticates the client of a request (RFC 6749 §2.3); whoever is refused learns nothing of who is registered. */
export async function authenticateClient(
  ctx: Context,
  call: Call,
  fields: Fields,
): Promise<AuthenticatedClient> {
  const presented = presentedCredential(call.request, fields);
  const { clientId, isGuessable, method } = presented;
  const key = `${clientId.slice(0, 200)} ${addressKey(call.address)}`;
  if (isGuessable) await refuseGuessing(ctx, key);
  const { client, proof } = await prove(ctx, call, presented);
  // Knowing the name of a public client proves nothing.
  if (client && proof.isProven && method !== "none") noteClient(call, client);
  if (client && proof.isProven && client.status === "active") {
    const { instanceJkt } = proof;
    return { client, authMethod: method, ...(instanceJkt && { instanceJkt }) };
  }
  if (client && proof.isProven && client.status === "frozen") throw frozen();
  if (isGuessable) await countFailure(ctx, call, key, client);
  throw refused(client ? (proof.isProven ? "disabled" : proof.reason) : "unknown client");
}

type Judged = { client: Client | undefined; proof: Proof };

/** Judges a credential by what is registered of its client; what does not fit is looked at once more. */
async function prove(ctx: Context, call: Call, presented: Presented): Promise<Judged> {
  const caller = addressKey(call.address);
  const known = await (presented.findClient?.(ctx) ?? findClientRecently(ctx, presented.clientId));
  const client = known && (await freshenDocumentClient(ctx, known, caller));
  const proof = await presented.prove(ctx, call, client);
  if (!client || proof.isProven || !proof.isUnregistered) return { client, proof };
  const changed = await changedSince(ctx, client, caller);
  return changed ? { client: changed, proof: await presented.prove(ctx, call, changed) } : { client, proof };
}

/**
 * A client as it is registered by now; undefined: as before. Another instance may just have given it a new secret or
 * key, and an app's document may say by now that it signs.
 */
async function changedSince(ctx: Context, { clientId, version }: Client, caller: string) {
  forgetClients(ctx, [clientId]);
  const client = await findClientRecently(ctx, clientId);
  if (!client || client.version !== version) return client;
  return renewDocumentClient(ctx, client, caller);
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
export const presentsCredentials = (request: Request, fields: Fields): boolean =>
  waysPresented(request, fields) > 0;

const waysPresented = (request: Request, fields: Fields): number =>
  [
    request.headers.has("authorization"),
    Boolean(fields.client_secret),
    fields.client_assertion !== undefined,
    hasAttestation(request),
  ].filter(Boolean).length;

/** What the request presents; two methods at once are refused (RFC 6749 §2.3). */
function presentedCredential(request: Request, fields: Fields): Presented {
  // "The client MUST NOT use more than one authentication method in each request."
  if (waysPresented(request, fields) > 1) {
    throw new OAuthError(
      "invalid_request",
      "Authenticate once: by the Authorization header, client_secret, client_assertion or OAuth-Client-Attestation.",
    );
  }
  const [presented] = authenticators.flatMap((authenticator) => authenticator.present(request, fields) ?? []);
  const { client_id: clientId, client_assertion: assertion } = fields;
  if (presented) {
    if (clientId !== undefined && clientId !== presented.clientId)
      throw refused("client_id is another client");
    return presented;
  }
  if (assertion !== undefined) throw refused("client_assertion_type is none of ours");
  if (!clientId) {
    throw new OAuthError(
      "invalid_client",
      "Send client_id, or authenticate as the client was registered to.",
    );
  }
  return nameOnly(clientId);
}
