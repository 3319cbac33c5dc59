import type { Channel } from "./channel";
import { consoleChannel } from "./console";
import { email } from "./email";
import { slack } from "./slack";
import { webPush } from "./web-push";
import { webhook } from "./webhook";

/** Every way to tell somebody something. To add one: write its file, add its line. */
export const channels: readonly Channel[] = [consoleChannel, webPush, email, slack, webhook];
