import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { oneResource } from "@/lib/grants/one-resource";
import { parseAuthorizationDetails } from "@/lib/oauth/authorization-details";
import { intersectScope, parseScope } from "@/lib/oauth/scope";
import { GRANT_TYPES } from "@/lib/oauth/token-types";
import { createDeviceCode } from "@/lib/services/device-codes";
import { requestedDetails } from "@/lib/services/requested-details";
import { grantableScope, meantScope, resolveTarget } from "@/lib/services/targets";
import { scopeOf } from "./authorization-request";
import type { Call } from "./call";
import { deviceClient } from "./device-client";
import { devicePath } from "./device-entry";
import { verifyProof } from "./dpop";
import { readForm } from "./form";
import { json } from "./json";
import { userAgentOf } from "./user-agent";

/** Device authorization endpoint (RFC 8628 §3.1): a question that a person answers on another device. */
export async function deviceAuthorizationEndpoint(ctx: Context, call: Call): Promise<Response> {
  const { fields, resources } = await readForm(call.request);
  const { client } = await deviceClient(ctx, call, fields);
  if (!client.grantTypes.includes(GRANT_TYPES.deviceCode))
    throw new OAuthError(
      "unauthorized_client",
      `This client is not registered for device codes. Register it with the grant type ${GRANT_TYPES.deviceCode}.`,
    );
  const jkt = await verifyProof(ctx, call);
  const target = await resolveTarget(ctx, client, oneResource(resources));
  const details = parseAuthorizationDetails(fields.authorization_details);
  const authorizationDetails = details && requestedDetails(client, target, details);
  const asking = { client, target, asked: fields.scope ? parseScope(fields.scope) : undefined };
  refuseBeyond(ctx, asking);
  const kind = { inDetail: details !== undefined, anywhere: resources.length === 0 };
  const scope = [...(await scopeOf(ctx, asking, kind))];
  const { deviceCode, userCode, interval, expiresIn } = await createDeviceCode(ctx, {
    client,
    act: {
      ...{ resource: target.resource, scope, authorizationDetails, jkt, actors: [], chain: [], said: {} },
      address: call.address,
      userAgent: userAgentOf(call.request),
    },
  });
  const { serverUrl } = ctx.settings;
  return json({
    device_code: deviceCode,
    user_code: userCode,
    verification_uri: `${serverUrl}${devicePath()}`,
    verification_uri_complete: `${serverUrl}${devicePath(userCode)}`,
    expires_in: expiresIn,
    interval,
  });
}

/** What this client can never be given is told now: the person would be asked for nothing (security case 89). */
function refuseBeyond(ctx: Context, asking: Parameters<typeof grantableScope>[1]): void {
  const { client, asked = [] } = asking;
  const grantable = grantableScope(ctx, asking);
  const own = client.scope ? intersectScope(grantable, client.scope) : grantable;
  const beyond = meantScope(grantable, asked).filter((name) => !own.includes(name));
  if (beyond.length === 0) return;
  throw new OAuthError("invalid_scope", `This client may not ask for: ${beyond.join(" ")}.`);
}
