import assert from "node:assert/strict";
import { createTransport } from "nodemailer";
import { html, render } from "@/lib/html";
import { findUsers } from "@/lib/services/users";
import type { Settings } from "@/lib/settings";
import { isLoopbackMailServer } from "@/lib/settings/notifications";
import { type Channel, DeliveryError, PATIENT, SEND_TIMEOUT } from "./channel";
import { NO_ANSWER_HERE, type Words, wordsOf } from "./words";

/** E-mail by the operator's own mail server: text, and the same as plain markup that loads nothing. */
export const email: Channel = {
  name: "email",
  forPeople: true,
  isConfigured: ({ smtpUrl }) => smtpUrl !== undefined,
  async destinations(ctx, { recipients }) {
    const people = await findUsers(ctx, recipients);
    return people
      .filter(({ status, email: address }) => status === "active" && ADDRESS.test(address))
      .map(({ id }) => ({ receiver: "smtp", destination: id }));
  },
  backoff: () => PATIENT,
  async send(ctx, delivery) {
    const { settings, now } = ctx;
    const [person] = await findUsers(ctx, [delivery.destination]);
    if (person?.status !== "active" || !ADDRESS.test(person.email)) return "withdrawn";
    const words = wordsOf(settings, delivery);
    await sendMail(settings, {
      // As an object an address is one address, whatever is in it.
      to: { name: "", address: person.email },
      subject: words.title,
      text: textOf(words),
      html: htmlOf(words),
      date: now(),
      // The same at every try, so that a mail program shows it once (RFC 5322 §3.6.4).
      messageId: `<${delivery.id}@${new URL(settings.serverUrl).hostname}>`,
      // "Auto-Submitted: auto-generated" keeps vacation notices from answering (RFC 3834 §5).
      headers: { "auto-submitted": "auto-generated" },
    });
    return "delivered";
  },
};

/** One address and nothing else; providers say what they like. */
const ADDRESS = /^[^\s<>@,;:"()[\]\\]{1,64}@[^\s<>@,;:"()[\]\\]{1,189}$/;

type Mail = {
  to: { name: string; address: string };
  subject: string;
  text: string;
  html: string;
  date: Date;
  messageId: string;
  headers: Readonly<Record<string, string>>;
};

async function sendMail({ smtpUrl, smtpFrom }: Settings, mail: Mail): Promise<void> {
  assert(smtpUrl && smtpFrom, "these settings need each other");
  const { protocol, hostname, port, username, password } = new URL(smtpUrl);
  const secure = protocol === "smtps:";
  const transport = createTransport({
    host: hostname.replace(/^\[(.*)\]$/, "$1"),
    port: Number(port) || (secure ? 465 : 587),
    secure,
    ...(username ? { auth: { user: decodeURIComponent(username), pass: decodeURIComponent(password) } } : {}),
    // A password never leaves this machine in clear; without one, TLS is used where the server offers it.
    requireTLS: username !== "" && !isLoopbackMailServer(smtpUrl),
    disableFileAccess: true,
    disableUrlAccess: true,
    connectionTimeout: SEND_TIMEOUT,
    greetingTimeout: SEND_TIMEOUT,
    socketTimeout: SEND_TIMEOUT,
    maxResponseSize: 64 * 1024,
  });
  try {
    await transport.sendMail({ from: smtpFrom, ...mail, signal: AbortSignal.timeout(2 * SEND_TIMEOUT) });
  } catch (error) {
    throw inOurWords(hostname, error);
  } finally {
    transport.close();
  }
}

/** The person's address or the message is refused for good by 5xx (RFC 5321 §4.2.1); what else fails may work later. */
function inOurWords(host: string, error: unknown): DeliveryError {
  const { code = "", responseCode = 0 } = error as { code?: string; responseCode?: number };
  if (responseCode === 0) return new DeliveryError(`${host} could not be reached (${code || "no answer"})`);
  const alone = code === "EENVELOPE" || code === "EMESSAGE";
  return new DeliveryError(`${host} answered ${responseCode} (${code})`, {
    alone,
    final: alone && responseCode >= 500,
  });
}

const textOf = ({ title, facts, url, action }: Words): string =>
  [
    title,
    ...(facts.length > 0 ? ["", ...facts.map(([name, value]) => `${name}: ${value}`)] : []),
    "",
    `${action}:`,
    url,
    "",
    NO_ANSWER_HERE,
    "",
  ].join("\n");

const htmlOf = ({ title, facts, url, action }: Words): string =>
  render(html`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>${title}</title></head>
<body>
<p><strong>${title}</strong></p>
${facts.length > 0 && html`<p>${facts.map(([name, value]) => html`${name}: ${value}<br>`)}</p>`}
<p><a href="${url}">${action}</a></p>
<p>${NO_ANSWER_HERE}</p>
</body>
</html>
`);
