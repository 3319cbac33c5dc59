import type { Settings } from "@/lib/settings";
import type { Channel } from "./channel";
import { cibaPing } from "./ciba-ping";
import { consoleChannel } from "./console";
import { email } from "./email";
import { slack } from "./slack";
import { webPush } from "./web-push";
import { webhook } from "./webhook";

/** Every way of an operator to tell somebody something. To add one: write its file, add its line. */
export const channels: readonly Channel[] = [consoleChannel, webPush, email, slack, webhook];

/** The channels of a server: those that its settings set up, and the pings that clients register for. */
export const channelsOf = (settings: Settings): readonly Channel[] => [
  ...channels.filter((channel) => channel.isConfigured(settings)),
  cibaPing,
];
