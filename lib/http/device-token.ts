import type { Context } from "@/lib/context";
import { grantToken } from "@/lib/grants/index";
import { GRANT_TYPES } from "@/lib/oauth/token-types";
import type { Call } from "./call";
import { deviceClient } from "./device-client";
import { readForm } from "./form";
import { json } from "./json";
import { preferredWait } from "./prefer";
import { provenKey } from "./token";

/** `POST /device/token`: a poll as the clients of an earlier system send it (contract of earlier clients, §1.1). */
export async function deviceTokenEndpoint(ctx: Context, call: Call): Promise<Response> {
  const { fields, resources } = await readForm(call.request);
  const authenticated = await deviceClient(ctx, call, fields);
  const jkt = await provenKey(ctx, call, authenticated.client);
  const params = { ...fields, grant_type: GRANT_TYPES.deviceCode };
  const { address } = call;
  const wait = preferredWait(call.request.headers);
  return json(await grantToken(ctx, { ...authenticated, params, resources, jkt, address, wait }));
}
