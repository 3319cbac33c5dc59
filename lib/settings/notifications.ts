import { z } from "zod";
import { isLoopbackHost } from "./loopback";
import { list, refused, secret, text, urlProblem, wholeNumber } from "./values";

/** The characters that a signing secret has at least: 144 random bits as base64 (Standard Webhooks, Signature scheme). */
const SHORTEST_SECRET = 24;

function secretsProblem(value: string): string | undefined {
  const secrets = value.split(" ");
  if (secrets.some((one) => one.length < SHORTEST_SECRET))
    return `must have at least ${SHORTEST_SECRET} characters, and so must each of several separated by spaces`;
  if (secrets.some((one) => one.startsWith("whsec_") && !/^whsec_[A-Za-z0-9+/]{24,}={0,2}$/.test(one)))
    return "must be base64 after whsec_";
  return undefined;
}

function smtpProblem(value: string): string | undefined {
  const form = "must be smtp://USER:PASSWORD@HOST:PORT, or smtps:// with TLS from the first byte";
  if (!/^smtps?:\/\/[^/]/.test(value) || !URL.canParse(value)) return form;
  const { hostname, pathname, search, hash, username, password } = new URL(value);
  // Options in an address would be a way to switch certificates off.
  if (!hostname || !["", "/"].includes(pathname) || search || hash) return form;
  if (!isDecodable(username + password)) return "must have its user and password percent-encoded";
  return (username === "") === (password === "")
    ? undefined
    : "must have both a user and a password, or neither";
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

const ADDRESS = /^[^\s<>@,;:"()]{1,64}@[^\s<>@,;:"()]{1,189}$/;
const SENDER = /^(?:[^\p{C}<>@,;:"()\\]{1,100}<([^<>]+)>|([^<>]+))$/u;

/** `Authgent <authgent@example.com>`, or the address alone. */
function senderProblem(value: string): string | undefined {
  const [, named, alone] = SENDER.exec(value) ?? [];
  return ADDRESS.test(named ?? alone ?? "")
    ? undefined
    : "must be an e-mail address, or a name and one: Authgent <authgent@example.com>";
}

/** Where people and machines are told that an approval waits (docs/notifications.md). */
export const notificationSettings = {
  webhookUrl: text
    .superRefine(refused(urlProblem))
    .optional()
    .describe("Where every notification is posted to, signed. Needs `AUTHGENT_WEBHOOK_HMAC_SECRET`"),
  webhookHmacSecret: secret(1)
    .superRefine(refused(secretsProblem))
    .optional()
    .describe(
      "Secret that webhooks are signed with: `whsec_` and base64, or any 24 characters or more. While it changes, the new and the old one with a space between",
    ),
  webhookRetries: wholeNumber(0, 20).default(3).describe("How often a webhook is tried again, at most 20"),
  webhookBackoff: list(text)
    .pipe(
      z
        .array(wholeNumber(1, 86_400), "must be a list of seconds such as 1,5,30")
        .min(1, "must be a list of seconds such as 1,5,30")
        .readonly(),
    )
    .default([1, 5, 30])
    .describe("Seconds to wait before each further try; the last one is for all that follow"),
  slackWebhookUrl: text
    .superRefine(refused(urlProblem))
    .optional()
    .describe("Incoming webhook of Slack, or of what understands the same JSON"),
  smtpUrl: text
    .superRefine(refused(smtpProblem))
    .optional()
    .describe(
      "Mail server for e-mails to people: `smtp://` or `smtps://`. A password is only sent by TLS, or to this machine. Needs `AUTHGENT_SMTP_FROM`",
    ),
  smtpFrom: text
    .superRefine(refused(senderProblem))
    .optional()
    .describe("Sender of these e-mails: `Authgent <authgent@example.com>`"),
  notificationRateLimit: wholeNumber(1, 60)
    .default(3)
    .describe(
      "Messages a minute to one person by one channel; what is more comes together in one (webhooks are for machines, and get all); at most 60",
    ),
};

/** Whether a mail server is this machine, so that nothing sent there leaves it. */
export const isLoopbackMailServer = (smtpUrl: string): boolean => isLoopbackHost(new URL(smtpUrl).hostname);
