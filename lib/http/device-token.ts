import type { Context } from "@/lib/context";
import { GRANT_TYPES } from "@/lib/oauth/token-types";
import type { Call } from "./call";
import { deviceClient } from "./device-client";
import { readForm } from "./form";
import { answerTokenRequest } from "./token";

/** `POST /device/token`: a poll as the clients of an earlier system send it (contract of earlier clients, §1.1). */
export async function deviceTokenEndpoint(ctx: Context, call: Call): Promise<Response> {
  const { fields, resources } = await readForm(call.request);
  const client = await deviceClient(ctx, call, fields);
  return answerTokenRequest(ctx, call, client, {
    fields: { ...fields, grant_type: GRANT_TYPES.deviceCode },
    resources,
  });
}
