import { Agent, fetch } from "undici";
import { OutboundError, type Reach, throughPublicAddress } from "./public-fetch";
import { isTrustedAddress } from "./trusted-fetch";

/** Milliseconds from the first DNS query to the head of the answer. */
const TIMEOUT = 10_000;

type Message = { headers: Readonly<Record<string, string>>; body: string | Uint8Array };

/** What a receiver said to a message. Of its body nothing is read: it is the receiver's, and may be of any size. */
export type Posted = {
  status: number;
  /** Seconds until the receiver wants to hear from us again (RFC 9110 §10.2.3). */
  retryAfter: number | undefined;
};

/** Posts a message to an address that the operator chose; it may be in a private network, and nothing leads elsewhere from there. */
export async function postTrusted(
  url: URL,
  message: Message,
  { timeoutMs = TIMEOUT }: { timeoutMs?: number } = {},
): Promise<Posted> {
  if (!isTrustedAddress(url)) throw new OutboundError("not_public", `${url.host} is not asked without TLS`);
  const signal = AbortSignal.timeout(timeoutMs);
  // One of its own, so that what is still on its way ends with it.
  const dispatcher = new Agent();
  try {
    return await post(url, message, dispatcher, signal);
  } catch (error) {
    if (signal.aborted)
      throw new OutboundError("timeout", `${url.host} took more than ${timeoutMs} ms`, error);
    throw new OutboundError("unreachable", `${url.host} could not be reached`, error);
  } finally {
    await dispatcher.destroy();
  }
}

/** Posts a message to an address that a stranger chose: public, or on this machine where that is allowed. */
export const postPublic = (url: URL, message: Message, reach: Reach): Promise<Posted> =>
  throughPublicAddress(url, { timeoutMs: TIMEOUT, ...reach }, (dispatcher, signal) =>
    post(url, message, dispatcher, signal),
  );

async function post(
  url: URL,
  { headers, body }: Message,
  dispatcher: Agent,
  signal: AbortSignal,
): Promise<Posted> {
  const response = await fetch(url, {
    method: "POST",
    dispatcher,
    signal,
    // Another address would be sent what is meant for this one.
    redirect: "manual",
    headers,
    body,
  });
  const retryAfter = /^\d{1,6}$/.exec(response.headers.get("retry-after") ?? "");
  return { status: response.status, retryAfter: retryAfter ? Number(retryAfter[0]) : undefined };
}
