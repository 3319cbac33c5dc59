import { Agent, fetch } from "undici";
import { isLoopbackHost } from "@/lib/oauth/uri";
import { OutboundError } from "./public-fetch";

/** Of the decoded body. */
const MAX_BYTES = 256 * 1024;

type Options = {
  /** From the first DNS query to the last byte. */
  timeoutMs?: number;
};

/**
 * Fetches JSON from an address that the operator trusts, or that somebody trusted names. It may be in a private
 * network, as clusters are, but nothing leads elsewhere from there.
 */
export async function fetchTrustedJson(url: URL, { timeoutMs = 5000 }: Options = {}): Promise<unknown> {
  if (!isTrustedAddress(url)) throw new OutboundError("not_public", `${url.host} is not asked without TLS`);
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    return await get(url, signal);
  } catch (error) {
    if (error instanceof OutboundError) throw error;
    if (signal.aborted)
      throw new OutboundError("timeout", `${url.host} took more than ${timeoutMs} ms`, error);
    throw new OutboundError("unreachable", `${url.host} could not be reached, or sent no JSON`, error);
  }
}

/** https, or http on this machine; without credentials. */
export const isTrustedAddress = (url: URL): boolean =>
  (url.protocol === "https:" || (url.protocol === "http:" && isLoopbackHost(url.hostname))) &&
  !url.username &&
  !url.password;

async function get(url: URL, signal: AbortSignal): Promise<unknown> {
  // One of its own, so that what is still on its way ends with it.
  const dispatcher = new Agent();
  try {
    const { status, headers, body } = await fetch(url, {
      dispatcher,
      signal,
      redirect: "manual",
      headers: { accept: "application/json, application/jwk-set+json" },
    });
    if (status >= 300 && status < 400) throw new OutboundError("redirect", `${url.host} redirects`);
    if (status !== 200) throw new OutboundError("unreachable", `${url.host} answered ${status}`);
    const type = headers.get("content-type")?.split(";")[0]?.trim().toLowerCase() ?? "";
    if (!/^application\/(?:[\w.-]+\+)?json$/.test(type))
      throw new OutboundError("unreachable", `${url.host} sent ${type || "no type"} instead of JSON`);
    return JSON.parse(await readBody(body ?? []));
  } finally {
    await dispatcher.destroy();
  }
}

async function readBody(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    length += chunk.byteLength;
    if (length > MAX_BYTES)
      throw new OutboundError("too_large", `the body is longer than ${MAX_BYTES} bytes`);
    parts.push(chunk);
  }
  return Buffer.concat(parts).toString("utf8");
}
