import { z } from "zod";
import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { type RotatedSecret, rotateSecret } from "@/lib/services/client-secrets";
import { findClient } from "@/lib/services/clients";
import { managedAgent, requireManager } from "./agent-managers";
import type { Call } from "./call";
import { clientIdOf } from "./clients";
import { json, readJsonAs } from "./json";
import { requireOperator } from "./operator";

const DAY = 86_400;

/** How a secret is rotated. */
export const SecretRotation = z.strictObject({
  overlap: z
    .int()
    .min(0)
    .max(7 * DAY)
    .default(DAY)
    .describe("Seconds that the secret of until now is good beside the new one; 0 ends it at once"),
});

/** `POST /clients/one/secret?client_id=…`: gives a client a new secret, told in this answer and never again. */
export async function rotateClientSecretEndpoint(ctx: Context, call: Call): Promise<Response> {
  const actor = await requireOperator(ctx, call);
  const { overlap } = await readJsonAs(call.request, SecretRotation);
  const clientId = clientIdOf(call);
  const client = await findClient(ctx, clientId);
  if (client?.kind === "agent")
    throw new OAuthError("conflict", "Rotate the secret of its agent: POST /agents/{id}/secret.");
  return json(toWire(await rotateSecret(ctx, { clientId, overlap, actor, address: call.address })));
}

/** `POST /agents/{id}/secret`: gives an agent a new secret, told in this answer and never again. */
export async function rotateAgentSecretEndpoint(ctx: Context, call: Call): Promise<Response> {
  const by = await requireManager(ctx, call);
  const { clientId } = await managedAgent(ctx, call, by);
  const { overlap } = await readJsonAs(call.request, SecretRotation);
  return json(toWire(await rotateSecret(ctx, { clientId, overlap, ...by })));
}

const toWire = ({ clientId, clientSecret, previousSecretExpiresAt }: RotatedSecret) => ({
  client_id: clientId,
  client_secret: clientSecret,
  client_secret_expires_at: 0,
  previous_secret_expires_at: Math.floor(previousSecretExpiresAt.getTime() / 1000),
});
