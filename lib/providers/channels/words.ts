import type { NotificationEvent } from "@/db/schema/outbox";
import type { Settings } from "@/lib/settings";
import type { Delivery } from "./channel";

/** What a person reads: one sentence, what belongs to it, and where to go on. Nothing of it approves anything. */
export type Words = {
  title: string;
  facts: readonly (readonly [name: string, value: string])[];
  url: string;
  /** What the address is for, on a button. */
  action: string;
};

const TOGETHER: Record<NotificationEvent, (count: number) => string> = {
  "approval.requested": (count) => `${count} requests wait for your answer`,
  "approval.decided": (count) => `${count} requests were answered`,
  "approval.expired": (count) => `${count} requests ended without an answer`,
  "notification.test": (count) => `${count} test messages`,
};

/** The words of a message for people. */
export function wordsOf({ serverUrl }: Settings, { messages }: Pick<Delivery, "messages">): Words {
  const [{ event, title, requester, risk, bindingCode, expiresAt, url }, ...others] = messages;
  if (others.length > 0) {
    const together = TOGETHER[event](messages.length);
    return { title: together, facts: [], url: `${serverUrl}/inbox`, action: "See them" };
  }
  if (event !== "approval.requested")
    return { title, facts: [["Asked by", requester]], url, action: "See what it was" };
  return {
    title,
    facts: [
      ["Asked by", requester],
      ["Risk", risk],
      ...(bindingCode ? [["Code", `${bindingCode} (the agent shows the same one)`] as const] : []),
      ["Answer until", inWords(expiresAt)],
    ],
    url,
    action: "Read it and answer",
  };
}

/** Said wherever there is room for it. */
export const NO_ANSWER_HERE = "This message approves nothing: sign in there and read what is asked.";

/** `2026-11-22 12:30 UTC` */
const inWords = (at: Date): string => `${at.toISOString().slice(0, 16).replace("T", " ")} UTC`;
