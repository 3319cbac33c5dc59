import { and, eq } from "drizzle-orm";
import { clients } from "@/db/schema/clients";
import type { Context } from "@/lib/context";
import { type Client, findClientRecently } from "./clients";
import { findTrustedIssuer, type TrustedIssuer } from "./trusted-issuers";

/** An issuer that an operator trusts to vouch for clients: a client attester, or a SPIFFE trust domain. */
export async function findAttester(ctx: Context, name: string): Promise<TrustedIssuer | undefined> {
  const issuer = await findTrustedIssuer(ctx, name);
  return issuer?.status === "active" && issuer.purposes.includes("client_auth") ? issuer : undefined;
}

/**
 * The client that a workload is by its SPIFFE ID alone: the only one registered with exactly this id
 * (draft-ietf-oauth-spiffe-client-auth-02 §3.1). Not for ids that nobody proved yet: no index helps to find them.
 */
export async function findClientOfWorkload(ctx: Context, spiffeId: string): Promise<Client | undefined> {
  const clientId = await ctx.recent.read(`workload ${spiffeId}`, async () => {
    const [only, ...others] = await ctx.db
      .select({ clientId: clients.clientId })
      .from(clients)
      .where(and(eq(clients.spiffeId, spiffeId), eq(clients.tokenEndpointAuthMethod, "spiffe_jwt")))
      .limit(2);
    return others.length === 0 ? only?.clientId : undefined;
  });
  return clientId === undefined ? undefined : findClientRecently(ctx, clientId);
}
