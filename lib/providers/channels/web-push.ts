import { createHash } from "node:crypto";
import webPushLibrary from "web-push";
import type { Posted } from "@/lib/outbound/post";
import { vapidKeys } from "@/lib/services/installation";
import { forgetSubscription, listSubscriptions, openSubscription } from "@/lib/services/push-subscriptions";
import type { Settings } from "@/lib/settings";
import { requireDelivered } from "./answer";
import { type Channel, PATIENT, SEND_TIMEOUT } from "./channel";
import { wordsOf } from "./words";

/** The browsers that people asked to be told in, encrypted so that their push services read nothing (RFC 8291). */
export const webPush: Channel = {
  name: "web-push",
  forPeople: true,
  isConfigured: () => true,
  async destinations(ctx, { recipients }) {
    const subscriptions = await listSubscriptions(ctx, recipients);
    return subscriptions.map(({ host, endpointHash }) => ({ receiver: host, destination: endpointHash }));
  },
  backoff: () => PATIENT,
  async send(ctx, delivery) {
    const subscription = await openSubscription(ctx, delivery.destination);
    if (!subscription) return "withdrawn";
    const { settings, now } = ctx;
    const [{ approvalId, expiresAt }] = delivery.messages;
    const { title, url } = wordsOf(settings, delivery);
    // Its words and where to answer; what exactly is asked stays behind the sign-in.
    const { headers, body } = webPushLibrary.generateRequestDetails(
      subscription,
      JSON.stringify({ title, url }),
      {
        vapidDetails: { subject: contactOf(settings), ...(await vapidKeys(ctx)) },
        TTL: Math.max(0, Math.round((expiresAt.getTime() - now().getTime()) / 1000)),
        urgency: "high",
        // What became of a request takes the place of the request (RFC 8030 §5.4).
        topic: createHash("sha256").update(approvalId).digest("base64url").slice(0, 32),
      },
    );
    const endpoint = new URL(subscription.endpoint);
    const message = { headers: withoutLength(headers), body };
    const answer = await ctx.postPublic(endpoint, message, {
      allowLoopback: settings.localMode,
      timeoutMs: SEND_TIMEOUT,
    });
    if (isGone(answer)) {
      await forgetSubscription(ctx, delivery.destination);
      return "withdrawn";
    }
    requireDelivered(endpoint, answer);
    return "delivered";
  },
};

/** A subscription that has ended is answered with 404 (RFC 8030 §7.3), by several services with 410. */
const isGone = ({ status }: Posted): boolean => status === 404 || status === 410;

/** Who push services may complain to (RFC 8292 §2.1). */
const contactOf = ({ serverUrl, adminEmail = "admin@localhost" }: Settings): string =>
  serverUrl.startsWith("https:") ? serverUrl : `mailto:${adminEmail}`;

/** Whoever sends the body knows its length. */
const withoutLength = (headers: Readonly<Record<string, string | number>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      name.toLowerCase() === "content-length" ? [] : [[name, String(value)]],
    ),
  );
