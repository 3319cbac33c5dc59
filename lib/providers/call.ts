import assert from "node:assert/strict";
import { fetch } from "undici";
import { z } from "zod";

type Reason = "timeout" | "unreachable" | "status" | "too_large" | "malformed";

/** Thrown when a service of the operator's gave no answer that counts: for the log, not for the client. */
export class ProviderError extends Error {
  override readonly name = "ProviderError";

  constructor(
    readonly reason: Reason,
    message: string,
    cause?: unknown,
  ) {
    super(printable(message), { cause });
  }
}

const MAX_TEXT = 200;

/** Words of a service's own, short enough for a log and without what no database or terminal takes. */
const printable = (text: string): string => text.slice(0, MAX_TEXT).replace(/[^\x20-\x7e]/g, "?");

/** A service of the operator's: where it is, and what it knows us by. */
export type Service = {
  /** Set wherever a setting chooses `http` (lib/settings/rules.ts). */
  url: string | undefined;
  /** Sent as a Bearer token (RFC 6750 §2.1). */
  secret: string | undefined;
  /** From the connection to the last byte. */
  timeoutSeconds: number;
};

type Call<Answer> = Service & { schema: z.ZodType<Answer>; body: Readonly<Record<string, unknown>> };

/** Bytes of the decoded answer. */
const MAX_BYTES = 64 * 1024;

/** A sentence of the service's own that clients are told; RFC 6749 §5.2 limits what may be in it. */
export const reasonText = z.string().transform((text) => printable(text).replace(/["\\]/g, "'"));

/** Asks a service of the operator's. Only 200 with JSON of the expected shape is an answer. */
export async function callProvider<Answer>({
  url,
  timeoutSeconds,
  schema,
  ...call
}: Call<Answer>): Promise<Answer> {
  assert(url, "a setting chooses http and names no URL");
  const { host } = new URL(url);
  const signal = AbortSignal.timeout(timeoutSeconds * 1000);
  try {
    const answer = schema.safeParse(await post(url, host, signal, call));
    if (!answer.success) throw malformed(host, z.prettifyError(answer.error));
    return answer.data;
  } catch (error) {
    if (error instanceof ProviderError) throw error;
    if (signal.aborted)
      throw new ProviderError("timeout", `${host} took more than ${timeoutSeconds} s`, error);
    throw new ProviderError("unreachable", `${host} could not be reached`, error);
  }
}

async function post(
  url: string,
  host: string,
  signal: AbortSignal,
  { secret, body }: Pick<Call<unknown>, "secret" | "body">,
): Promise<unknown> {
  const response = await fetch(url, {
    method: "POST",
    // Another address would be sent the secret, and its operator may be another one.
    redirect: "manual",
    signal,
    headers: {
      accept: "application/json",
      "content-type": "application/json",
      ...(secret && { authorization: `Bearer ${secret}` }),
    },
    body: JSON.stringify(body),
  });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new ProviderError("status", `${host} answered ${response.status}`);
  }
  const text = await readText(host, response.body ?? []);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw malformed(host, "not JSON", error);
  }
}

/** Counts after decoding, so that a small compressed answer cannot become a large one. */
async function readText(
  host: string,
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    length += chunk.byteLength;
    if (length > MAX_BYTES)
      throw new ProviderError("too_large", `${host} answered more than ${MAX_BYTES} bytes`);
    parts.push(chunk);
  }
  return Buffer.concat(parts).toString("utf8");
}

const malformed = (host: string, why: string, cause?: unknown) =>
  new ProviderError("malformed", `${host} answered what cannot be read: ${why}`, cause);
