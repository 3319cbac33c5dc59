import type { Context } from "@/lib/context";
import { OAuthError } from "@/lib/errors";
import { OutboundError, throughPublicAddress } from "@/lib/outbound/public-fetch";
import { subscribeBrowser, unsubscribeBrowser } from "@/lib/services/push-subscriptions";
import type { Call } from "./call";
import { readJsonAs } from "./json";
import { NewPushSubscription } from "./notification-schemas";
import { browserOfCall, requirePerson } from "./session";

/** `POST /me/push-subscriptions`: the person wants to be told in this browser. */
export async function subscribeEndpoint(ctx: Context, call: Call): Promise<Response> {
  const by = await requirePerson(ctx, call);
  const { endpoint, keys } = await readJsonAs(call.request, NewPushSubscription);
  await requirePublic(ctx, new URL(endpoint));
  const { browser } = browserOfCall(ctx, call);
  await subscribeBrowser(ctx, { userId: by.user.id, browser, subscription: { endpoint, keys } });
  return new Response(null, { status: 204 });
}

/** `DELETE /me/push-subscriptions`: nothing more is told in this browser. */
export async function unsubscribeEndpoint(ctx: Context, call: Call): Promise<Response> {
  const by = await requirePerson(ctx, call);
  const { browser } = browserOfCall(ctx, call);
  await unsubscribeBrowser(ctx, { userId: by.user.id, browser });
  return new Response(null, { status: 204 });
}

/** The browser says where it is written to, so it could say anything: no address within the operator's network is kept. */
async function requirePublic({ settings }: Context, endpoint: URL): Promise<void> {
  try {
    await throughPublicAddress(endpoint, { allowLoopback: settings.localMode }, async () => undefined);
  } catch (error) {
    if (!(error instanceof OutboundError)) throw error;
    const errors = [{ field: "endpoint", message: "must be the https address of a push service" }];
    throw new OAuthError("validation_failed", "endpoint: must be the https address of a push service", {
      reason: error.message,
      cause: error,
      members: { errors },
    });
  }
}
