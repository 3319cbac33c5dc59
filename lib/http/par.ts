import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { isDocumentClientId } from "@/lib/oauth/client-id-document";
import { resolveDocumentClient } from "@/lib/services/client-documents";
import { pushRequest } from "@/lib/services/pushed-requests";
import { addressKey } from "@/lib/services/rate-limits";
import { chosenRedirectUri, validRequest } from "./authorization-request";
import type { Call } from "./call";
import { authenticateClient } from "./client-auth/index";
import { verifyProof } from "./dpop";
import { readForm } from "./form";
import { json } from "./json";

/** What authenticates the client is none of the request's parameters. */
const CREDENTIALS = ["client_secret", "client_assertion", "client_assertion_type"];

/** Pushed authorization requests (RFC 9126 §2): checked now, with the client authenticated, and used once and soon. */
export async function parEndpoint(ctx: Context, call: Call): Promise<Response> {
  const { fields, resources } = await readForm(call.request);
  await meetDocumentClient(ctx, call, fields.client_id ?? "");
  const { client, instanceJkt } = await authenticateClient(ctx, call, fields);
  // "The request_uri authorization request parameter … MUST NOT be provided in this case"
  if (fields.request_uri)
    throw new OAuthError("invalid_request", "Push the parameters themselves, without request_uri.");
  const params = new URLSearchParams(
    Object.entries(fields).filter(([name]) => !CREDENTIALS.includes(name) && name !== "client_id"),
  );
  for (const resource of resources) params.append("resource", resource);
  bindToKey(params, await verifyProof(ctx, call));
  params.set("client_id", client.clientId);
  const redirectUri = redirectUriOf(() => chosenRedirectUri(client, fields.redirect_uri || undefined));
  await validRequest(ctx, { client, redirectUri }, params, undefined);
  const uri = await pushRequest(ctx, { clientId: client.clientId, params, instanceJkt });
  return json({ request_uri: uri, expires_in: ctx.settings.parTtl }, { status: 201 });
}

/** An app that describes itself may be met here first, before it is at the authorization endpoint. */
async function meetDocumentClient(ctx: Context, { address }: Call, clientId: string): Promise<void> {
  if (isDocumentClientId(clientId)) await resolveDocumentClient(ctx, clientId, addressKey(address));
}

/** A proof binds the code to its key as `dpop_jkt` does; both have to name one key (RFC 9449 §10.1). */
function bindToKey(params: URLSearchParams, proven: string | undefined): void {
  if (proven === undefined) return;
  const named = params.get("dpop_jkt");
  if (named && named !== proven)
    throw new OAuthError(
      "invalid_dpop_proof",
      "dpop_jkt is another key than the DPoP proof's. Send one of them.",
    );
  params.set("dpop_jkt", proven);
}

/** Here the client itself is told, in the code of an authorization request (RFC 9126 §2.3). */
function redirectUriOf(choose: () => string): string {
  try {
    return choose();
  } catch (error) {
    if (!(error instanceof OAuthError) || error.code !== "invalid_redirect_uri") throw error;
    throw new OAuthError("invalid_request", "Send redirect_uri as one that this client registered.", {
      cause: error,
    });
  }
}
