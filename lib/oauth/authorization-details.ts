import { OAuthError } from "@/lib/errors";
import { isPlainText } from "./display-text";

/** One thing a client may do, in the words of its type (RFC 9396 §2). Stored as it was granted. */
export type AuthorizationDetail = { type: string } & Readonly<Record<string, unknown>>;

/** They come back in every token, and a token travels in one header: proxies take 8 KiB of it. */
const MAX_BYTES = 4096;
/** As many questions as a person can be asked at once. */
const MAX_DETAILS = 20;
/** Objects and lists within each other. */
const MAX_DEPTH = 8;
/** Characters of one text: patterns are matched against it. */
export const MAX_TEXT = 1000;

// Like the name of a scope: no spaces, quotes or backslashes; a URI is one.
const TYPE = /^[\x21\x23-\x5b\x5d-\x7e]{1,200}$/;

/** True for a name that a type of authorization details can have (RFC 9396 §2.1). */
export const isDetailsType = (value: unknown): value is string =>
  typeof value === "string" && TYPE.test(value);

/**
 * Reads the parameter: its form, and no more. Undefined: nothing is said; an empty list says that none are wanted
 * (RFC 9396 §2).
 */
export function parseAuthorizationDetails(
  value: string | undefined,
): readonly AuthorizationDetail[] | undefined {
  // "Parameters sent without a value MUST be treated as if they were omitted from the request" (RFC 6749 §3.1)
  if (!value) return undefined;
  if (Buffer.byteLength(value) > MAX_BYTES)
    throw invalidDetails(`Send at most ${MAX_BYTES} bytes of authorization_details: tokens carry them.`);
  return readAuthorizationDetails(parsed(value));
}

/** The same from JSON that is read already: a body, or a claim. */
export function readAuthorizationDetails(value: unknown): readonly AuthorizationDetail[] {
  if (!Array.isArray(value)) throw invalidDetails("Send authorization_details as a JSON array of objects.");
  if (value.length > MAX_DETAILS)
    throw invalidDetails(`Send at most ${MAX_DETAILS} authorization_details at a time.`);
  if (Buffer.byteLength(JSON.stringify(value)) > MAX_BYTES)
    throw invalidDetails(`Send at most ${MAX_BYTES} bytes of authorization_details: tokens carry them.`);
  return value.map(readDetail);
}

/** A refusal of a detail (RFC 9396 §5). */
export const invalidDetails = (description: string): OAuthError =>
  new OAuthError("invalid_authorization_details", description);

function parsed(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch (cause) {
    throw new OAuthError("invalid_authorization_details", "Send authorization_details as JSON: an array.", {
      cause,
    });
  }
}

function readDetail(value: unknown, index: number): AuthorizationDetail {
  const place = `authorization_details[${index}]`;
  if (!isDetail(value)) throw invalidDetails(`Send ${place} as an object whose type is a name.`);
  if (!isPlain(value, MAX_DEPTH))
    throw invalidDetails(
      `Send ${place} with texts of at most ${MAX_TEXT} characters on one line, without invisible ones, and in at most ${MAX_DEPTH} levels.`,
    );
  return value;
}

const isDetail = (value: unknown): value is AuthorizationDetail =>
  typeof value === "object" && value !== null && "type" in value && isDetailsType(value.type);

/** People read every text of it, and what they would not see is not what they agree to. */
function isPlain(value: unknown, depth: number): boolean {
  if (typeof value === "string")
    return value.length <= MAX_TEXT && isPlainText(value) && !/^\s+$/.test(value);
  if (typeof value !== "object" || value === null) return true;
  return depth > 0 && Object.entries(value).every((entry) => entry.every((part) => isPlain(part, depth - 1)));
}
