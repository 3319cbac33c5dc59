import type { Context } from "@/lib/context";
import { findClientRecently } from "@/lib/services/clients";
import type { Call } from "./call";
import { type AuthenticatedClient, authenticateClient, presentsCredentials } from "./client-auth/index";

/**
 * The client of a device (RFC 8628 §3.1). In local mode its name is enough at the device endpoints, as for the clients
 * of an earlier system, which send no more; whoever has the device code was given it.
 */
export async function deviceClient(
  ctx: Context,
  call: Call,
  fields: Readonly<Record<string, string>>,
): Promise<AuthenticatedClient> {
  const { client_id: clientId } = fields;
  if (call.isLocal && clientId && !presentsCredentials(call.request, fields)) {
    const client = await findClientRecently(ctx, clientId);
    if (client?.status === "active") return { client, authMethod: "none" };
  }
  return authenticateClient(ctx, call, fields);
}
