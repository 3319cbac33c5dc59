import type { Context } from "@/lib/context";
import { isOAuthError, type OAuthError } from "@/lib/errors";
import type { TokenRequest } from "@/lib/grants/grant";
import { clientOfAssertion, grantToken } from "@/lib/grants/index";
import { record } from "@/lib/services/events";
import type { Call } from "./call";
import { authenticateClient, presentsCredentials } from "./client-auth";
import { readForm } from "./form";
import { json } from "./json";

/** Token endpoint, every grant type (RFC 6749 §3.2). */
export async function tokenEndpoint(ctx: Context, call: Call): Promise<Response> {
  const { fields, resources } = await readForm(call.request);
  const authenticated = await requester(ctx, call, fields);
  try {
    return json(
      await grantToken(ctx, { ...authenticated, params: fields, resources, address: call.address }),
    );
  } catch (error) {
    if (isOAuthError(error)) await recordRefusal(ctx, call, authenticated, error);
    throw error;
  }
}

type Requester = Pick<TokenRequest<unknown>, "client" | "authMethod">;

/** The client of a request: the one that its assertion proves, or the one that authenticates. */
async function requester(ctx: Context, call: Call, fields: Record<string, string>): Promise<Requester> {
  const client = presentsCredentials(call.request, fields) ? undefined : await clientOfAssertion(ctx, fields);
  return client ? { client, authMethod: "assertion" } : authenticateClient(ctx, call, fields);
}

/** A client that proved itself and was refused leaves a trace; an anonymous one only a log line (D26). */
async function recordRefusal(
  ctx: Context,
  call: Call,
  { client, authMethod }: Requester,
  refusal: OAuthError,
) {
  if (authMethod === "none") return;
  await record(ctx, {
    type: "token_request.denied",
    actor: `client:${client.clientId}`,
    clientId: client.clientId,
    data: { error: refusal.code, reason: refusal.options.reason ?? refusal.description },
    address: call.address,
  });
}
