import type { Context } from "@/lib/context";
import { isOAuthError } from "@/lib/errors";
import type { TokenRequest } from "@/lib/grants/grant";
import { clientOfAssertion, grantToken } from "@/lib/grants/index";
import type { Client } from "@/lib/services/clients";
import type { Call } from "./call";
import { authenticateClient, noteClient, presentsCredentials } from "./client-auth/index";
import { recordDenial } from "./denials";
import { proofRequired, verifyProof } from "./dpop";
import { takeFromBucket } from "./endpoint";
import { type Form, readForm } from "./form";
import { json } from "./json";
import { preferredWait } from "./prefer";

/** Token endpoint, every grant type (RFC 6749 §3.2). */
export async function tokenEndpoint(ctx: Context, call: Call): Promise<Response> {
  const form = await readForm(call.request);
  return answerTokenRequest(ctx, call, await requester(ctx, call, form.fields), form);
}

/** What a client that is known gets for its form, or is refused. */
export async function answerTokenRequest(
  ctx: Context,
  call: Call,
  requester: Requester,
  { fields: params, resources }: Form,
): Promise<Response> {
  // Counted for those who proved that they are this client: whoever only knows its name spends nothing of it.
  if (requester.authMethod !== "none") await takeFromBucket(ctx, "tokenClient", requester.client.clientId);
  try {
    const jkt = await provenKey(ctx, call, requester.client);
    const wait = preferredWait(call.request.headers);
    const request = { ...requester, params, resources, jkt, address: call.address, wait };
    return json(await grantToken(ctx, request));
  } catch (error) {
    if (isOAuthError(error)) await recordDenial(ctx, call, { type: "token_request.denied", refusal: error });
    throw error;
  }
}

/** The key that the request proves to hold; without one only where bearer tokens may be issued (RFC 9449 §5.2). */
async function provenKey(ctx: Context, call: Call, client: Client): Promise<string | undefined> {
  const jkt = await verifyProof(ctx, call);
  if (jkt !== undefined) return jkt;
  if (client.dpopBoundAccessTokens)
    throw proofRequired(ctx, "this client registered dpop_bound_access_tokens");
  if (ctx.settings.requireDpop) throw proofRequired(ctx, "this server issues no bearer tokens");
  return undefined;
}

type Requester = Pick<TokenRequest<unknown>, "client" | "authMethod" | "instanceJkt">;

/** The client of a request: the one that its assertion proves, or the one that authenticates. */
async function requester(ctx: Context, call: Call, fields: Record<string, string>): Promise<Requester> {
  const client = presentsCredentials(call.request, fields) ? undefined : await clientOfAssertion(ctx, fields);
  if (!client) return authenticateClient(ctx, call, fields);
  noteClient(call, client);
  return { client, authMethod: "assertion" };
}
