import { lookup } from "node:dns/promises";
import { isIP, type LookupFunction } from "node:net";
import { Agent, fetch } from "undici";
import { isLoopbackAddress, isPublicAddress } from "./public-address";

type Reason = "not_public" | "timeout" | "too_large" | "redirect" | "unreachable";

/** Thrown when a document of somebody else's was not fetched: for the log, not for the client. */
export class OutboundError extends Error {
  override readonly name = "OutboundError";

  constructor(
    readonly reason: Reason,
    message: string,
    cause?: unknown,
  ) {
    super(message, { cause });
  }
}

/** Which addresses a stranger may have chosen, and how they are found. */
export type Reach = {
  /** From the first DNS query to the last byte. */
  timeoutMs?: number;
  /** Loopback hosts, also by http: for a server that is on loopback itself. */
  allowLoopback?: boolean;
  /** Every address of a host name. */
  resolve?: (hostname: string) => Promise<readonly string[]>;
};

type Options = Reach & {
  accept: string;
  /** Of the decoded body. */
  maxBytes?: number;
  /** Sent as `If-None-Match`. */
  etag?: string;
};

export type PublicResponse = { status: number; headers: Headers; body: string };

/** Fetches a document from an address that a stranger chose (draft-ietf-oauth-client-id-metadata-document-02). */
export const publicFetch = (url: URL, options: Options): Promise<PublicResponse> =>
  throughPublicAddress(url, options, (dispatcher, signal) => get(url, dispatcher, signal, options));

/**
 * Does something over a connection that leads nowhere but to a public address, or where it is allowed to loopback:
 * one look-up, checked and pinned.
 */
export async function throughPublicAddress<T>(
  url: URL,
  { timeoutMs = 3000, allowLoopback = false, resolve = resolveAll }: Reach,
  use: (dispatcher: Agent, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const hostname = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const loopback = allowLoopback && isLoopbackHost(hostname);
  refuseUrl(url, hostname, loopback);

  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const addresses = isIP(hostname) ? [hostname] : await orTimeout(resolve(hostname), signal);
    refuseAddresses(hostname, addresses, loopback ? isLoopbackAddress : isPublicAddress);
    const dispatcher = new Agent({ connect: { lookup: pinnedTo(addresses) } });
    return await use(dispatcher, signal).finally(() => dispatcher.destroy());
  } catch (error) {
    if (error instanceof OutboundError) throw error;
    if (signal.aborted)
      throw new OutboundError("timeout", `${url.host} took more than ${timeoutMs} ms`, error);
    throw new OutboundError("unreachable", `${url.host} could not be reached`, error);
  }
}

/** Names that never belong to the public DNS (RFC 6761 §6.3, RFC 6762 §3), and the networks' own. */
const PRIVATE_NAME = /(^|\.)(localhost|local|internal)$/;

/** `URL` has already rewritten the odd spellings of an IPv4 address (decimal, octal, hex) into four decimal parts. */
function refuseUrl(url: URL, hostname: string, loopback: boolean): void {
  const refuse = (why: string) => new OutboundError("not_public", `${url.host} ${why}`);

  if (url.protocol !== "https:" && !(loopback && url.protocol === "http:"))
    throw refuse("is not asked without TLS");
  if (url.username || url.password) throw refuse("is not sent credentials");
  if (hostname.endsWith(".")) throw refuse("ends in a dot");
  if (!loopback && PRIVATE_NAME.test(hostname)) throw refuse("is a private name");
}

function isLoopbackHost(hostname: string): boolean {
  return hostname === "localhost" || hostname.endsWith(".localhost") || isLoopbackAddress(hostname);
}

/** One address out of place condemns the name: which one would be connected to is chance. */
function refuseAddresses(
  hostname: string,
  addresses: readonly string[],
  isAllowed: (ip: string) => boolean,
): void {
  if (addresses.length === 0) throw new OutboundError("unreachable", `${hostname} has no address`);
  const refused = addresses.find((address) => !isAllowed(address));
  if (refused) throw new OutboundError("not_public", `${hostname} is at ${refused}`);
}

async function get(
  url: URL,
  dispatcher: Agent,
  signal: AbortSignal,
  options: Options,
): Promise<PublicResponse> {
  const response = await fetch(url, {
    dispatcher,
    signal,
    // Where a redirect leads has not been checked, and the document would not be at its own address.
    redirect: "manual",
    headers: { accept: options.accept, ...(options.etag ? { "if-none-match": options.etag } : {}) },
  });
  const { status } = response;
  if (status >= 300 && status < 400 && status !== 304)
    throw new OutboundError("redirect", `${url.host} redirects`);

  const body = await readBody(response.body ?? [], options.maxBytes ?? 5120);
  return { status, headers: new Headers([...response.headers]), body };
}

/** Answers every look-up with what was checked: a second DNS answer is never asked for, so none can differ. */
function pinnedTo(addresses: readonly string[]): LookupFunction {
  const pinned = addresses.map((address) => ({ address, family: isIP(address) }));
  const first = pinned[0] ?? { address: "", family: 0 };
  return (_hostname, { all }, callback) =>
    all ? callback(null, pinned) : callback(null, first.address, first.family);
}

/** Counts after decoding, so that a small compressed body cannot become a large one. */
async function readBody(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  maxBytes: number,
): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    length += chunk.byteLength;
    if (length > maxBytes) throw new OutboundError("too_large", `the body is longer than ${maxBytes} bytes`);
    parts.push(chunk);
  }
  return Buffer.concat(parts).toString("utf8");
}

async function resolveAll(hostname: string): Promise<readonly string[]> {
  const answers = await lookup(hostname, { all: true });
  return answers.map(({ address }) => address);
}

/** A DNS query cannot be aborted, only left behind. */
function orTimeout<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    promise.then(resolve, reject);
  });
}
