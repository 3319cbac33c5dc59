import { z } from "zod";
import { OAuthError } from "@/lib/errors";
import { GRANT_TYPES } from "./token-types";
import { isLoopbackHost } from "./uri";

/** How a client learns of an answer that it asked for without a browser (CIBA Core §4). */
export type BackchannelMetadata = {
  backchannelTokenDeliveryMode?: "poll" | "ping" | undefined;
  backchannelClientNotificationEndpoint?: string | undefined;
};

/** What the server offers of it; `push` would hand tokens to an address. */
export const DELIVERY_MODES = ["poll", "ping"] as const;

/** These members as they stand in a registration request. */
export const backchannelFields = {
  backchannel_token_delivery_mode: z.enum(DELIVERY_MODES).nullish(),
  backchannel_client_notification_endpoint: z
    .url({ protocol: /^https?$/ })
    .max(2048)
    .nullish(),
};
type Fields = z.infer<z.ZodObject<typeof backchannelFields>>;

/** Reads these members; who is to be pinged says where. */
export function readBackchannelMetadata(
  { backchannel_token_delivery_mode: mode, backchannel_client_notification_endpoint: endpoint }: Fields,
  grantTypes: readonly string[],
): BackchannelMetadata {
  if (!grantTypes.includes(GRANT_TYPES.ciba)) return {};
  // "REQUIRED if the token delivery mode is set to ping or push"
  if (mode === "ping" && !endpoint)
    throw refusal("Send backchannel_client_notification_endpoint: ping needs it");
  if (endpoint && !isReachable(new URL(endpoint)))
    throw refusal("Send backchannel_client_notification_endpoint as an https URL");
  return {
    backchannelTokenDeliveryMode: mode ?? "poll",
    backchannelClientNotificationEndpoint: endpoint ?? undefined,
  };
}

/** https, or a loopback address, which only a server in local mode posts to. */
const isReachable = ({ protocol, hostname, username, password }: URL): boolean =>
  !username && !password && (protocol === "https:" || isLoopbackHost(hostname));

/** As a database row has it: null where nothing is said. */
type Registered = { [Key in keyof BackchannelMetadata]: BackchannelMetadata[Key] | null };

/** The same members as they are told, of what is registered. */
export const backchannelMembers = (registered: Registered) => ({
  ...(registered.backchannelTokenDeliveryMode && {
    backchannel_token_delivery_mode: registered.backchannelTokenDeliveryMode,
  }),
  ...(registered.backchannelClientNotificationEndpoint && {
    backchannel_client_notification_endpoint: registered.backchannelClientNotificationEndpoint,
  }),
});

const refusal = (description: string) => new OAuthError("invalid_client_metadata", description);
