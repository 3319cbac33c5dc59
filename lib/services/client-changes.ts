import type { ClientJwks, IdJagTarget } from "@/db/schema/clients";
import { type Context, inTransaction } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { type Client, changeClientStatus, forgetClients, lockClient, updateClient } from "./clients";
import { record } from "./events";

/** The keys of a client, here or at an address: one takes the place of the other (RFC 7591 §2). */
export type ClientKeys = { jwks?: ClientJwks | undefined; jwksUri?: string | undefined };

/** What an operator changes of a client; undefined leaves it as it is. */
export type ClientChanges = ClientKeys & {
  status?: "active" | "disabled" | undefined;
  dpopBoundAccessTokens?: boolean | undefined;
  requirePushedAuthorizationRequests?: boolean | undefined;
  legacyAssertionAudience?: boolean | undefined;
  idJagTargets?: IdJagTarget[] | undefined;
};

/** Changes what an operator may of a client; what a disabled one holds is dead, and stays so when it is enabled again. */
export async function changeClient(
  ctx: Context,
  clientId: string,
  { status, ...changes }: ClientChanges,
  actor: string,
): Promise<Client> {
  const changed = await inTransaction(ctx, async (tx) => {
    const client = await lockClient(tx, clientId);
    if (!client) throw new OAuthError("not_found", "There is no client with this id.");
    if (status && client.kind === "agent")
      throw new OAuthError("conflict", "Change the status of its agent: PATCH /agents/{id}.");
    const told = await changeProof(tx, client, changes, { actor });
    return status ? setStatus(tx, told, status, actor) : told;
  });
  forgetClients(ctx, [clientId]);
  return changed;
}

async function setStatus(
  tx: Context,
  client: Client,
  status: "active" | "disabled",
  actor: string,
): Promise<Client> {
  const { clientId } = client;
  const [changed] = await changeClientStatus(tx, [clientId], {
    ...{ status, by: { actor, isOperator: true }, aim: clientId },
    from: ["active", "frozen", "disabled"],
  });
  if (!changed) return client;
  const type = status === "active" ? "client.enabled" : "client.disabled";
  await record(tx, { type, actor, subject: `client:${clientId}`, clientId });
  return changed;
}

type ProofChanges = Omit<ClientChanges, "status">;

/** Changes how a client proves itself, and what it is held to, within the caller's transaction. */
export async function changeProof(
  tx: Context,
  client: Client,
  changes: ProofChanges,
  { actor, address }: { actor: string; address?: string },
): Promise<Client> {
  const named = Object.entries(changes).flatMap(([name, value]) => (value === undefined ? [] : [name]));
  if (named.length === 0) return client;
  requireChangeable(client, named);
  const { jwks, jwksUri, ...flags } = changes;
  const keys = jwks || jwksUri ? { jwks: jwks ?? null, jwksUri: jwksUri ?? null } : {};
  const { clientId } = client;
  const changed = await updateClient(tx, clientId, { ...flags, ...keys });
  await record(tx, {
    type: "client.updated",
    actor,
    subject: `client:${clientId}`,
    clientId,
    data: { changed: named, ...toldOf(changes) },
    address,
  });
  return changed ?? client;
}

/** Where a client may show its people, the trail says outright. */
const toldOf = ({ idJagTargets }: ProofChanges) =>
  idJagTargets && {
    idJagTargets: idJagTargets.map(({ issuer, clientId: knownAs }) => ({ issuer, knownAs })),
  };

/** What an operator says of a client beside what it says of itself. */
const OPERATORS_OWN = ["legacyAssertionAudience", "idJagTargets"];

function requireChangeable({ kind, tokenEndpointAuthMethod }: Client, named: readonly string[]): void {
  if (kind === "document" && named.some((name) => !OPERATORS_OWN.includes(name)))
    throw new OAuthError("conflict", "This client says so itself, in its client ID metadata document.");
  const hasKeys = tokenEndpointAuthMethod === "private_key_jwt";
  if (!hasKeys && named.some((name) => name === "jwks" || name === "jwksUri"))
    throw new OAuthError(
      "conflict",
      `This client authenticates by ${tokenEndpointAuthMethod}: register one with private_key_jwt for keys.`,
    );
}
