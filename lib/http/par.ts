import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { pushRequest } from "@/lib/services/pushed-requests";
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
  const { client } = await authenticateClient(ctx, call, fields);
  // "The request_uri authorization request parameter … MUST NOT be provided in this case"
  if (fields.request_uri !== undefined)
    throw new OAuthError("invalid_request", "Push the parameters themselves, without request_uri.");
  const params = new URLSearchParams(
    Object.entries(fields).filter(([name]) => !CREDENTIALS.includes(name) && name !== "client_id"),
  );
  for (const resource of resources) params.append("resource", resource);
  bindToKey(params, await verifyProof(ctx, call));
  params.set("client_id", client.clientId);
  const redirectUri = redirectUriOf(() => chosenRedirectUri(client, fields.redirect_uri || undefined));
  await validRequest(ctx, { client, redirectUri }, params, undefined);
  const uri = await pushRequest(ctx, { clientId: client.clientId, params });
  return json({ request_uri: uri, expires_in: ctx.settings.parTtl }, { status: 201 });
}

/** "the authorization server MUST … bind the code" to the key of a proof as to `dpop_jkt`; both must agree (RFC 9449 §10.1). */
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
