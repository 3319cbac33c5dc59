import type { Context } from "@/lib/context";
import { isOAuthError } from "@/lib/errors";
import type { TokenRequest } from "@/lib/grants/grant";
import { clientOfAssertion, grantToken } from "@/lib/grants/index";
import type { Call } from "./call";
import { authenticateClient, noteClient, presentsCredentials } from "./client-auth";
import { recordDenial } from "./denials";
import { takeFromBucket } from "./endpoint";
import { readForm } from "./form";
import { json } from "./json";

/** Token endpoint, every grant type (RFC 6749 §3.2). */
export async function tokenEndpoint(ctx: Context, call: Call): Promise<Response> {
  const { fields, resources } = await readForm(call.request);
  const authenticated = await requester(ctx, call, fields);
  // Counted for those who proved that they are this client: whoever only knows its name spends nothing of it.
  if (authenticated.authMethod !== "none")
    await takeFromBucket(ctx, "tokenClient", authenticated.client.clientId);
  try {
    return json(
      await grantToken(ctx, { ...authenticated, params: fields, resources, address: call.address }),
    );
  } catch (error) {
    if (isOAuthError(error)) await recordDenial(ctx, call, { type: "token_request.denied", refusal: error });
    throw error;
  }
}

type Requester = Pick<TokenRequest<unknown>, "client" | "authMethod">;

/** The client of a request: the one that its assertion proves, or the one that authenticates. */
async function requester(ctx: Context, call: Call, fields: Record<string, string>): Promise<Requester> {
  const client = presentsCredentials(call.request, fields) ? undefined : await clientOfAssertion(ctx, fields);
  if (!client) return authenticateClient(ctx, call, fields);
  noteClient(call, client);
  return { client, authMethod: "assertion" };
}
