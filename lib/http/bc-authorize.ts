import { z } from "zod";
import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { acknowledgement } from "@/lib/grants/acknowledgement";
import { oneResource } from "@/lib/grants/one-resource";
import { ACR_VALUES } from "@/lib/oauth/acr";
import { parseAuthorizationDetails } from "@/lib/oauth/authorization-details";
import { bindingMessage } from "@/lib/oauth/binding-message";
import { parseScope } from "@/lib/oauth/scope";
import { GRANT_TYPES } from "@/lib/oauth/token-types";
import { requestAct } from "@/lib/services/acts";
import { chainLinksOf } from "@/lib/services/chain-links";
import { cibaScope, personHinted, requireTheirsAlone } from "@/lib/services/ciba-requests";
import type { Client } from "@/lib/services/clients";
import { sealPing } from "@/lib/services/pings";
import { requestedDetails } from "@/lib/services/requested-details";
import { resolveTarget } from "@/lib/services/targets";
import type { Call } from "./call";
import { authenticateClient } from "./client-auth/index";
import { verifyProof } from "./dpop";
import { takeFromBucket } from "./endpoint";
import { readForm } from "./form";
import { json } from "./json";
import { userAgentOf } from "./user-agent";

/** What a client asks of a person who is somewhere else (CIBA Core §7.1); `scope` may do without `openid`. */
export const BackchannelRequest = z.object({
  scope: z.string().optional(),
  login_hint: z.string().max(320).optional().describe("E-mail address or id of the person"),
  id_token_hint: z.string().optional().describe("An ID token that this server issued to the client"),
  login_hint_token: z.string().optional().describe("Not supported"),
  binding_message: z.string().optional().describe("What the person reads, in one line of 200 characters"),
  requested_expiry: z
    .string()
    .regex(/^[1-9]\d{0,8}$/)
    .optional()
    .describe("Seconds to wait at most"),
  acr_values: z.string().optional().describe("How the person has to have signed in: any of these will do"),
  authorization_details: z.string().optional(),
  client_notification_token: z
    .string()
    .regex(/^[\w.~+/=-]{1,1024}$/)
    .optional()
    .describe("Of a client that is pinged: the ping brings it along"),
  request: z.string().optional().describe("Not supported"),
});
type Fields = z.infer<typeof BackchannelRequest>;

/** Backchannel authentication requests (CIBA Core §7): a client asks a person, and no browser comes along. */
export async function backchannelEndpoint(ctx: Context, call: Call): Promise<Response> {
  const { fields, resources } = await readForm(call.request);
  const { client, authMethod } = await authenticateClient(ctx, call, fields);
  requireCibaClient(client, authMethod);
  await takeFromBucket(ctx, "tokenClient", client.clientId);
  const asked = parse(fields);
  const reason = bindingMessage(asked.binding_message);
  const jkt = await verifyProof(ctx, call);
  const person = await personHinted(ctx, client, asked);
  const { resource, ...power } = await powerOf(ctx, { client, asked, resources, role: person.role });
  await requireTheirsAlone(ctx, { resource, ...power }, person);
  const subject = `user:${person.id}`;
  const requester = { clientId: client.clientId, name: client.name, scope: power.scope };
  const approval = await requestAct(ctx, {
    kind: "ciba",
    client,
    userId: person.id,
    patience: asked.requested_expiry === undefined ? undefined : Number(asked.requested_expiry),
    sealedPing: await pingOf(ctx, client, asked),
    act: {
      ...{ subject, actors: [], resource, ...power, jkt, said: { reason }, address: call.address },
      chain: await chainLinksOf(ctx, { subject, lineage: [], requester }),
      acrValues: acrValuesOf(asked),
      userAgent: userAgentOf(call.request),
    },
  });
  return json(acknowledgement(ctx, approval, "auth_req_id"));
}

function requireCibaClient({ grantTypes }: Client, authMethod: string): void {
  // "The Client MUST authenticate to the Backchannel Authentication Endpoint"
  if (authMethod === "none" || !grantTypes.includes(GRANT_TYPES.ciba))
    throw new OAuthError(
      "unauthorized_client",
      `Register a client with a secret and the grant type ${GRANT_TYPES.ciba} to ask people.`,
    );
}

function parse(fields: Record<string, string>): Fields {
  const parsed = BackchannelRequest.safeParse(fields);
  if (!parsed.success) {
    const names = [...new Set(parsed.error.issues.map(({ path }) => path.join(".")))].join(", ");
    throw new OAuthError("invalid_request", `Malformed: ${names}.`);
  }
  if (parsed.data.request !== undefined)
    throw new OAuthError("invalid_request", "Send the parameters themselves, without request.");
  return parsed.data;
}

type Asking = {
  client: Client;
  asked: Fields;
  resources: readonly string[];
  role: Parameters<typeof cibaScope>[1]["role"];
};

/** What the person is asked to give, and where. */
async function powerOf(ctx: Context, { client, asked, resources, role }: Asking) {
  const target = await resolveTarget(ctx, client, oneResource(resources) ?? client.allowedResources[0]);
  const details = parseAuthorizationDetails(asked.authorization_details);
  const authorizationDetails = details && requestedDetails(client, target, details);
  const names = parseScope(asked.scope);
  const scope = [...(await cibaScope(ctx, { client, resource: target.resource, asked: names, role }))];
  if (scope.length === 0 && !authorizationDetails)
    throw new OAuthError(
      "invalid_scope",
      "Send scope or authorization_details: what the person is to allow.",
    );
  return { resource: target.resource, scope, authorizationDetails };
}

/** "acr_values": any of them will do; of those that nobody here can meet nothing is promised (RFC 9470 §5). */
function acrValuesOf({ acr_values: values }: Fields): string[] | undefined {
  const asked = (values ?? "").split(" ").filter(Boolean);
  if (asked.length === 0) return undefined;
  const known = asked.filter((value) => ACR_VALUES.includes(value));
  if (known.length > 0) return known;
  throw new OAuthError(
    "unmet_authentication_requirements",
    `Send acr_values with some of: ${ACR_VALUES.join(", ")}.`,
  );
}

/** "client_notification_token REQUIRED if the Client is registered to use Ping or Push modes." */
async function pingOf(ctx: Context, client: Client, asked: Fields): Promise<string | undefined> {
  const { backchannelTokenDeliveryMode: mode, backchannelClientNotificationEndpoint: endpoint } = client;
  if (mode !== "ping" || endpoint === null) return undefined;
  const { client_notification_token: token } = asked;
  if (token) return sealPing(ctx, { endpoint, token });
  throw new OAuthError("invalid_request", "Send client_notification_token: this client is to be pinged.");
}
