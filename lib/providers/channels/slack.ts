import assert from "node:assert/strict";
import { postTrusted } from "@/lib/outbound/post";
import { requireDelivered } from "./answer";
import { type Channel, PATIENT, SEND_TIMEOUT } from "./channel";
import { NO_ANSWER_HERE, type Words, wordsOf } from "./words";

/** A channel of a team, by Slack's incoming webhooks or by what takes the same JSON. */
export const slack: Channel = {
  name: "slack",
  forPeople: true,
  isConfigured: ({ slackWebhookUrl }) => slackWebhookUrl !== undefined,
  destinations: async () => [{ receiver: "slack", destination: "slack" }],
  backoff: () => PATIENT,
  async send({ settings }, delivery) {
    assert(settings.slackWebhookUrl, "a channel is used only where it is configured");
    const url = new URL(settings.slackWebhookUrl);
    const body = JSON.stringify(messageOf(wordsOf(settings, delivery)));
    const headers = { "content-type": "application/json", "user-agent": "Authgent" };
    requireDelivered(url, await postTrusted(url, { headers, body }, { timeoutMs: SEND_TIMEOUT }));
    return "delivered";
  },
};

/** `text` is what notifications show, and all that other systems understand; blocks are what Slack shows. */
function messageOf({ title, facts, url, action }: Words) {
  const details = facts.map(([name, value]) => `${name}: ${value}`);
  return {
    text: [escaped(title), ...details.map(escaped), `<${url}|${escaped(action)}>`].join("\n"),
    blocks: [
      { type: "section", text: plain([title, ...details].join("\n")) },
      { type: "actions", elements: [{ type: "button", text: plain(action), url }] },
      { type: "context", elements: [plain(NO_ANSWER_HERE)] },
    ],
  };
}

/** Not `mrkdwn`: nobody's name may draw, link or call a whole channel. */
const plain = (text: string) => ({ type: "plain_text", text: escaped(text), emoji: false });

const ENTITIES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };

const escaped = (text: string): string => text.replace(/[&<>]/g, (character) => ENTITIES[character] ?? "");
