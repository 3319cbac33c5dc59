import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { bearerChallenge } from "@/lib/oauth/challenge";
import type { ClientMetadata } from "@/lib/oauth/client-metadata";
import { openIdMembers } from "@/lib/oauth/openid-registration";
import { GRANT_TYPES } from "@/lib/oauth/token-types";
import {
  findRegistration,
  type Registration,
  removeRegistration,
  replaceRegistration,
} from "@/lib/services/client-registrations";
import type { Client } from "@/lib/services/clients";
import type { Call } from "./call";
import { noteClient, OPERATOR_AUTH_METHODS } from "./client-auth/index";
import { json, readJson } from "./json";
import { isOpen, offeredGrants, readRegistration, registrationOf } from "./register";

/** `GET /register/{client_id}`: what the client registered (RFC 7592 §2.1); its secret is not stored. */
export async function readRegistrationEndpoint(ctx: Context, call: Call): Promise<Response> {
  const { client, registrationToken } = await authenticateRegistration(ctx, call);
  return json(registrationOf(ctx, client, { registrationToken }));
}

/** `PUT /register/{client_id}`: everything the client registers from now on, in place of all before (RFC 7592 §2.2). */
export async function replaceRegistrationEndpoint(ctx: Context, call: Call): Promise<Response> {
  const { client: before, registrationToken } = await authenticateRegistration(ctx, call);
  if (ctx.settings.registrationPolicy === "off")
    throw new OAuthError("forbidden", "This server registers no clients. What is registered can be deleted.");
  const body = await readJson(call.request);
  const { clientId } = before;
  const secret = checkIdentity(body, clientId);
  const { grantTypes, createdBy: actor } = before;
  // What took a credential at registration is kept, and not gained.
  const offered = [...new Set([...offeredGrants(ctx, call, "anonymous"), ...grantTypes])];
  const authMethods = OPERATOR_AUTH_METHODS;
  const asked = await readRegistration(ctx, call, { body, grantTypes: offered, authMethods, actor });
  if (asked.stranger !== undefined) throw new OAuthError("invalid_redirect_uri", asked.stranger);
  const { metadata } = asked;
  checkWorkload(before, metadata);
  const scope = isOpen(ctx, call) ? asked.scope : scopeWithin(before, asked);
  const named = { clientId, registrationToken, address: call.address };
  const replaced = await replaceRegistration(ctx, { ...named, metadata, scope, secret });
  if (!replaced) throw refused(call);
  const { client, clientSecret } = replaced;
  const registered = registrationOf(ctx, client, { registrationToken, clientSecret });
  return json({ ...registered, ...openIdMembers(body, ctx.settings) });
}

/** A client of an operator's may be a workload, and says so again; which workloads are whose, no client says of itself. */
function checkWorkload(before: Client, { tokenEndpointAuthMethod: method, spiffeId }: ClientMetadata): void {
  if (method !== "spiffe_jwt") return;
  if (before.tokenEndpointAuthMethod === method && before.spiffeId === spiffeId) return;
  throw invalid(
    "Ask the operator of this server: spiffe_jwt and spiffe_id are not the client's own to change.",
  );
}

/** Grants for which people are asked. */
const WITH_CONSENT: readonly string[] = ["authorization_code", "refresh_token", GRANT_TYPES.deviceCode];

/** A client that acts without anybody's consent gains nothing by its own word: its scope was somebody else's to give. */
function scopeWithin({ scope: held }: Client, { metadata, scope }: Asked): readonly string[] | null {
  if (held === null || metadata.grantTypes.every((type) => WITH_CONSENT.includes(type))) return scope;
  const kept = held.filter((name) => scope === null || scope.includes(name));
  return kept.length > 0 ? kept : held;
}

type Asked = Awaited<ReturnType<typeof readRegistration>>;

/** `DELETE /register/{client_id}`: the client is gone, with all that it was allowed and holds (RFC 7592 §2.3). */
export async function deleteRegistrationEndpoint(ctx: Context, call: Call): Promise<Response> {
  const { client, registrationToken } = await authenticateRegistration(ctx, call);
  const named = { clientId: client.clientId, registrationToken, address: call.address };
  if (!(await removeRegistration(ctx, named))) throw refused(call);
  return new Response(null, { status: 204 });
}

/** The registration of the path, for whoever holds its own token (RFC 7592 §2). */
async function authenticateRegistration(
  ctx: Context,
  call: Call,
): Promise<Registration & { client: Client }> {
  const presented = /^Bearer +(\S+)$/i.exec(call.request.headers.get("authorization") ?? "")?.[1];
  if (presented === undefined) throw refused(call);
  const named = { clientId: call.params.client_id ?? "", registrationToken: presented };
  const client = await findRegistration(ctx, named);
  if (!client) throw refused(call);
  noteClient(call, client);
  return { ...named, client };
}

/** One answer for an unknown client, a stopped one and another's token: it tells nobody which (RFC 7592 §2). */
const refused = ({ request }: Call) =>
  new OAuthError(
    "invalid_token",
    "Send the registration access token of this client as Authorization: Bearer. If there is none, register again.",
    {
      headers: {
        "www-authenticate": bearerChallenge(
          request.headers.has("authorization") ? { error: "invalid_token" } : {},
        ),
      },
    },
  );

/** What is not the client's to say of itself (RFC 7592 §2.2). */
const OURS = [
  "registration_access_token",
  "registration_client_uri",
  "client_secret_expires_at",
  "client_id_issued_at",
];

/** Refuses a body that is another client's, or says what is ours to say; the secret that it names. */
function checkIdentity(body: unknown, clientId: string): string | undefined {
  const members: Record<string, unknown> = typeof body === "object" && body !== null ? { ...body } : {};
  // "The updated client metadata fields request MUST NOT include the 'registration_access_token', …"
  const ours = OURS.find((member) => Object.hasOwn(members, member));
  if (ours) throw invalid(`Leave out ${ours}: the server says it.`);
  // "The client MUST include its client_id field in the request, and it MUST be the same"
  if (members.client_id !== clientId) throw invalid("Send client_id: the one of this registration.");
  const { client_secret: secret } = members;
  if (secret !== undefined && typeof secret !== "string")
    throw invalid("Send client_secret as it was issued, or leave it out.");
  return secret;
}

const invalid = (description: string) => new OAuthError("invalid_client_metadata", description);
