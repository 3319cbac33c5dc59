import { handleOf } from "@/lib/services/approval-handles";
import { openPing } from "@/lib/services/pings";
import { requireDelivered } from "./answer";
import { type Channel, PATIENT, SEND_TIMEOUT } from "./channel";

/** Tells a client that its request was answered, and nothing of the answer: it asks for that itself (CIBA Core §10.2). */
export const cibaPing: Channel = {
  name: "ciba-ping",
  forPeople: false,
  isConfigured: () => true,
  async destinations(ctx, { event, approvalId }) {
    if (event !== "approval.decided" && event !== "approval.expired") return [];
    const ping = await openPing(ctx, approvalId);
    return ping ? [{ receiver: new URL(ping.endpoint).host, destination: approvalId }] : [];
  },
  backoff: () => PATIENT,
  async send(ctx, { destination: approvalId }) {
    const ping = await openPing(ctx, approvalId);
    if (!ping) return "withdrawn";
    const endpoint = new URL(ping.endpoint);
    const message = {
      // "the Client … MUST authenticate the request … using the client_notification_token"
      headers: { "content-type": "application/json", authorization: `Bearer ${ping.token}` },
      body: JSON.stringify({ auth_req_id: handleOf(ctx, approvalId, "auth_req_id") }),
    };
    const reach = { allowLoopback: ctx.settings.localMode, timeoutMs: SEND_TIMEOUT };
    requireDelivered(endpoint, await ctx.postPublic(endpoint, message, reach));
    return "delivered";
  },
};
